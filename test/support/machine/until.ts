/** Waiting for what happens when it happens. */
import { Effect } from "effect"

/** What has not come by then does not come, on however busy a machine. */
const NEVER_MS = 120_000
const LOOK_MS = 20

/** Waits until something holds; dies when it never does. */
export const until = (what: string, holds: () => boolean): Effect.Effect<void> => untilSo(what, Effect.sync(holds))

/**
 * The same of what takes an effect to look at.
 *
 * @param seen what is told beside, where it never holds
 */
export const untilSo = <E, R>(
  what: string,
  holds: Effect.Effect<boolean, E, R>,
  seen: () => string = () => ""
): Effect.Effect<void, E, R> =>
  Effect.gen(function* () {
    const startedMs = performance.now()
    while (!(yield* holds)) {
      if (performance.now() - startedMs > NEVER_MS) return yield* Effect.die(new Error(`never: ${what}\n${seen()}`))
      yield* Effect.sleep(LOOK_MS)
    }
  })

/** So many turns of the event loop. */
export const turns = (count: number): Effect.Effect<void> =>
  Effect.asVoid(Effect.repeat(Effect.yieldNow, { times: count }))
