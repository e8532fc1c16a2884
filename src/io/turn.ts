/**
 * Turns of the event loop in which packets come in: each begins with a batch, and reads the clocks once for all of it.
 */
import { Clock, Context, Effect, Layer } from "effect"

export class Turn extends Context.Service<
  Turn,
  {
    /** A batch has come in: a new turn. */
    readonly begin: () => void
    /** Counts up from turn to turn. */
    readonly count: () => number
    /** Milliseconds on the monotonic clock when the turn began; only differences mean something. */
    readonly startedMs: () => number
  }
>()("strand/io/Turn") {
  static readonly layer: Layer.Layer<Turn> = Layer.effect(
    Turn,
    Effect.map(Clock.clockWith(Effect.succeed), (clock) => {
      let count = 0
      let startedMs = monotonicMs(clock)
      return Turn.of({
        begin: () => {
          count++
          startedMs = monotonicMs(clock)
        },
        count: () => count,
        startedMs: () => startedMs
      })
    })
  )
}

const monotonicMs = (clock: Clock.Clock): number => Number(clock.monotonicTimeNanosUnsafe()) / 1e6
