/** Queries with something odd in their question. Each is named for what is odd about it. */
import { message, octets, pointer, question } from "../messages.ts"

const asking = (name: string | Uint8Array, type = 1, recordClass = 1): Uint8Array =>
  message({ questions: [question(name, type, recordClass)] })

export const ofType = (type: number): Uint8Array => asking("www.example.com", type)

export const ofClass = (recordClass: number): Uint8Array => asking("www.example.com", 1, recordClass)

/** version.bind TXT CH, as curious people ask. */
export const versionBind = (): Uint8Array => asking("version.bind", 16, 3)

export const root = (): Uint8Array => asking(octets([0]), 2)

/** The name is nothing but a pointer to itself. */
export const pointerToItself = (): Uint8Array => asking(pointer(12))

/** The name is nothing but a pointer into the header. */
export const pointerIntoHeader = (): Uint8Array => asking(pointer(4))

/** A label, then a pointer back to it. */
export const pointerAfterLabel = (): Uint8Array => asking(octets([3, 0x77, 0x77, 0x77], pointer(12)))

export const pointerPastEnd = (): Uint8Array => asking(pointer(0x3fff))

/** A length of 64: its upper bits are neither a label's nor a pointer's (RFC 1035 §4.1.4). */
export const labelOf64 = (): Uint8Array => asking(octets([64], new Uint8Array(64).fill(0x61), [0]))

/** The extended label type that was withdrawn (RFC 6891 §5). */
export const bitStringLabel = (): Uint8Array => asking(octets([0x41, 8, 0xff, 0]))

const labelsOf = (last: number): Uint8Array => {
  const label = octets([63], new Uint8Array(63).fill(0x61))
  return octets(label, label, label, [last], new Uint8Array(last).fill(0x61), [0])
}

/** 255 octets: as long as a name may be (RFC 1035 §2.3.4). */
export const longestName = (): Uint8Array => asking(labelsOf(61))

export const nameOf256 = (): Uint8Array => asking(labelsOf(62))

/** The name runs past the message's end. */
export const nameUnfinished = (): Uint8Array => asking("www.example.com").slice(0, 20)

/** Type and class are cut off. */
export const withoutType = (): Uint8Array => asking("www.example.com").slice(0, -4)

export const withoutClass = (): Uint8Array => asking("www.example.com").slice(0, -2)

/** Octets that are no text, and letters in both cases. */
export const binaryName = (): Uint8Array => asking(octets([4, 0, 0xff, 0x2e, 0x41], [3, 0x63, 0x4f, 0x6d], [0]))
