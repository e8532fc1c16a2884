/**
 * The reply buffer: answers on their way to TCP clients, each with its length before it.
 *
 * Hot path: answers that are ready one after the other are written one behind the other, and leave as one piece.
 */

import { MAX_MESSAGE_SIZE } from "../../dns/wire.ts"
import { PREFIX_SIZE } from "../../io/frames.ts"

const SLAB_SIZE = PREFIX_SIZE + MAX_MESSAGE_SIZE

/** Frames that lie one behind the other: `slab[start, end)`. */
export interface Frames {
  readonly slab: ArrayBuffer
  readonly start: number
  end: number
}

let slab = new ArrayBuffer(SLAB_SIZE)
let octets = new Uint8Array(slab)
let used = 0

/** Room for one message of at most `size` octets, until the next `frameOf`. */
export const reserveMessage = (size: number): Uint8Array => {
  if (used + PREFIX_SIZE + size > SLAB_SIZE) {
    slab = new ArrayBuffer(SLAB_SIZE)
    octets = new Uint8Array(slab)
    used = 0
  }
  return new Uint8Array(slab, used + PREFIX_SIZE, size)
}

/** The message of `length` octets that was written there, in its frame: behind `last` where it lies behind it. */
export const frameOf = (length: number, last: Frames | undefined): Frames => {
  octets[used] = length >>> 8
  octets[used + 1] = length
  const start = used
  used += PREFIX_SIZE + length
  if (last === undefined || last.slab !== slab || last.end !== start) return { slab, start, end: used }
  last.end = used
  return last
}

export const octetsOf = ({ slab: memory, start, end }: Frames): Uint8Array => new Uint8Array(memory, start, end - start)
