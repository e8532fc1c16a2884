/** Waiting for what a test cannot be told of. */
import { Effect } from "effect"

/** Waits until something holds; dies when it never does. */
export const until = (what: string, holds: () => boolean): Effect.Effect<void> =>
  Effect.gen(function* () {
    for (let i = 0; i < 600; i++) {
      if (holds()) return
      yield* Effect.sleep(25)
    }
    yield* Effect.die(new Error(`never: ${what}`))
  })
