/** Counts TTLs down by an answer's age. */
import { Type } from "./codes.ts"
import { skipName } from "./name.ts"
import { HEADER_SIZE, putU32, u16, u32 } from "./wire.ts"

/**
 * Takes so many seconds off the TTL of each record of the message `wire[0, length)`, down to 0 (RFC 8484 §5.1).
 *
 * What cannot be read ends it: whoever reads the message next finds that out.
 */
export const subtractAge = (wire: Uint8Array, length: number, seconds: number): void => {
  let at = HEADER_SIZE
  for (let i = u16(wire, 4); i > 0 && at >= 0; i--) at = questionEnd(wire, at, length)
  for (let i = u16(wire, 6) + u16(wire, 8) + u16(wire, 10); i > 0 && at >= 0; i--) {
    const owner = skipName(wire, at, length)
    if (owner < 0 || owner + 10 > length) return
    // An OPT has no TTL (RFC 6891 §6.1.3); one with the high bit set is 0 (RFC 2181 §8), and stays so.
    const ttl = u32(wire, owner + 4)
    if (u16(wire, owner) !== Type.OPT && ttl <= 0x7fffffff) putU32(wire, owner + 4, Math.max(0, ttl - seconds))
    at = owner + 10 + u16(wire, owner + 8)
  }
}

const questionEnd = (wire: Uint8Array, at: number, length: number): number => {
  const end = skipName(wire, at, length)
  return end < 0 || end + 4 > length ? -1 : end + 4
}
