/**
 * Which thread watches an upstream: one of a process at a time, and another one when it dies.
 *
 * A thread has the watch by its number, and shows every now and then that it lives. When it has not for a while, whoever
 * wants the watch takes it. A thread that takes the place of a dead one has its number, and so its watches.
 *
 * Pure: it is told the time.
 */
import { Time, type UpstreamState, Word } from "./shared-state.ts"

/** Who has shown no sign of life for so long has lost the watch. */
export const LEASE_MS = 1_000

const NO_HOLDER = 0

export class ProbeLease {
  private readonly words: Int32Array
  private readonly times: Float64Array
  private readonly worker: number

  /** @param worker this thread's number, from 1 */
  constructor({ words, times }: UpstreamState, worker: number) {
    this.words = words
    this.times = times
    this.worker = worker
  }

  get isOurs(): boolean {
    return Atomics.load(this.words, Word.LeaseHolder) === this.worker
  }

  /** Takes the watch if nobody has it who lives; says whether this thread has it now. Of several only one gets it. */
  claim(nowMs: number): boolean {
    const holder = Atomics.load(this.words, Word.LeaseHolder)
    const isAlive = nowMs - this.times[Time.LeaseRenewed]! < LEASE_MS
    if (holder !== NO_HOLDER && holder !== this.worker && isAlive) return false
    // The sign of life first: who sees the new number must not see an old sign with it.
    this.times[Time.LeaseRenewed] = nowMs
    return Atomics.compareExchange(this.words, Word.LeaseHolder, holder, this.worker) === holder
  }

  /** A sign of life; says whether the watch is still this thread's. */
  renew(nowMs: number): boolean {
    if (!this.isOurs) return false
    this.times[Time.LeaseRenewed] = nowMs
    return true
  }

  release(): void {
    Atomics.compareExchange(this.words, Word.LeaseHolder, this.worker, NO_HOLDER)
  }
}
