/**
 * The clock by which answers age.
 *
 * The monotonic clock may stand still while the machine sleeps, and the wall clock may be set back: an answer is as old
 * as the faster of the two says. So sleep counts, and a clock that is set back does not lengthen a life.
 *
 * Time follows the monotonic clock. Where the wall clock runs ahead of it by a jump, the jump is added. Smaller steps
 * are the wall clock's resolution (milliseconds) and its slewing: added up, they would make time run fast.
 */
import type { Clock } from "effect"

/** Milliseconds by which the two clocks must differ from what they differed by. */
const JUMP_MS = 100

const ORIGIN = 0
const JUMPED = 1
const DRIFT = 2

export class AgeingClock {
  private readonly clock: Clock.Clock
  private readonly cells: Float64Array

  /**
   * @param cells three numbers that hold the clock's state; a clock that goes on where these are is made by giving them
   */
  constructor(clock: Clock.Clock, cells: Float64Array = AgeingClock.started(clock, new Float64Array(3))) {
    this.clock = clock
    this.cells = cells
  }

  /** Writes the state of a clock that begins now. */
  static started(clock: Clock.Clock, cells: Float64Array): Float64Array {
    const monotonicMs = monotonicOf(clock)
    cells[ORIGIN] = monotonicMs
    cells[JUMPED] = 0
    cells[DRIFT] = clock.currentTimeMillisUnsafe() - monotonicMs
    return cells
  }

  /** Milliseconds since the clock was started. Never goes back. */
  nowMs(): number {
    const monotonicMs = monotonicOf(this.clock)
    const drift = this.clock.currentTimeMillisUnsafe() - monotonicMs
    if (Math.abs(drift - this.cells[DRIFT]!) >= JUMP_MS) this.jump(drift)
    return monotonicMs - this.cells[ORIGIN]! + this.cells[JUMPED]!
  }

  /** In this order: if it stops between the two, time only goes faster. */
  protected jump(drift: number): void {
    this.cells[JUMPED] = this.cells[JUMPED]! + Math.max(0, drift - this.cells[DRIFT]!)
    this.cells[DRIFT] = drift
  }
}

const monotonicOf = (clock: Clock.Clock): number => Number(clock.monotonicTimeNanosUnsafe()) / 1e6
