/**
 * Rates of many: of each network of clients, or of each kind of reply, in memory of one size that threads share.
 *
 * A rate is kept as one time, that at which all that came would be due if it came evenly (the generic cell rate
 * algorithm, ITU-T I.371): it lies in the past for who is slow, and ahead for who is fast; how far ahead it may lie is
 * the burst. A cell holds a hash and such a time. A hash has its place among eight cells; where all are taken, the one
 * whose time is earliest makes room, for who is that slow has nothing to remember.
 *
 * Threads write without a lock: of two that count at the same instant one may be lost, which lets a query more pass.
 *
 * Hot path where rates are limited: at most eight cells in two lines of the processor's cache, nothing allocated.
 */

const WAYS = 8
/** Room for 65,536: more networks than these that are fast at once are not kept apart. */
const SETS = 8_192
const CELLS = WAYS * SETS
const TIMES_AT = CELLS * Uint32Array.BYTES_PER_ELEMENT

export const rateTableOctets = (): number => TIMES_AT + CELLS * Float64Array.BYTES_PER_ELEMENT

export class RateTable {
  private readonly hashes: Int32Array
  private readonly times: Float64Array

  /** @param start of `rateTableOctets` in the memory, a multiple of 8 */
  constructor(memory: SharedArrayBuffer, start: number) {
    this.hashes = new Int32Array(memory, start, CELLS)
    this.times = new Float64Array(memory, start + TIMES_AT, CELLS)
  }

  /**
   * Counts one of the kind that the hash stands for, where it is not beyond the rate.
   *
   * @param hash keyed; never 0
   * @param intervalMs between two of them at the rate
   * @param burstMs how far ahead of the rate they may be
   * @param nowMs on a clock that all threads have in common
   * @returns whether it is within the rate
   */
  take(hash: number, intervalMs: number, burstMs: number, nowMs: number): boolean {
    const { times } = this
    const cell = this.cellOf(hash, nowMs)
    const dueMs = Math.max(times[cell]!, nowMs)
    if (dueMs - nowMs > burstMs) return false
    times[cell] = dueMs + intervalMs
    return true
  }

  private cellOf(hash: number, nowMs: number): number {
    const { hashes, times } = this
    const first = (Math.imul(hash, 0x9e3779b1) >>> 19) * WAYS
    let earliest = first
    for (let cell = first; cell < first + WAYS; cell++) {
      if (hashes[cell] === hash) return cell
      if (times[cell]! < times[earliest]!) earliest = cell
    }
    hashes[earliest] = hash
    times[earliest] = nowMs
    return earliest
  }
}
