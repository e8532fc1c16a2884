/**
 * Reading what an upstream sent: is it the reply to our question, is it whole, what of it is about the question.
 *
 * What passes is written anew (`normalise`): malformed messages, stray OPT and TSIG records, pointers that lead nowhere
 * and records that have nothing to do with the question never reach a client or the cache, whatever the upstream sends.
 * The work is bounded by the message's octets: each name is looked up once (`NameTable`), each record visited once.
 */
import { followChain } from "./chain.ts"
import {
  anyTtl,
  boundedTtl,
  classifyResponse,
  nothing,
  type ResponseClass,
  type TtlBounds
} from "./classify-response.ts"
import { Flag, OPTION_COOKIE, Rcode, Type } from "./codes.ts"
import { NameWriter } from "./compression.ts"
import { readExtendedError } from "./extended-error.ts"
import { LOWER, skipName } from "./name.ts"
import { MAX_SOURCE_SIZE, NameTable, NO_NAME } from "./name-table.ts"
import { optionAt } from "./options.ts"
import { type Question, writeQuestion } from "./question.ts"
import type { Rebinding } from "./rebinding.ts"
import { writeData } from "./record-data.ts"
import { RecordTable, Section } from "./record-table.ts"
import type { ErrorReason } from "./reply.ts"
import { keepAll, keepChainOnly, keepPertinent, keptIn } from "./scrub.ts"
import { OPTION_CLIENT_SUBNET, readScope, type Subnet } from "./subnet.ts"
import { copyOf, HEADER_SIZE, MAX_MESSAGE_SIZE, NO_OCTETS, putU16, putU32, u8, u16 } from "./wire.ts"

export type { TtlBounds } from "./classify-response.ts"

/** By what answers are rewritten. */
export interface AnswerRules extends TtlBounds {
  /** What is taken out of them; undefined for nothing. */
  readonly rebinding?: Rebinding | undefined
}

/** Whether a message answers the question that was asked (RFC 5452 §9.1). */
export const ReplyMatch = {
  /** Not the reply: wrong id, not a response, or another question. It is dropped and the wait goes on. */
  Mismatch: 0,
  /** The reply. */
  Reply: 1,
  /** An error without a question, with the right id: servers that cannot read a query answer so. */
  BareError: 2,
  /** A reply that did not fit, cut wherever the room ended, even before or in its question (RFC 2181 §9). */
  Truncated: 3
} as const

const bareErrors: ReadonlySet<number> = new Set([Rcode.FormErr, Rcode.ServFail, Rcode.NotImp, Rcode.Refused])

/** Compares id, QR and question; nothing behind them is looked at. Returns one of `ReplyMatch`. */
export const matchReply = (wire: Uint8Array, length: number, id: number, question: Question): number => {
  if (length < HEADER_SIZE || u16(wire, 0) !== id) return ReplyMatch.Mismatch
  const flags = u16(wire, 2)
  if ((flags & Flag.QR) === 0 || (flags & Flag.OpcodeMask) !== 0) return ReplyMatch.Mismatch
  const questions = u16(wire, 4)
  const isTruncated = (flags & Flag.TC) !== 0
  if (questions === 0) {
    if (isTruncated) return ReplyMatch.Truncated
    return bareErrors.has(flags & Flag.RcodeMask) ? ReplyMatch.BareError : ReplyMatch.Mismatch
  }
  const end = HEADER_SIZE + question.name.length + 4
  if (questions !== 1 || (end > length && !isTruncated)) return ReplyMatch.Mismatch
  // What there is of a question has to be ours.
  if (!beginsWithQuestion(wire, Math.min(end, length), question)) return ReplyMatch.Mismatch
  return isTruncated ? ReplyMatch.Truncated : ReplyMatch.Reply
}

