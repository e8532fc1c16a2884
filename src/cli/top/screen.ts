/** The terminal's other screen: what was on it before comes back. */
import { writeSync } from "node:fs"
import { Effect } from "effect"
import { cutVisible } from "./visible.ts"

const STDOUT = 1

const ENTER = "\x1b[?1049h\x1b[?25l"
const LEAVE = "\x1b[?25h\x1b[?1049l"
const HOME = "\x1b[H"
const CLEAR_LINE = "\x1b[K"
const CLEAR_BELOW = "\x1b[J"

/** A terminal that takes nothing for a moment loses a frame, and the next one comes in a second. */
const write = (text: string): Effect.Effect<void> =>
  Effect.sync(() => {
    try {
      writeSync(STDOUT, text)
    } catch {}
  })

/** Runs it on the other screen, with the cursor hidden; both are given back however it ends. */
export const onScreen = <A, E, R>(effect: Effect.Effect<A, E, R>): Effect.Effect<A, E, R> =>
  Effect.acquireUseRelease(
    write(ENTER),
    () => effect,
    () => write(LEAVE)
  )

/** Draws over what stands there, without a moment of nothing; what does not fit is left out. */
export const show = (lines: ReadonlyArray<string>, rows: number, columns: number): Effect.Effect<void> => {
  const fitting = rows > 0 ? lines.slice(0, rows) : lines
  return write(HOME + fitting.map((line) => cutVisible(line, columns) + CLEAR_LINE).join("\r\n") + CLEAR_BELOW)
}
