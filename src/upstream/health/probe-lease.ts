/**
 * The probe lease of an upstream: the one thread of the process that checks it.
 *
 * The holder is known by its number, and renews the lease from time to time. When it has not renewed it for a while,
 * any other thread may take it. A thread that replaces a dead one has the same number, and so its leases.
 *
 * Pure: it is told the time.
 */
import { Time, type UpstreamState, Word } from "./shared-state.ts"

/** A lease that was not renewed for so long is lost. */
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

  /**
   * Takes the lease if no living thread holds it; says whether this thread holds it now. Of several threads only one
   * gets it.
   */
  claim(nowMs: number): boolean {
    const holder = Atomics.load(this.words, Word.LeaseHolder)
    const isAlive = nowMs - this.times[Time.LeaseRenewed]! < LEASE_MS
    if (holder !== NO_HOLDER && holder !== this.worker && isAlive) return false
    // Renewed before it is taken: a thread that sees the new holder must not see an old time with it.
    this.times[Time.LeaseRenewed] = nowMs
    return Atomics.compareExchange(this.words, Word.LeaseHolder, holder, this.worker) === holder
  }

  /** Renews the lease; says whether this thread still holds it. */
  renew(nowMs: number): boolean {
    if (!this.isOurs) return false
    this.times[Time.LeaseRenewed] = nowMs
    return true
  }

  release(): void {
    Atomics.compareExchange(this.words, Word.LeaseHolder, this.worker, NO_HOLDER)
  }
}
