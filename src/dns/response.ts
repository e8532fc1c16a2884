/**
 * Reading what an upstream sent: is it the reply to our question, is it whole. What it says is `meaning.ts`'s.
 *
 * What passes is written anew (`normalise`): malformed messages, stray OPT and TSIG records and pointers that lead
 * nowhere never reach a client or the cache, whatever the upstream sends.
 */
import { Class, Flag, Rcode, Type } from "./codes.ts"
import { NameWriter } from "./compression.ts"
import { readExtendedError } from "./extended-error.ts"
import { MAX_NAME_LENGTH, readName, sameName, skipName } from "./name.ts"
import { type Question, writeQuestion } from "./question.ts"
import type { ErrorReason } from "./reply.ts"
import { OPTION_CLIENT_SUBNET, readScope, type Subnet } from "./subnet.ts"
import { copyOctets, copyOf, HEADER_SIZE, MAX_MESSAGE_SIZE, putU16, putU32, u8, u16, u32 } from "./wire.ts"

/** Whether a message answers the question that was asked (RFC 5452 §9.1). */
export const ReplyMatch = {
  /** Not the reply: wrong id, not a response, or another question. It is dropped and the wait goes on. */
  Stranger: 0,
  /** The reply. */
  Reply: 1,
  /** An error without a question, with the right id: servers that cannot read a query answer so. */
  BareError: 2
} as const

const bareErrors: ReadonlySet<number> = new Set([Rcode.FormErr, Rcode.ServFail, Rcode.NotImp, Rcode.Refused])

/** Compares id, QR and question; nothing behind them is looked at. Returns one of `ReplyMatch`. */
export const matchReply = (wire: Uint8Array, length: number, id: number, question: Question): number => {
  if (length < HEADER_SIZE || u16(wire, 0) !== id) return ReplyMatch.Stranger
  const flags = u16(wire, 2)
  if ((flags & Flag.QR) === 0 || (flags & Flag.OpcodeMask) !== 0) return ReplyMatch.Stranger
  const questions = u16(wire, 4)
  if (questions === 0) return bareErrors.has(flags & Flag.RcodeMask) ? ReplyMatch.BareError : ReplyMatch.Stranger
  const end = HEADER_SIZE + question.name.length
  if (questions !== 1 || end + 4 > length) return ReplyMatch.Stranger
  const same =
    sameName(wire, HEADER_SIZE, question.name, 0, question.name.length) &&
    u16(wire, end) === question.type &&
    u16(wire, end + 2) === question.class
  return same ? ReplyMatch.Reply : ReplyMatch.Stranger
}

/** How long answers live: every TTL is brought into these bounds (RFC 8767 §4, RFC 2181 §8). */
export interface TtlBounds {
  readonly minSeconds: number
  readonly maxSeconds: number
}

/** A reply that is whole, written anew. */
export interface Response {
  /** Header with id 0 and the upstream's flags, question in lower case, records; no OPT. */
  readonly wire: Uint8Array
  /** With the upper bits from the OPT. */
  readonly rcode: number
  readonly truncated: boolean
  readonly hasOpt: boolean
  /** The smallest TTL of all records, brought into the bounds; the upper bound where there is no record. */
  readonly ttlSeconds: number
  /** Bits of the client's network on which it depends (RFC 7871 §6); 0 where it does not, or does not say. */
  readonly scope: number
  /** Whether it says so. */
  readonly hasSubnet: boolean
  /** Why, where the upstream said so (RFC 8914). */
  readonly extendedError?: ErrorReason | undefined
}

/** Types whose data holds names, by RFC 1035 and its early successors; all else is opaque (RFC 3597 §4). */
const typesWithNames: ReadonlyArray<readonly [type: number, format: string]> = [
  [Type.NS, "n"],
  [3, "n"],
  [4, "n"],
  [Type.CNAME, "n"],
  [Type.SOA, "nn"],
  [7, "n"],
  [8, "n"],
  [9, "n"],
  [Type.PTR, "n"],
  [14, "nn"],
  [Type.MX, "2n"],
  [17, "uu"],
  [18, "2u"],
  [21, "2u"],
  [26, "2uu"],
  [Type.SRV, "6u"],
  [36, "2u"],
  [Type.DNAME, "u"]
]
/** The same by type. */
const nameFormats: ReadonlyArray<string | undefined> = Array.from(
  { length: 64 },
  (_, type) => typesWithNames.find(([each]) => each === type)?.[1]
)
const NAPTR = 35

