/**
 * Names in wire form: labels with their lengths, ended by the root's empty label (RFC 1035 §3.1).
 *
 * Two names are the same when their octets are, letters in either case (RFC 4343).
 */
import { HEADER_SIZE, lastingRoomFor, u8, u16 } from "./wire.ts"

export const MAX_LABEL_LENGTH = 63
/** Of a whole name in octets, with the lengths of its labels and the root (RFC 1035 §2.3.4). */
export const MAX_NAME_LENGTH = 255
const POINTER = 0xc0
const MAX_POINTERS = 127

/**
 * Each octet's lower case, for ASCII letters only (RFC 4343 §2.1). Lengths of labels, all below 64, stay as they are.
 */
export const LOWER: Uint8Array = Uint8Array.from({ length: 256 }, (_, octet) =>
  octet >= 0x41 && octet <= 0x5a ? octet + 0x20 : octet
)

/** Four octets in lower case, ASCII letters only (RFC 4343 §2.1): bit 7 of each octet says whether it is A to Z. */
export const lower4 = (octets: number): number => {
  const low = octets & 0x7f7f7f7f
  return octets | ((((low + 0x3f3f3f3f) ^ (low + 0x25252525)) & ~octets & 0x80808080) >>> 2)
}

/**
 * The offset just past the name that starts at `offset`; a pointer ends it.
 *
 * @param end where the message ends
 * @returns -1 where the name runs past the end, a label is longer than 63 octets, or a pointer does not point
 *   backwards, or into the header (RFC 1035 §4.1.4, RFC 9267 §2). What a pointer leads to is not looked at: `readName`
 *   does.
 */
export const skipName = (wire: Uint8Array, offset: number, end: number): number => {
  let at = offset
  while (at < end) {
    const length = u8(wire, at)
    if (length === 0) return at + 1 - offset > MAX_NAME_LENGTH ? -1 : at + 1
    if (length >= POINTER) {
      const target = at + 2 <= end ? u16(wire, at) & 0x3fff : 0
      return target >= HEADER_SIZE && target < offset ? at + 2 : -1
    }
    if (length > MAX_LABEL_LENGTH) return -1
    at += length + 1
  }
  return -1
}

/**
 * Writes the name that starts at `offset` into `out` at `outAt`, pointers followed.
 *
 * @param end where the message ends
 * @returns its length in octets, root included; -1 where it is malformed, longer than 255 octets, or its pointers do
 *   not lead strictly backwards, so that no name can loop (RFC 9267 §2)
 */
export const readName = (wire: Uint8Array, offset: number, end: number, out: Uint8Array, outAt: number): number => {
  let at = offset
  let before = offset
  let to = outAt
  let pointers = 0
  while (at < end) {
    const length = u8(wire, at)
    if (length >= POINTER) {
      if (at + 2 > end || ++pointers > MAX_POINTERS) return -1
      const target = u16(wire, at) & 0x3fff
      if (target >= before || target < HEADER_SIZE) return -1
      before = target
      at = target
      continue
    }
    if (length > MAX_LABEL_LENGTH || at + 1 + length > end || to - outAt + length + 1 > MAX_NAME_LENGTH) return -1
    out[to++] = length
    if (length === 0) return to - outAt
    at++
    for (let i = 0; i < length; i++) out[to++] = u8(wire, at++)
  }
  return -1
}

/** Whether two uncompressed names are the same, letters in either case. */
export const sameName = (a: Uint8Array, aAt: number, b: Uint8Array, bAt: number, length: number): boolean => {
  for (let i = 0; i < length; i++) {
    if (LOWER[u8(a, aAt + i)] !== LOWER[u8(b, bAt + i)]) return false
  }
  return true
}

/** A copy of `length` octets from `offset` in lower case. */
export const lowerCased = (wire: Uint8Array, offset: number, length: number): Uint8Array => {
  const name = lastingRoomFor(length)
  for (let i = 0; i < length; i++) name[i] = LOWER[u8(wire, offset + i)]!
  return name
}

