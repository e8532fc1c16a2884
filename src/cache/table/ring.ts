/**
 * A ring of entries of any size, the newest at its head, the oldest at its tail.
 *
 * An entry is one piece: where it does not fit before the ring's end, a gap is written there and it goes to the start.
 * One unit always stays free, so that head and tail meet only when the ring is empty. Only the holder of the shard's
 * lock calls this. The order of the writes keeps the ring whole wherever they stop: what lies between head and tail is
 * in no entry, so it is written first and the position moved after.
 */
import { nameLengthOf, SHAPE, sizeOf } from "./entry.ts"

export class Ring {
  readonly start: number
  readonly end: number
  private readonly words: Int32Array
  private readonly headCell: number
  private readonly tailCell: number

  /** The units from `start` up to `end`; the positions are kept in two words of the shard. */
  constructor(words: Int32Array, headCell: number, tailCell: number, start: number, end: number) {
    this.words = words
    this.headCell = headCell
    this.tailCell = tailCell
    this.start = start
    this.end = end
  }

  /** Units that one entry may have at most. */
  get largest(): number {
    return this.end - this.start - 1
  }

  /** Whether the unit lies in an entry of the ring. */
  contains(unit: number): boolean {
    const head = this.words[this.headCell]!
    const tail = this.words[this.tailCell]!
    if (unit < this.start || unit >= this.end) return false
    return tail <= head ? unit >= tail && unit < head : unit >= tail || unit < head
  }

  /**
   * Where an entry of so many units can be written.
   *
   * @returns 0 where the oldest entry has to go first
   */
  place(units: number): number {
    if (!this.isInside(this.words[this.headCell]!) || !this.isInside(this.words[this.tailCell]!)) this.clear()
    const head = this.words[this.headCell]!
    const tail = this.words[this.tailCell]!
    if (head < tail) return head + units < tail ? head : 0
    const past = head + units
    if (past < this.end || (past === this.end && tail !== this.start)) return head
    if (tail === this.start) return 0
    this.words[(head << 1) + SHAPE] = this.end - head
    this.words[this.headCell] = this.start
    return this.start + units < tail ? this.start : 0
  }

  /** A position outside of the ring can only be damage. */
  private isInside(position: number): boolean {
    return position >= this.start && position < this.end
  }

  /** Takes in the entry that was written where `place` said. */
  push(unit: number, units: number): void {
    const past = unit + units
    this.words[this.headCell] = past === this.end ? this.start : past
  }

  /** The oldest entry; 0 where there is none. */
  oldest(): number {
    for (;;) {
      const tail = this.words[this.tailCell]!
      if (tail === this.words[this.headCell]) return 0
      if (nameLengthOf(this.words[(tail << 1) + SHAPE]!) > 0) return tail
      this.drop(tail)
    }
  }

  /**
   * Lets the oldest entry go, which is at `unit`.
   *
   * A size that leads past the head or the ring's end can only be damage: then all that is in the ring goes, so that no
   * damage makes a writer go round for ever.
   */
  drop(unit: number): void {
    const head = this.words[this.headCell]!
    const size = sizeOf(this.words[(unit << 1) + SHAPE]!)
    const past = unit + size
    if (size === 0 || past > (unit < head ? head : this.end)) this.clear()
    else this.words[this.tailCell] = past === this.end ? this.start : past
  }

  /** Whether the ring has not been full yet, and takes so many units before it is. */
  isFilling(units: number): boolean {
    const head = this.words[this.headCell]!
    return this.words[this.tailCell] === this.start && head + units < this.end
  }

  /** Begins anew. */
  clear(): void {
    this.words[this.tailCell] = this.start
    this.words[this.headCell] = this.start
  }
}
