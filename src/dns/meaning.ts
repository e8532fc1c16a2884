/** What a reply says to its question: an answer, none, or nothing that could be given to a client. */
import { Class, Rcode, Type } from "./codes.ts"
import { MAX_NAME_LENGTH, readName, sameName, skipName } from "./name.ts"
import type { Question } from "./question.ts"
import { boundedTtl, type Response } from "./response.ts"
import { HEADER_SIZE, putU32, u16, u32 } from "./wire.ts"

const name = new Uint8Array(MAX_NAME_LENGTH)

/** What a response says to its question. */
export type Meaning =
  /** There are records of the type asked for, at the name or where its CNAMEs lead. */
  | { readonly kind: "answer" }
  /**
   * No such name, or none of the type (RFC 2308 §2), CNAMEs before it or not. Without an SOA, as small forwarders
   * send it, it may not be kept: `ttlSeconds` is 0.
   */
  | { readonly kind: "negative"; readonly ttlSeconds: number }
  /** CNAMEs, and not a word of what is where they end: it has to be asked for. */
  | { readonly kind: "unfinished"; readonly target: Uint8Array }
  /** CNAMEs that lead in a circle: there is no answer to be had from whoever sent them. */
  | { readonly kind: "circle" }
  /** A delegation: whoever sent it does not resolve for us (RFC 2308 §2.2). */
  | { readonly kind: "referral" }

const answered: Meaning = { kind: "answer" }
const MAX_CHAIN = 32

/**
 * Reads what a normalised NOERROR or NXDOMAIN response says.
 *
 * A negative answer's TTL is the smallest of its SOA's TTL, the SOA's MINIMUM and the TTLs of the CNAMEs before it
 * (RFC 2308 §5); it is written into the SOA's TTL too, so that it counts down like any other.
 */
export const interpret = (response: Response, question: Question): Meaning => {
  const { wire } = response
  const start = HEADER_SIZE + question.name.length + 4
  if (beginsWithAnswer(wire, start, question)) return answered
  const records = index(wire, start)
  const answers = u16(wire, 6)
  const authorityEnd = answers + u16(wire, 8)
  const nameError = response.rcode === Rcode.NXDomain

  let current = question.name
  let chainTtl = 0x7fffffff
  let links = 0
  for (; links < MAX_CHAIN; links++) {
    let alias = -1
    for (let i = 0; i < answers; i++) {
      const record = records[i]!
      if (record.class !== Class.IN || !ownerIs(wire, record.at, current)) continue
      if (record.type === question.type || question.type === Type.ANY) return answered
      if (record.type === Type.CNAME) alias = i
    }
    if (alias < 0) break
    chainTtl = Math.min(chainTtl, records[alias]!.ttlSeconds)
    current = nameAt(wire, records[alias]!.dataAt)
  }

  if (links === MAX_CHAIN) return { kind: "circle" }

  let soa = -1
  let delegation = false
  for (let i = answers; i < authorityEnd; i++) {
    if (records[i]!.type === Type.SOA) soa = i
    if (records[i]!.type === Type.NS) delegation = true
  }
  if (soa >= 0) {
    const { at, dataEnd } = records[soa]!
    const owner = skipName(wire, at, wire.length)
    const minimum = boundedTtl(u32(wire, dataEnd - 4), { minSeconds: 0, maxSeconds: 0x7fffffff })
    const ttlSeconds = Math.min(records[soa]!.ttlSeconds, minimum, chainTtl)
    putU32(wire, owner + 4, ttlSeconds)
    return { kind: "negative", ttlSeconds: Math.min(ttlSeconds, response.ttlSeconds) }
  }
  if (nameError) return { kind: "negative", ttlSeconds: 0 }
  if (delegation && answers === 0) return { kind: "referral" }
  if (links > 0) return { kind: "unfinished", target: current }
  return { kind: "negative", ttlSeconds: 0 }
}

/** Most answers begin with the record that was asked for: its owner is then a pointer to the question. */
const beginsWithAnswer = (wire: Uint8Array, start: number, question: Question): boolean =>
  u16(wire, 6) > 0 &&
  u16(wire, start) === (0xc000 | HEADER_SIZE) &&
  u16(wire, start + 2) === question.type &&
  u16(wire, start + 4) === Class.IN

interface RecordPlace {
  readonly at: number
  readonly type: number
  readonly class: number
  readonly ttlSeconds: number
  readonly dataAt: number
  readonly dataEnd: number
}

const index = (wire: Uint8Array, start: number): Array<RecordPlace> => {
  const places: Array<RecordPlace> = []
  let at = start
  while (at < wire.length) {
    const owner = skipName(wire, at, wire.length)
    const dataEnd = owner + 10 + u16(wire, owner + 8)
    places.push({
      at,
      type: u16(wire, owner),
      class: u16(wire, owner + 2),
      ttlSeconds: u32(wire, owner + 4),
      dataAt: owner + 10,
      dataEnd
    })
    at = dataEnd
  }
  return places
}

const ownerIs = (wire: Uint8Array, at: number, wanted: Uint8Array): boolean => {
  const length = readName(wire, at, wire.length, name, 0)
  return length === wanted.length && sameName(name, 0, wanted, 0, length)
}

const nameAt = (wire: Uint8Array, at: number): Uint8Array =>
  name.slice(0, Math.max(1, readName(wire, at, wire.length, name, 0)))
