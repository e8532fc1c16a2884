/**
 * Uncaught exceptions on the main thread: an error in a callback, a rejected promise.
 *
 * A worker thread that has one is replaced (`worker-slot.ts`). The main thread cannot be replaced, and Node would end
 * the process, for all clients at once. So the exception is logged and the server goes on: queries have guards of their
 * own, and one that is uncaught here belongs to no query.
 */
import { Effect, type Scope } from "effect"
import { Counters } from "../telemetry/counters.ts"

/** Between two lines of the log. */
const LOG_EVERY_MS = 1_000

/** For as long as the scope lives. */
export const surviveDefects: Effect.Effect<void, never, Counters | Scope.Scope> = Effect.gen(function* () {
  const counters = yield* Counters
  const context = yield* Effect.context<never>()
  const log = Effect.runForkWith(context)
  let saidMs = Number.NEGATIVE_INFINITY
  let unsaid = 0
  const onDefect = (error: unknown): void => {
    counters.add("process.defects")
    unsaid++
    if (performance.now() - saidMs < LOG_EVERY_MS) return
    const times = unsaid === 1 ? "" : ` (${unsaid} times since the last line)`
    saidMs = performance.now()
    unsaid = 0
    log(Effect.logError(`a fault outside of any query: ${error instanceof Error ? error.stack : error}${times}`))
  }
  yield* Effect.acquireRelease(
    Effect.sync(() => process.on("uncaughtException", onDefect)),
    () => Effect.sync(() => process.off("uncaughtException", onDefect))
  )
})