// Room for what one record may add past the limit before it is noticed.
const scratch = new Uint8Array(MAX_MESSAGE_SIZE + 2048)
const names = new NameWriter(scratch)
const name = new Uint8Array(MAX_NAME_LENGTH)

/**
 * Checks the reply `wire[0, length)` record by record and writes it anew, names compressed, TTLs brought into bounds.
 *
 * @returns undefined where a record or a name does not lie inside the message, an OPT stands where none may, or the
 *   message does not fit 65,535 octets, or it is for another client network than was asked for (RFC 7871 §7.3)
 */
export const normalise = (
  wire: Uint8Array,
  length: number,
  question: Question,
  ttl: TtlBounds
): Response | undefined => {
  begin(question)
  const opt: Opt = { isThere: false, upperRcode: 0, optionsAt: 0, optionsEnd: 0 }
  let at = u16(wire, 4) === 0 ? HEADER_SIZE : HEADER_SIZE + question.name.length + 4
  for (let section = 0; section < 3 && at >= 0; section++) {
    at = appendRecords(wire, length, at, u16(wire, 6 + section * 2), section, question, ttl, opt)
  }
  if (at < 0) return undefined
  const subnet = question.origin?.subnet
  const scope = subnet === undefined ? UNSAID : scopeIn(wire, opt, subnet)
  if (scope === MALFORMED) return undefined
  const flags = u16(wire, 2)
  const rewritten = end(flags)
  return {
    wire: rewritten,
    rcode: (opt.upperRcode << 4) | (flags & Flag.RcodeMask),
    truncated: (flags & Flag.TC) !== 0,
    hasOpt: opt.isThere,
    ttlSeconds: Math.min(smallestTtl, ttl.maxSeconds),
    scope: Math.max(scope, 0),
    hasSubnet: scope !== UNSAID,
    extendedError: readExtendedError(wire, opt.optionsAt, opt.optionsEnd)
  }
}

/** What is kept of an OPT while a message is gone through. */
interface Opt {
  isThere: boolean
  upperRcode: number
  optionsAt: number
  optionsEnd: number
}

/** No scopes: the option is for another network or not well-formed; there is none. */
const MALFORMED = -1
const UNSAID = -2

