/** Queries with something odd in their header. Each is named for what is odd about it. */
import { message, octets, query, question } from "../messages.ts"

const RD = 0x0100

export const plainQuery = (): Uint8Array => query()

export const withOpcode = (opcode: number): Uint8Array => query({ flags: (opcode << 11) | RD })

/** Nothing but a header: no question, no records. */
export const headerOnly = (opcode: number): Uint8Array => message({ flags: opcode << 11 })

/** A NOTIFY as primaries send it (RFC 1996 §3.7): AA set, SOA asked for. */
export const notify = (): Uint8Array => message({ flags: (4 << 11) | 0x0400, questions: [question("example.com", 6)] })

/** An UPDATE (RFC 2136 §2): zone in the question's place, one record in the authority's. */
export const update = (): Uint8Array =>
  message({
    flags: 5 << 11,
    questions: [question("example.com", 6)],
    authorities: [octets(question("www.example.com", 1), [0, 0, 0, 60, 0, 4, 192, 0, 2, 1])]
  })

export const withoutQuestion = (): Uint8Array => message({ flags: RD })

export const withTwoQuestions = (): Uint8Array =>
  message({ questions: [question("www.example.com"), question("mail.example.com")] })

/** QDCOUNT 1, and then nothing. */
export const questionMissing = (): Uint8Array => octets(query().slice(0, 12))

export const response = (): Uint8Array => query({ flags: 0x8180 })

export const shorterThanHeader = (): Uint8Array => query().slice(0, 11)

export const empty = (): Uint8Array => new Uint8Array(0)

/** With this bit of the header's second word set besides RD. */
export const withFlag = (flag: number): Uint8Array => query({ flags: RD | flag })

export const withoutRecursionDesired = (): Uint8Array => query({ flags: 0 })

export const withRcode = (rcode: number): Uint8Array => query({ flags: RD | rcode })

export const trailingGarbage = (): Uint8Array => query({ after: [0xde, 0xad, 0xbe, 0xef] })

/** ARCOUNT 1, and no record. */
export const recordMissing = (): Uint8Array => {
  const wire = query()
  wire[11] = 1
  return wire
}