/** Whether the octets behind the header, up to `end`, are those of the question, letters in either case. */
const beginsWithQuestion = (wire: Uint8Array, end: number, { name, type, class: ofClass }: Question): boolean => {
  const nameEnd = HEADER_SIZE + name.length
  for (let at = HEADER_SIZE; at < end && at < nameEnd; at++) {
    if (LOWER[u8(wire, at)] !== LOWER[u8(name, at - HEADER_SIZE)]) return false
  }
  const tail = type * 0x10000 + ofClass
  for (let at = nameEnd; at < end; at++) {
    if (u8(wire, at) !== ((tail >>> (8 * (nameEnd + 3 - at))) & 0xff)) return false
  }
  return true
}

/** A reply that is whole, written anew. */
export interface Response {
  /**
   * Header with id 0 and the upstream's flags, question in lower case, records; no OPT. Empty where it is truncated.
   */
  readonly wire: Uint8Array
  /** With the upper bits from the OPT. */
  readonly rcode: number
  /** What stands in it is not the whole answer, and is not looked at (RFC 2181 §9). */
  readonly truncated: boolean
  readonly hasOpt: boolean
  readonly responseClass: ResponseClass
  /**
   * Seconds that it may be kept: the smallest TTL of all its records, brought into the bounds; the upper bound where
   * there is no record; of a negative answer by RFC 2308 §5.
   */
  readonly ttlSeconds: number
  /** Bits of the client's network on which it depends (RFC 7871 §6); 0 where it does not, or does not say. */
  readonly scope: number
  /** Whether it says so. */
  readonly hasSubnet: boolean
  /** Without the signatures that were asked for, for want of EDNS: others may get them. */
  readonly isUnsigned?: boolean
  /** Private addresses were taken out of it. */
  readonly isRebound?: boolean
  /** The cookie that came with it (RFC 7873). */
  readonly cookie?: Uint8Array | undefined
  /** Why, where the upstream said so (RFC 8914). */
  readonly extendedError?: ErrorReason | undefined
}

/** A truncated reply: nothing is known but that there is more. */
export const truncatedResponse = (flags: number): Response => ({
  wire: NO_OCTETS,
  rcode: flags & Flag.RcodeMask,
  truncated: true,
  hasOpt: false,
  responseClass: nothing,
  ttlSeconds: 0,
  scope: 0,
  hasSubnet: false
})

// Room for what one record may add past the limit before it is noticed.
const scratch = new Uint8Array(MAX_MESSAGE_SIZE + 2048)
const names = new NameTable(crypto.getRandomValues(new Int32Array(1))[0]!)
const records = new RecordTable(names)
const writer = new NameWriter(names, scratch)

/** Steps that the last message took, each of bounded cost: for tests of the bound on the work that a message costs. */
export const stepsTaken = (): number => names.steps + records.steps

/**
 * Checks the reply `wire[0, length)` record by record and writes anew what is about the question, names compressed and
 * TTLs brought into bounds.
 *
 * @returns undefined where a record or a name does not lie inside the message, an OPT stands where none may, or the
 *   message does not fit 65,535 octets, or it is for another client network than was asked for (RFC 7871 §7.3)
 */