/**
 * An uncompressed name for people: `www.example.com`, the root as `.`, octets that would mislead escaped as `\.`, `\\`
 * or `\DDD` (RFC 1035 §5.1).
 *
 * **When to use**
 *
 * Use to look a question's name up, or to compare it, as a text. A question's name is in lower case.
 *
 * **Example** (An address by its name)
 *
 * ```ts
 * import { formatName, type Question } from "strand-dns"
 *
 * const addresses = new Map([["printer.corp.example.com", Uint8Array.of(192, 0, 2, 10)]])
 * const addressFor = (question: Question): Uint8Array | undefined => addresses.get(formatName(question.name))
 * ```
 */
export const formatName = (name: Uint8Array, offset = 0): string => {
  if (u8(name, offset) === 0) return "."
  let text = ""
  let at = offset
  while (at < name.length) {
    const length = u8(name, at++)
    if (length === 0) break
    if (text !== "") text += "."
    for (let i = 0; i < length && at < name.length; i++) {
      const octet = u8(name, at++)
      if (octet === 0x2e || octet === 0x5c) text += `\\${String.fromCharCode(octet)}`
      else if (octet > 0x20 && octet < 0x7f) text += String.fromCharCode(octet)
      else text += `\\${octet.toString().padStart(3, "0")}`
    }
  }
  return text
}

/**
 * Whether a name is a zone's own or below it, letters in either case.
 *
 * **When to use**
 *
 * Use in a step that answers one zone. Texts do not tell it: a label may contain a dot.
 *
 * **Example** (Questions for names of one zone)
 *
 * ```ts
 * import { isAtOrBelow, parseName, type Question } from "strand-dns"
 *
 * const zone = parseName("corp.example.com")!
 * const isOurs = ({ name }: Question): boolean => isAtOrBelow(name, zone)
 * ```
 *
 * @param name uncompressed, as is `zone`
 */
export const isAtOrBelow = (name: Uint8Array, zone: Uint8Array): boolean => {
  let at = 0
  while (name.length - at > zone.length) at += u8(name, at) + 1
  return name.length - at === zone.length && sameName(name, at, zone, 0, zone.length)
}

/**
 * The wire form of a name written by a person; `www.example.com` and `www.example.com.` are the same.
 *
 * **When to use**
 *
 * Use for names in records' data, and for {@link AnswerCache}, which takes names in lower case.
 *
 * **Example** (The data of a CNAME)
 *
 * ```ts
 * import { parseName } from "strand-dns"
 *
 * const target = parseName("www.example.com")
 * ```
 *
 * @returns undefined where a label is empty or longer than 63 octets, or the name longer than 255 (RFC 1035 §2.3.4)
 */
export const parseName = (text: string): Uint8Array | undefined => {
  const octets: Array<number> = []
  let label: Array<number> = []
  const close = (): boolean => {
    if (label.length === 0 || label.length > MAX_LABEL_LENGTH) return false
    octets.push(label.length, ...label)
    label = []
    return true
  }
  const source = Buffer.from(text === "." ? "" : text, "utf8")
  for (let i = 0; i < source.length; i++) {
    const octet = source[i]!
    if (octet === 0x2e) {
      if (!close()) return undefined
    } else if (octet === 0x5c) {
      const digits = source.toString("latin1", i + 1, i + 4)
      if (/^[0-9]{3}$/.test(digits) && Number(digits) < 256) {
        label.push(Number(digits))
        i += 3
      } else if (i + 1 < source.length) {
        label.push(source[++i]!)
      } else {
        return undefined
      }
    } else {
      label.push(octet)
    }
  }
  if (label.length > 0 && !close()) return undefined
  octets.push(0)
  return octets.length > MAX_NAME_LENGTH ? undefined : Uint8Array.from(octets)
}
