/**
 * Writing names with compression (RFC 1035 §4.1.4).
 *
 * A message's names share their ends: each name written leaves the offsets of its labels, and a later name ends in a
 * pointer to the longest end that is already there. Letters compare in either case.
 */
import { LOWER, MAX_NAME_LENGTH } from "./name.ts"
import { putU16, u8, u16 } from "./wire.ts"

/** Ends that are remembered at most: bounds the work of a message with very many names. */
const MAX_ENDS = 128
const MAX_POINTER = 0x3fff

export class NameWriter {
  readonly out: Uint8Array
  private readonly ends = new Uint16Array(MAX_ENDS)
  private count = 0

  constructor(out: Uint8Array) {
    this.out = out
  }

  /** Forgets the names of the message before. */
  reset(): void {
    this.count = 0
  }

  /** Remembers the labels of a name that stands uncompressed at `at` in `out`. */
  remember(at: number): void {
    let label = at
    while (u8(this.out, label) !== 0 && label <= MAX_POINTER && this.count < MAX_ENDS) {
      this.ends[this.count++] = label
      label += u8(this.out, label) + 1
    }
  }

  /**
   * Writes the uncompressed `name` at `at`, compressed.
   *
   * @returns the offset just past it
   */
  write(name: Uint8Array, at: number): number {
    let from = 0
    let to = at
    const known = this.count
    while (u8(name, from) !== 0) {
      const end = this.find(name, from, known)
      if (end >= 0) {
        putU16(this.out, to, 0xc000 | end)
        return to + 2
      }
      if (to <= MAX_POINTER && this.count < MAX_ENDS) this.ends[this.count++] = to
      const length = u8(name, from)
      for (let i = 0; i <= length; i++) this.out[to++] = u8(name, from++)
    }
    this.out[to++] = 0
    return to
  }

  /** The offset of a name in `out` that equals the end of `name` from `from`; -1 where there is none. */
  private find(name: Uint8Array, from: number, known: number): number {
    for (let i = 0; i < known; i++) {
      if (this.equals(name, from, this.ends[i]!)) return this.ends[i]!
    }
    return -1
  }

  private equals(name: Uint8Array, from: number, end: number): boolean {
    let a = from
    let b = end
    for (let steps = 0; steps < MAX_NAME_LENGTH; steps++) {
      let length = u8(this.out, b)
      while (length >= 0xc0) {
        b = u16(this.out, b) & MAX_POINTER
        length = u8(this.out, b)
      }
      if (length !== u8(name, a)) return false
      if (length === 0) return true
      for (let i = 1; i <= length; i++) {
        if (LOWER[u8(name, a + i)] !== LOWER[u8(this.out, b + i)]) return false
      }
      a += length + 1
      b += length + 1
    }
    return false
  }
}