export const normalise = (
  wire: Uint8Array,
  length: number,
  question: Question,
  rules: AnswerRules
): Response | undefined => {
  const ttl: TtlBounds = rules
  const flags = u16(wire, 2)
  if ((flags & Flag.TC) !== 0) return truncatedResponse(flags)
  names.begin(wire, length)
  records.begin()
  const hasQuestion = u16(wire, 4) !== 0
  const name = hasQuestion ? names.read(HEADER_SIZE) : NO_NAME
  let at = hasQuestion ? HEADER_SIZE + question.name.length + 4 : HEADER_SIZE
  for (let section = 0; section < 3 && at >= 0; section++) {
    at = records.read(section, at, u16(wire, 6 + section * 2), length)
  }
  if (at < 0) return undefined
  const subnet = question.clientContext?.subnet
  const scope = subnet === undefined ? UNSAID : scopeIn(wire, records, subnet)
  if (scope === MALFORMED) return undefined
  const rcode = (records.upperRcode << 4) | (flags & Flag.RcodeMask)
  let responseClass: ResponseClass = nothing
  if (hasQuestion) {
    const chain = followChain(names, records, question, name)
    keepPertinent(names, records, question, chain)
    responseClass = classifyResponse(names, records, chain, rcode, ttl)
    if (responseClass.kind === "unfinished") keepChainOnly(records)
  }
  const removed = takeOutPrivate(question, rules.rebinding)
  const rewritten = write(question, name, removed === undefined ? flags : flags & ~Flag.AD, ttl, responseClass)
  if (rewritten === undefined) return undefined
  return {
    wire: rewritten,
    rcode,
    truncated: false,
    hasOpt: records.hasOpt,
    responseClass,
    ttlSeconds:
      responseClass.kind === "negative"
        ? responseClass.ttlSeconds
        : Math.min(smallestTtl, ttl.maxSeconds, removed === undefined ? ttl.maxSeconds : boundedTtl(removed, ttl)),
    isRebound: removed !== undefined,
    scope: Math.max(scope, 0),
    hasSubnet: scope !== UNSAID,
    cookie: cookieIn(wire, records),
    extendedError: readExtendedError(wire, records.optionsAt, records.optionsEnd)
  }
}

/**
 * Keeps no record with a private address, where the name may have none, and no signature of a set that lost one: it
 * would not hold.
 *
 * @returns the smallest TTL of those removed; undefined where there are none
 */
const takeOutPrivate = ({ name }: Question, rebinding: Rebinding | undefined): number | undefined => {
  let ttlSeconds: number | undefined
  if (rebinding === undefined || rebinding.isAllowed(name)) return ttlSeconds
  const broken = new Set<number>()
  for (let record = 0; record < records.count; record++) {
    if (records.isKept[record] === 0) continue
    const [type, ofClass] = [records.type[record]!, records.class[record]!]
    const [start, end] = [records.dataAt[record]!, records.dataEnd[record]!]
    if (!rebinding.isUnwanted(names.wire, type, ofClass, start, end)) continue
    records.isKept[record] = 0
    broken.add(records.setOf(record, type))
    ttlSeconds = Math.min(ttlSeconds ?? Number.POSITIVE_INFINITY, records.ttlSeconds[record]!)
  }
  for (let record = 0; ttlSeconds !== undefined && record < records.count; record++) {
    const isSignature = records.type[record] === Type.RRSIG
    if (isSignature && broken.has(records.setOf(record, records.covered(record)))) records.isKept[record] = 0
  }
  return ttlSeconds
}

/** The first counts (RFC 7873 §5.3). */
const cookieIn = (wire: Uint8Array, { optionsAt, optionsEnd }: RecordTable): Uint8Array | undefined => {
  const at = optionAt(wire, optionsAt, optionsEnd, OPTION_COOKIE)
  return at < 0 ? undefined : copyOf(wire, at, at + u16(wire, at - 2))
}

/** No scopes: the option is for another network or not well-formed; there is none. */
const MALFORMED = -1
const UNSAID = -2

/** Without a word on it an answer is for everybody (RFC 7871 §7.3). */
const scopeIn = (wire: Uint8Array, { optionsAt, optionsEnd }: RecordTable, subnet: Subnet): number => {
  for (let at = optionsAt; at + 4 <= optionsEnd; ) {
    const length = u16(wire, at + 2)
    const next = at + 4 + length
    if (next > optionsEnd) return MALFORMED
    if (u16(wire, at) === OPTION_CLIENT_SUBNET) return readScope(wire, at + 4, length, subnet)
    at = next
  }
  return UNSAID
}

/**
 * One message of an answer that stops at a CNAME and of what is at the name it stops at: the question and the CNAMEs of
 * the first, with what proves them, and the rest of the second. Authentic only where both are.
 *
 * @param head normalised, to `question`
 * @param tail normalised, to the name at which `head` stops
 * @returns undefined where together they do not fit 65,535 octets
 */
