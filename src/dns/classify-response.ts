/**
 * Classifies a response: an answer, a negative answer, or nothing that could be given to a client; and how long it may
 * be cached.
 */
import { type Chain, isMadeTooLong } from "./chain.ts"
import { Rcode, Type } from "./codes.ts"
import type { NameTable } from "./name-table.ts"
import { type RecordTable, Section } from "./record-table.ts"
import { keptIn } from "./scrub.ts"
import { u32 } from "./wire.ts"

/** The classes of responses. */
export type ResponseClass =
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
  /** A DNAME makes the name too long: that is final (RFC 6672 §2.2). */
  | { readonly kind: "too-long" }
  /** An error, or records that are none of its question's. */
  | { readonly kind: "nothing" }

/** How long answers live: every TTL is brought into these bounds (RFC 8767 §4, RFC 2181 §8). */
export interface TtlBounds {
  readonly minSeconds: number
  readonly maxSeconds: number
  /** Of answers that there is nothing; the longest of all has the last word (RFC 2308 §5). */
  readonly maxNegativeSeconds: number
}

/** For records that live as long as they say. */
export const anyTtl: TtlBounds = { minSeconds: 0, maxSeconds: 0x7fffffff, maxNegativeSeconds: 0x7fffffff }

const answered: ResponseClass = { kind: "answer" }
const circle: ResponseClass = { kind: "circle" }
const referral: ResponseClass = { kind: "referral" }
const tooLong: ResponseClass = { kind: "too-long" }
const notKept: ResponseClass = { kind: "negative", ttlSeconds: 0 }
export const nothing: ResponseClass = { kind: "nothing" }

/** Classifies a scrubbed response. */
export const classifyResponse = (
  names: NameTable,
  records: RecordTable,
  chain: Chain,
  rcode: number,
  ttl: TtlBounds
): ResponseClass => {
  if (chain.isCircle) return circle
  if (rcode === Rcode.YXDomain) return isMadeTooLong(names, records, chain) ? tooLong : nothing
  if (rcode !== Rcode.NoError && rcode !== Rcode.NXDomain) return nothing
  if (chain.isFound) return answered
  const negativeSeconds = negativeTtl(records, names.wire, ttl)
  if (negativeSeconds >= 0) return { kind: "negative", ttlSeconds: negativeSeconds }
  if (rcode === Rcode.NXDomain) return notKept
  if (chain.links > 0) return { kind: "unfinished", target: names.octetsOf(chain.end) }
  // Answers that are all another name's are none (RFC 9520 §2), and not the word that there is nothing.
  if (records.sectionEnd[Section.Answer]! > 0 && records.lastOf(chain.end) < 0) return nothing
  return delegates(records) ? referral : notKept
}

/**
 * A negative answer's TTL: the smallest of its SOA's TTL, the SOA's MINIMUM (RFC 2308 §5) and the TTLs of what else is
 * kept, such as CNAMEs. It is brought into bounds as a whole, so that MINIMUM does not undo the lower bound. -1 without
 * an SOA.
 */
const negativeTtl = (records: RecordTable, wire: Uint8Array, ttl: TtlBounds): number => {
  let seconds = 0x7fffffff
  let hasSoa = false
  for (let record = 0; record < records.count; record++) {
    if (records.isKept[record] === 0) continue
    const own = records.ttlSeconds[record]!
    if (records.type[record] !== Type.SOA) {
      seconds = Math.min(seconds, boundedTtl(own, ttl))
      continue
    }
    hasSoa = true
    seconds = Math.min(seconds, readTtl(own), readTtl(u32(wire, records.dataEnd[record]! - 4)))
  }
  if (!hasSoa) return -1
  return Math.min(ttl.maxSeconds, ttl.maxNegativeSeconds, Math.max(ttl.minSeconds, seconds))
}

/** Whether it names servers and says nothing else. */
const delegates = (records: RecordTable): boolean => {
  if (keptIn(records, Section.Answer) > 0) return false
  const end = records.sectionEnd[Section.Authority]!
  for (let record = records.sectionEnd[Section.Answer]!; record < end; record++) {
    if (records.type[record] === Type.NS) return true
  }
  return false
}

/** A TTL with the high bit set counts as 0 (RFC 2181 §8). */
const readTtl = (seconds: number): number => (seconds > 0x7fffffff ? 0 : seconds)

export const boundedTtl = (seconds: number, bounds: TtlBounds): number =>
  Math.max(bounds.minSeconds, Math.min(bounds.maxSeconds, readTtl(seconds)))
