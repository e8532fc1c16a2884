/**
 * One clock for all threads, in ticks of a tenth of a second, in the table's memory.
 *
 * Looking up reads the time from there and asks no clock. Each thread moves it on: `tick` once for each batch of
 * packets, `refresh` by a timer for when none come. Ticks wrap after thirteen years; they are compared by difference.
 */
import type { Clock } from "effect"
import { AgeingClock } from "./ageing-clock.ts"
import { Lock } from "./lock.ts"
import { Header, type TableMemory } from "./memory.ts"

export const TICKS_PER_SECOND = 10
const TICK_MS = 1000 / TICKS_PER_SECOND
/** Milliseconds of the wall clock that `tick` lets pass before it looks closer. */
const GRAIN_MS = 20

/** A clock whose state other threads have as well: one of them at a time takes note of a jump. */
class SharedAgeingClock extends AgeingClock {
  private readonly lock: Lock

  constructor(clock: Clock.Clock, cells: Float64Array, lock: Lock) {
    super(clock, cells)
    this.lock = lock
  }

  /** Who finds the lock taken leaves it to whoever has it. */
  protected override jump(drift: number): void {
    if (!this.lock.take()) return
    super.jump(drift)
    this.lock.release()
  }
}

export class SharedClock {
  private readonly clock: Clock.Clock
  private readonly header: Int32Array
  private readonly ageing: AgeingClock
  private lastWallMs = 0

  constructor(memory: TableMemory, clock: Clock.Clock, writer: number) {
    this.clock = clock
    this.header = memory.header
    this.ageing = new SharedAgeingClock(clock, memory.clock, new Lock(memory.header, Header.ClockLock, writer))
    this.refresh()
  }

  /** The time, as last seen by any thread. */
  get now(): number {
    return this.header[Header.Ticks]!
  }

  /** Moves the time on if some milliseconds have passed. Costs a look at the wall clock, and most often no more. */
  tick(): void {
    const passedMs = this.clock.currentTimeMillisUnsafe() - this.lastWallMs
    if (passedMs >= GRAIN_MS || passedMs < 0) this.refresh()
  }

  /** Moves the time on. It never goes back, whoever moves it at the same moment. */
  refresh(): void {
    this.lastWallMs = this.clock.currentTimeMillisUnsafe()
    // The remainder takes ticks into 32 bits, where they wrap.
    const ticks = Math.floor(this.ageing.nowMs() / TICK_MS) | 0
    let seen = Atomics.load(this.header, Header.Ticks)
    while (((ticks - seen) | 0) > 0) {
      const found = Atomics.compareExchange(this.header, Header.Ticks, seen, ticks)
      if (found === seen) return
      seen = found
    }
  }
}
