/**
 * Questions with small and capital letters mixed at random ("0x20"): a reply has the question as it was sent, so that a
 * forger has to guess one bit more for each letter (draft-vixie-dnsext-dns0x20).
 *
 * Hot path of questions by UDP: one pass over the name, nothing allocated.
 */
import { u8 } from "./wire.ts"

const CASE_BIT = 0x20

const isSmall = (octet: number): boolean => octet >= 0x61 && octet <= 0x7a

/**
 * Raises letters of the name at `wire[start, start + length)`, which is in lower case: the n-th where bit n of `bits` is
 * set, which count round.
 *
 * @returns whether any was raised
 */
export const mixCase = (wire: Uint8Array, start: number, length: number, bits: number): boolean => {
  let left = bits
  let isMixed = false
  for (let at = start; at < start + length; at++) {
    const octet = u8(wire, at)
    if (!isSmall(octet)) continue
    if ((left & 1) !== 0) {
      wire[at] = octet ^ CASE_BIT
      isMixed = true
    }
    left = (left >>> 1) | (left << 31)
  }
  return isMixed
}

/**
 * Whether the name at `wire[start, …)` is spelt as `mixCase` spelt it.
 *
 * @param name the same in lower case
 */
export const hasMixedCase = (wire: Uint8Array, start: number, name: Uint8Array, bits: number): boolean => {
  let left = bits
  for (let i = 0; i < name.length; i++) {
    const octet = u8(name, i)
    if (!isSmall(octet)) continue
    if (u8(wire, start + i) !== ((left & 1) === 0 ? octet : octet ^ CASE_BIT)) return false
    left = (left >>> 1) | (left << 31)
  }
  return true
}
