/** The options of an OPT record (RFC 6891 §6.1.2). */
import { u16 } from "./wire.ts"

/**
 * Where the data of the first option with this code starts among `wire[start, end)`; its length stands in the two octets
 * before.
 *
 * @returns -1 where there is none, or options do not lie inside these octets
 */
export const optionAt = (wire: Uint8Array, start: number, end: number, code: number): number => {
  for (let at = start; at + 4 <= end; ) {
    const next = at + 4 + u16(wire, at + 2)
    if (next > end) return -1
    if (u16(wire, at) === code) return at + 4
    at = next
  }
  return -1
}
