/**
 * The reply buffer: what is on its way to clients on streams.
 *
 * Hot path: answers that are ready one after the other are written one behind the other, and leave as one piece.
 */

import { MAX_MESSAGE_SIZE } from "../../dns/wire.ts"

/** Octets around a message at most: a length of two, or the headers and frames of HTTP. */
export const WRAPPING_SIZE = 1_024
const SLAB_SIZE = WRAPPING_SIZE + MAX_MESSAGE_SIZE

/** Octets that lie one behind the other: `slab[start, end)`. */
export interface Piece {
  readonly slab: ArrayBuffer
  readonly start: number
  end: number
}

let slab = new ArrayBuffer(SLAB_SIZE)
let used = 0

/** Room for `size` octets until the next `pieceOf`: seldom more than a message with what is around it, as JSON may be. */
export const reserve = (size: number): Uint8Array => {
  if (used + size > slab.byteLength) {
    slab = new ArrayBuffer(Math.max(SLAB_SIZE, size))
    used = 0
  }
  return new Uint8Array(slab, used, size)
}

/** The first `length` octets that were written there: part of `last` where they lie behind it. */
export const pieceOf = (length: number, last: Piece | undefined): Piece => {
  const start = used
  used += length
  if (last === undefined || last.slab !== slab || last.end !== start) return { slab, start, end: used }
  last.end = used
  return last
}

export const octetsOf = ({ slab: memory, start, end }: Piece): Uint8Array => new Uint8Array(memory, start, end - start)
