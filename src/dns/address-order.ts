/** The order of the addresses in an answer. Hot path: nothing is allocated. */
import { Type } from "./codes.ts"
import { skipName } from "./name.ts"
import { sameSet } from "./rrset.ts"
import { copyOctets, u16 } from "./wire.ts"

/** Addresses move by so many places at most. */
const MAX_ROTATIONS = 16
/** Room for the data of so many, of IPv6 addresses too. */
const rotated = new Uint8Array(MAX_ROTATIONS * 16)

/**
 * Moves the addresses of the answer's first RRset of addresses by `rotation` positions, so that each comes first in its
 * turn.
 *
 * The records of a set differ in TTL and data only, and an address has a fixed length: the data moves, names stay.
 */
export const rotateAddresses = (
  out: Uint8Array,
  start: number,
  end: number,
  answers: number,
  rotation: number
): void => {
  let at = start
  let previous = -1
  let size = 0
  let sets = 0
  let stride = 0
  for (let i = 0; i < answers && at < end; i++) {
    const owner = skipName(out, at, end)
    const next = owner + 10 + u16(out, owner + 8)
    if (previous < 0) {
      const type = u16(out, owner)
      size = type === Type.A ? 4 : type === Type.AAAA ? 16 : 0
      if (size !== 0 && u16(out, owner + 8) === size) {
        previous = at
        sets = 1
      }
    } else if (
      u16(out, owner + 8) === size &&
      sameSet(out, previous, at, end) &&
      next - at === (stride === 0 ? next - at : stride)
    ) {
      stride = next - at
      previous = at
      sets++
    } else {
      break
    }
    at = next
  }
  if (sets < 2) return
  rotate(out, at - size, stride, size, sets, rotation % Math.min(sets, MAX_ROTATIONS))
}

/** Moves `count` pieces of `size` octets, the last at `last` and each `stride` before the next, `by` places forward. */
const rotate = (out: Uint8Array, last: number, stride: number, size: number, count: number, by: number): void => {
  const firstAt = last - stride * (count - 1)
  for (let i = 0; i < by; i++) copyOctets(out, firstAt + i * stride, firstAt + i * stride + size, rotated, i * size)
  for (let i = by; i < count; i++) {
    const from = firstAt + i * stride
    copyOctets(out, from, from + size, out, from - by * stride)
  }
  for (let i = 0; i < by; i++) copyOctets(rotated, i * size, (i + 1) * size, out, last - (by - 1 - i) * stride)
}
