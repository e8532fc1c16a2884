/** Extended DNS Errors as others send them (RFC 8914). */
import { ExtendedError, OPTION_EXTENDED_ERROR } from "./codes.ts"
import { optionAt } from "./options.ts"
import type { ErrorReason } from "./reply.ts"
import { u8, u16 } from "./wire.ts"

/** Octets of a text that is passed on at most: it has to fit beside an answer. */
const MAX_TEXT = 120

/**
 * The first Extended DNS Error among the options `wire[start, end)`. Its text goes to clients and logs: it is kept only
 * where it is short and printable ASCII.
 *
 * @returns undefined where there is none, or it does not lie inside the options
 */
export const readExtendedError = (wire: Uint8Array, start: number, end: number): ErrorReason | undefined => {
  for (let from = start; ; ) {
    const at = optionAt(wire, from, end, OPTION_EXTENDED_ERROR)
    if (at < 0) return undefined
    from = at + u16(wire, at - 2)
    if (from - at >= 2) return { code: u16(wire, at), text: printable(wire, at + 2, from) }
  }
}

/** A NUL at its end does not count (RFC 8914 §2). */
const printable = (wire: Uint8Array, start: number, next: number): string => {
  const end = next > start && u8(wire, next - 1) === 0 ? next - 1 : next
  if (end - start > MAX_TEXT) return ""
  let text = ""
  for (let at = start; at < end; at++) {
    const octet = u8(wire, at)
    if (octet < 0x20 || octet > 0x7e) return ""
    text += String.fromCharCode(octet)
  }
  return text
}

/** Whether a policy made the answer: Blocked, Censored, Filtered, Prohibited (RFC 8914 §4.16–4.19). */
export const isOfPolicy = (code: number): boolean => code >= ExtendedError.Blocked && code <= ExtendedError.Prohibited
