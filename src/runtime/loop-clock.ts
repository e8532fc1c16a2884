/**
 * The loop clock: a turn of the event loop begins with a batch of packets, and the clock is read once for all that
 * happens in it.
 */
import { Clock, Context, Effect, Layer } from "effect"

/** Between two looks at the wall clock. */
const LOOK_MS = 1_000
const STEP_MS = 100

export class LoopClock extends Context.Service<
  LoopClock,
  {
    /** A batch of queries has come in: a new turn. */
    readonly begin: () => void
    /** Something else has woken this thread: time has passed. */
    readonly refresh: () => void
    /** Counts up from batch to batch. */
    readonly count: () => number
    /** When the turn began, in milliseconds of a monotonic clock; only differences mean something. */
    readonly nowMs: () => number
    /** The time at this instant, on the same clock. */
    readonly preciseMs: () => number
    /** Milliseconds since 1970 of a time on that clock. */
    readonly wallMs: (ms: number) => number
  }
>()("strand/runtime/LoopClock") {
  static readonly layer: Layer.Layer<LoopClock> = Layer.effect(
    LoopClock,
    Effect.map(Clock.clockWith(Effect.succeed), (clock) => {
      const preciseMs = (): number => Number(clock.monotonicTimeNanosUnsafe()) / 1e6
      let count = 0
      let nowMs = preciseMs()
      let offsetMs = clock.currentTimeMillisUnsafe() - nowMs
      let lookedMs = nowMs
      /** The wall clock may be set, or corrected slowly, and the machine may sleep: it is followed where it is a step away. */
      const lookAtWall = (): void => {
        if (nowMs - lookedMs < LOOK_MS) return
        lookedMs = nowMs
        const nextMs = clock.currentTimeMillisUnsafe() - nowMs
        if (Math.abs(nextMs - offsetMs) >= STEP_MS) offsetMs = nextMs
      }
      return LoopClock.of({
        begin: () => {
          count++
          nowMs = preciseMs()
          lookAtWall()
        },
        refresh: () => {
          nowMs = preciseMs()
        },
        count: () => count,
        nowMs: () => nowMs,
        preciseMs,
        wallMs: (ms) => ms + offsetMs
      })
    })
  )
}