export const joinAnswers = (
  head: Uint8Array,
  tail: Uint8Array,
  question: Question,
  rebinding?: Rebinding
): Uint8Array | undefined => {
  const end = head.length
  if (end + tail.length > MAX_SOURCE_SIZE) return undefined
  const both = new Uint8Array(end + tail.length)
  both.set(head)
  both.set(tail, end)
  names.begin(both, both.length)
  records.begin()
  const name = names.read(HEADER_SIZE)
  const headStart = HEADER_SIZE + question.name.length + 4
  const tailStart = end + skipName(tail, HEADER_SIZE, tail.length) + 4
  const headAt = readPart(Section.Answer, head, 0, headStart)
  const tailAt = readPart(Section.Answer, tail, end, tailStart)
  readPart(Section.Authority, head, 0, headAt)
  const lastAt = readPart(Section.Authority, tail, end, tailAt)
  if (readPart(Section.Additional, tail, end, lastAt) < 0) return undefined
  keepAll(records)
  const isWhole = takeOutPrivate(question, rebinding) === undefined
  const authentic = isWhole ? u16(head, 2) | ~Flag.AD : ~Flag.AD
  return write(question, name, u16(tail, 2) & authentic, anyTtl, nothing)
}

/** Reads a section of a message that stands at `base` among others; returns where the next one begins. */
const readPart = (section: number, message: Uint8Array, base: number, at: number): number => {
  if (at < 0) return -1
  names.base = base
  return records.read(section, at, u16(message, 6 + section * 2), base + message.length)
}

/** The smallest TTL of what was written last. */
let smallestTtl = 0

/**
 * Writes header, question and the records that are kept.
 *
 * @param name the question's, as `names` knows it; `NO_NAME` where there are no records
 * @returns undefined where they do not fit
 */
const write = (
  question: Question,
  name: number,
  flags: number,
  ttl: TtlBounds,
  responseClass: ResponseClass
): Uint8Array | undefined => {
  let to = writeQuestion(scratch, question, HEADER_SIZE)
  if (name !== NO_NAME) writer.noteQuestion(name)
  putU16(scratch, 0, 0)
  putU16(scratch, 2, flags)
  putU16(scratch, 4, 1)
  for (let section = 0; section < 3; section++) putU16(scratch, 6 + section * 2, keptIn(records, section))
  records.levelTtls()
  smallestTtl = 0x7fffffff
  const answersEnd = records.sectionEnd[Section.Answer]!
  const negativeSeconds = responseClass.kind === "negative" ? responseClass.ttlSeconds : 0x7fffffff
  for (let record = 0; record < records.count; record++) {
    if (records.isKept[record] === 0) continue
    // An answer that there is nothing is shown to live as long as it does, whatever MINIMUM is (RFC 2308 §5).
    const bounded = boundedTtl(records.ttlSeconds[record]!, ttl)
    const seconds = record < answersEnd ? bounded : Math.min(bounded, negativeSeconds)
    if (seconds < smallestTtl) smallestTtl = seconds
    to = writeRecord(record, seconds, to)
    if (to < 0 || to > MAX_MESSAGE_SIZE) return undefined
  }
  return copyOf(scratch, 0, to)
}

/** Returns the offset past it, or -1 where it does not fit. */
const writeRecord = (record: number, ttlSeconds: number, at: number): number => {
  const to = writer.write(records.owner[record]!, at)
  putU16(scratch, to, records.type[record]!)
  putU16(scratch, to + 2, records.class[record]!)
  putU32(scratch, to + 4, ttlSeconds)
  const dataAt = to + 10
  const type = records.type[record]!
  const end = writeData(names, writer, scratch, type, records.dataAt[record]!, records.dataEnd[record]!, dataAt)
  putU16(scratch, to + 8, end - dataAt)
  return end
}
