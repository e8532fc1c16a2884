/**
 * Numbers in a message: big-endian, 8, 16 or 32 bits wide (RFC 1035 §2.3.2).
 *
 * Offsets are octets from the start of the array. The callers have checked that they lie inside it.
 */

export const HEADER_SIZE = 12
/** What a DNS message may measure at most: its length on a stream is 16 bits (RFC 1035 §4.2.2). */
export const MAX_MESSAGE_SIZE = 65_535

export const u8 = (wire: Uint8Array, at: number): number => wire[at]!

export const u16 = (wire: Uint8Array, at: number): number => (wire[at]! << 8) | wire[at + 1]!

export const u32 = (wire: Uint8Array, at: number): number =>
  ((wire[at]! << 24) | (wire[at + 1]! << 16) | (wire[at + 2]! << 8) | wire[at + 3]!) >>> 0

export const putU16 = (wire: Uint8Array, at: number, value: number): void => {
  wire[at] = value >>> 8
  wire[at + 1] = value
}

export const putU32 = (wire: Uint8Array, at: number, value: number): void => {
  wire[at] = value >>> 24
  wire[at + 1] = value >>> 16
  wire[at + 2] = value >>> 8
  wire[at + 3] = value
}

/** Copies octets without creating a view: for the short runs of a message faster than `set(subarray())`. */
export const copyOctets = (from: Uint8Array, start: number, end: number, to: Uint8Array, at: number): void => {
  if (end - start > 64) {
    to.set(from.subarray(start, end), at)
    return
  }
  for (let i = start; i < end; i++) to[at++] = from[i]!
}

/**
 * Memory that is cut into rooms, one behind the other, a new slab when one is used up: an array of its own outside the
 * heap costs a small room more than all else that is done with it. A slab lives as long as the last of its rooms.
 */
class Slabs {
  private readonly size: number
  private slab: ArrayBuffer
  private used = 0

  constructor(size: number) {
    this.size = size
    this.slab = new ArrayBuffer(size)
  }

  roomFor(length: number): Uint8Array {
    if (length > this.size >> 3) return new Uint8Array(length)
    if (this.used + length > this.size) {
      this.slab = new ArrayBuffer(this.size)
      this.used = 0
    }
    const room = new Uint8Array(this.slab, this.used, length)
    this.used += length
    return room
  }

  copyOf(from: Uint8Array, start: number, end: number): Uint8Array {
    const copy = this.roomFor(end - start)
    copyOctets(from, start, end, copy, 0)
    return copy
  }
}

const momentary = new Slabs(64 << 10)
/**
 * Small, and without the momentary: a query of some dozen octets that waits would keep the answers of its neighbours.
 */
const lasting = new Slabs(8 << 10)

/** A copy of `from[start, end)` that lives for a moment. */
export const copyOf = (from: Uint8Array, start: number, end: number): Uint8Array => momentary.copyOf(from, start, end)

/** Room for so many octets that may live as long as a query waits. */
export const lastingRoomFor = (length: number): Uint8Array => lasting.roomFor(length)

/** A copy of `from[start, end)` that may live as long as a query waits. */
export const lastingCopyOf = (from: Uint8Array, start: number, end: number): Uint8Array =>
  lasting.copyOf(from, start, end)

/** What holds octets before there are any. */
export const NO_OCTETS: Uint8Array = new Uint8Array(0)
