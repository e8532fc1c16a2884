/** `strand top`: the server as it is now, each second anew; once, where the output is no terminal. */
import { isatty } from "node:tty"
import { Effect, Queue, Terminal } from "effect"
import { openAdmin } from "../admin/client.ts"
import type { AdminOptions } from "../admin/place.ts"
import { print, printJson } from "../text/print.ts"
import { style } from "../text/style.ts"
import { draw } from "./draw.ts"
import { onScreen, show } from "./screen.ts"
import { takeSnapshot } from "./snapshot.ts"

const EACH_MS = 1_000
const [STDIN, STDOUT] = [0, 1]
/** Of a line, where it is not known. */
const COLUMNS = 100

interface TopOptions extends AdminOptions {
  readonly isOnce: boolean
  readonly isJson: boolean
}

export const top = Effect.fnUntraced(function* (options: TopOptions) {
  const admin = yield* openAdmin(options)
  const paint = yield* style
  // What is wrong from the start ends it, before the screen is taken.
  const first = yield* takeSnapshot(admin)
  if (options.isJson) return yield* printJson(first)
  if (options.isOnce || !isatty(STDOUT)) return yield* print(false, first, () => draw(first, COLUMNS, paint))

  const terminal = yield* Terminal.Terminal
  const frame = Effect.gen(function* () {
    const columns = (yield* terminal.columns) || COLUMNS
    const lines = yield* Effect.match(takeSnapshot(admin), {
      onSuccess: (snapshot) => draw(snapshot, columns, paint),
      onFailure: ({ message }) => [paint.red(message), "", "asked again each second"]
    })
    yield* show([...lines, "", paint.dim("q ends this")], yield* terminal.rows, columns)
  })
  const frames = Effect.forever(Effect.andThen(frame, Effect.sleep(EACH_MS)))
  yield* onScreen(Effect.raceFirst(frames, isatty(STDIN) ? quitPressed(terminal) : Effect.never))
})

/** Over when q, Esc, Ctrl-C or Ctrl-D is pressed. */
const quitPressed = (terminal: Terminal.Terminal): Effect.Effect<void> =>
  Effect.scoped(
    Effect.gen(function* () {
      const keys = yield* terminal.readInput
      for (;;) {
        const { key } = yield* Queue.take(keys)
        if (key.name === "q") return
      }
    })
  ).pipe(Effect.ignore)
