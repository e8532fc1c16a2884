/**
 * Time by which answers grow old.
 *
 * The monotonic clock may stand still while the machine sleeps, the wall clock may be set back: an answer is as old as
 * the faster of the two says, so that sleep counts and a clock set back does not lengthen a life.
 */
import type { Clock } from "effect"

export class AgeingClock {
  private readonly clock: Clock.Clock
  private elapsedMs = 0
  private wallMs: number
  private monotonicMs: number

  constructor(clock: Clock.Clock) {
    this.clock = clock
    this.wallMs = clock.currentTimeMillisUnsafe()
    this.monotonicMs = this.monotonic()
  }

  /** Milliseconds since the clock was made. Never goes back. */
  nowMs(): number {
    const wall = this.clock.currentTimeMillisUnsafe()
    const monotonic = this.monotonic()
    this.elapsedMs += Math.max(0, wall - this.wallMs, monotonic - this.monotonicMs)
    this.wallMs = wall
    this.monotonicMs = monotonic
    return this.elapsedMs
  }

  private monotonic(): number {
    return Number(this.clock.monotonicTimeNanosUnsafe()) / 1e6
  }
}