const scopeIn = (wire: Uint8Array, { optionsAt, optionsEnd }: Opt, subnet: Subnet): number => {
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
 * the first, the rest of the second. Authentic only where both are.
 *
 * @param head normalised, to `question`
 * @param tail normalised, to the name at which `head` stops
 * @returns undefined where together they do not fit 65,535 octets
 */
export const joinAnswers = (head: Uint8Array, tail: Uint8Array, question: Question): Uint8Array | undefined => {
  begin(question)
  const opt: Opt = { isThere: false, upperRcode: 0, optionsAt: 0, optionsEnd: 0 }
  const tailStart = skipName(tail, HEADER_SIZE, tail.length) + 4
  const headEnd = appendRecords(
    head,
    head.length,
    HEADER_SIZE + question.name.length + 4,
    u16(head, 6),
    0,
    question,
    anyTtl,
    opt
  )
  let at = headEnd < 0 ? -1 : tailStart
  for (let section = 0; section < 3 && at >= 0; section++) {
    at = appendRecords(tail, tail.length, at, u16(tail, 6 + section * 2), section, undefined, anyTtl, opt)
  }
  if (at < 0) return undefined
  return end(u16(tail, 2) & (u16(head, 2) | ~Flag.AD))
}

const anyTtl: TtlBounds = { minSeconds: 0, maxSeconds: 0x7fffffff }

/** Offset of the message's end in `scratch` while it is written; records of each section; their smallest TTL. */
let out = 0
const kept = [0, 0, 0]
let smallestTtl = 0

const begin = (question: Question): void => {
  names.reset()
  out = writeQuestion(scratch, question, HEADER_SIZE)
  names.remember(HEADER_SIZE)
  kept.fill(0)
  smallestTtl = 0x7fffffff
}

const end = (flags: number): Uint8Array => {
  putU16(scratch, 0, 0)
  putU16(scratch, 2, flags)
  putU16(scratch, 4, 1)
  for (let section = 0; section < 3; section++) putU16(scratch, 6 + section * 2, kept[section]!)
  return copyOf(scratch, 0, out)
}

/**
 * Appends `count` records from `at`; an OPT is read and left out.
 *
 * @param question whose name stands at the header's end of `wire` as it does in what is written; undefined where not
 * @returns the offset past them, or -1 where they are not well-formed or do not fit
 */
const appendRecords = (
  wire: Uint8Array,
  length: number,
  start: number,
  count: number,
  section: number,
  question: Question | undefined,
  ttl: TtlBounds,
  opt: Opt
): number => {
  let at = start
  for (let i = 0; i < count; i++) {
    const owner = skipName(wire, at, length)
    if (owner < 0 || owner + 10 > length) return -1
    const type = u16(wire, owner)
    const dataAt = owner + 10
    const next = dataAt + u16(wire, owner + 8)
    if (next > length || !hasAddressSize(type, u16(wire, owner + 2), next - dataAt)) return -1
    if (type === Type.OPT) {
      if (opt.isThere || section !== 2 || u8(wire, at) !== 0) return -1
      opt.isThere = true
      opt.upperRcode = u8(wire, owner + 4)
      opt.optionsAt = dataAt
      opt.optionsEnd = next
      at = next
      continue
    }
    // Signatures of the transaction are between us and the upstream (RFC 8945 §5.3, RFC 2931 §3.1).
    if (type === Type.TSIG || (type === Type.SIG && u8(wire, at) === 0)) {
      at = next
      continue
    }
    const to = writeOwner(wire, at, length, question, out)
    if (to < 0) return -1
    const seconds = boundedTtl(u32(wire, owner + 4), ttl)
    if (seconds < smallestTtl) smallestTtl = seconds
    putU32(scratch, to, u32(wire, owner))
    putU32(scratch, to + 4, seconds)
    const rdataAt = to + 10
    out = writeRdata(wire, dataAt, next, length, type, rdataAt)
    if (out < 0 || out > MAX_MESSAGE_SIZE) return -1
    putU16(scratch, rdataAt - 2, out - rdataAt)
    kept[section]!++
    at = next
  }
  return at
}

/** An address has four octets, or sixteen (RFC 1035 §3.4.1, RFC 3596 §2.2). */
const hasAddressSize = (type: number, recordClass: number, size: number): boolean =>
  recordClass !== Class.IN || (type === Type.A ? size === 4 : type !== Type.AAAA || size === 16)

/** A TTL with the high bit set counts as 0 (RFC 2181 §8). */
export const boundedTtl = (seconds: number, bounds: TtlBounds): number =>
  Math.max(bounds.minSeconds, Math.min(bounds.maxSeconds, seconds > 0x7fffffff ? 0 : seconds))

const writeOwner = (
  wire: Uint8Array,
  at: number,
  length: number,
  question: Question | undefined,
  out: number
): number => {
  if (question !== undefined && u16(wire, at) === 0xc00c && question.name.length > 1) {
    putU16(scratch, out, 0xc00c)
    return out + 2
  }
  return readName(wire, at, length, name, 0) < 0 ? -1 : names.write(name, out)
}

/** Returns the offset past the data written at `out`, or -1 where its names do not fill it as their type says. */
const writeRdata = (
  wire: Uint8Array,
  start: number,
  next: number,
  length: number,
  type: number,
  out: number
): number => {
  const format = type === NAPTR ? "" : nameFormats[type]
  if (format === undefined) {
    if (out + next - start > MAX_MESSAGE_SIZE) return -1
    copyOctets(wire, start, next, scratch, out)
    return out + next - start
  }
  let at = start
  let to = out
  let fixed = 0
  let shape = format
  if (type === NAPTR) {
    fixed = naptrPrefix(wire, start, next)
    if (fixed < 0) return -1
    shape = "u"
  } else if (format.charCodeAt(0) <= 0x39) {
    fixed = format.charCodeAt(0) - 0x30
    shape = format.slice(1)
  }
  if (at + fixed > next) return -1
  copyOctets(wire, at, at + fixed, scratch, to)
  at += fixed
  to += fixed
  for (let i = 0; i < shape.length; i++) {
    const end = skipName(wire, at, next)
    const size = readName(wire, at, length, name, 0)
    if (end < 0 || size < 0) return -1
    if (shape[i] === "n") {
      to = names.write(name, to)
    } else {
      copyOctets(name, 0, size, scratch, to)
      to += size
    }
    at = end
  }
  const rest = type === Type.SOA ? 20 : 0
  if (at + rest !== next) return -1
  copyOctets(wire, at, next, scratch, to)
  return to + rest
}

/** Order, preference and three strings stand before NAPTR's name (RFC 3403 §4.1). */
const naptrPrefix = (wire: Uint8Array, start: number, next: number): number => {
  let at = start + 4
  for (let i = 0; i < 3; i++) {
    if (at >= next) return -1
    at += u8(wire, at) + 1
  }
  return at <= next ? at - start : -1
}
