/**
 * Building replies: a client's header and question, an answer's records, our OPT.
 *
 * Hot path: a cached answer is copied and patched here, octet by octet, without an allocation. An answer comes as a
 * message as `normalise` makes them: no OPT, pointers that lead backwards only, and a question as long as the client's,
 * so that the client's spelling of the name can stand in its place.
 */
import { rotateAddresses } from "./address-order.ts"
import {
  ExtendedError,
  Flag,
  OPTION_COOKIE,
  OPTION_EXTENDED_ERROR,
  OPTION_KEEPALIVE,
  OPTION_NSID,
  OPTION_PADDING,
  Rcode,
  Type
} from "./codes.ts"
import { COOKIE_SIZE } from "./cookie.ts"
import { MAX_NAME_LENGTH, skipName } from "./name.ts"
import type { Query } from "./query.ts"
import { sameSet } from "./rrset.ts"
import { OPTION_CLIENT_SUBNET, SCOPE_OF_SOURCE } from "./subnet.ts"
import { copyOctets, HEADER_SIZE, putU16, putU32, u16, u32 } from "./wire.ts"

/** The largest UDP message that we send, and say that we take: DNS flag day 2020, below any path's MTU. */
export const MAX_UDP_SIZE = 1232
/** An OPT without options: root, type, size, rcode and flags, length (RFC 6891 §6.1.2). */
const OPT_SIZE = 11
/** An Extended DNS Error without a text (RFC 8914 §2). */
export const BARE_ERROR_SIZE = 6
/** What a reply by TLS or HTTPS is padded to: a multiple of this (RFC 8467 §4.1). */
export const PAD_BLOCK = 468
const KEEPALIVE_SIZE = 6
/** What this server calls itself, in octets at most. */
export const MAX_NSID_SIZE = 64
/** Options that depend on who asks, and how: cookie, this server's name, how long a connection may be idle, padding. */
const MAX_CLIENT_OPTIONS = 4 + COOKIE_SIZE + 4 + MAX_NSID_SIZE + KEEPALIVE_SIZE + 4 + PAD_BLOCK
/** An error's reply at most: header, question, OPT with an Extended DNS Error, its text, and one without a text. */
export const MAX_ERROR_SIZE =
  HEADER_SIZE + MAX_NAME_LENGTH + 4 + OPT_SIZE + BARE_ERROR_SIZE + 255 + BARE_ERROR_SIZE + MAX_CLIENT_OPTIONS

/** An option that tells a client the scope: at most an IPv6 address (RFC 7871 §6). */
const MAX_SUBNET_SIZE = 8 + 16
/** What the records of a stale answer are said to live (RFC 8767 §4). */
export const STALE_TTL_SECONDS = 30

/** Why an error is given, for people (RFC 8914). */
export interface ErrorReason {
  readonly code: number
  /** ASCII, at most 255 octets. */
  readonly text: string
  /** The failure was kept: Cached Error (13) is sent besides. */
  readonly isKept?: boolean
}

const stale: ErrorReason = { code: ExtendedError.StaleAnswer, text: "" }
const staleNXDomain: ErrorReason = { code: ExtendedError.StaleNXDomainAnswer, text: "" }

/** An answer's message and how long ago it was taken in. */
export interface AnswerMessage {
  readonly wire: Uint8Array
  readonly length: number
  readonly ageSeconds: number
  /** Which of several addresses comes first: counts up from reply to reply. */
  readonly rotation: number
  /** Bits of the client's network on which it depends; `SCOPE_OF_SOURCE` for all that it was asked for. */
  readonly scope: number
}

/** Octets that `writeAnswer` needs at most for this answer. */
export const replySize = (answer: AnswerMessage): number =>
  answer.length + OPT_SIZE + MAX_SUBNET_SIZE + MAX_CLIENT_OPTIONS

/**
 * Writes the reply to `query` into `out`.
 *
 * TTLs are counted down by the answer's age, never below 0. What does not fit `limit` is left out by whole RRsets from
 * the end: additional ones, and name servers behind an answer, silently (RFC 2181 §9), then the rest with TC set; the
 * OPT stays (RFC 6891 §7).
 *
 * @param out at least `min(replySize(answer), limit)` octets, or `replySize(answer)` where `limit` is larger
 * @param limit octets; 65,535 on a stream
 * @returns the reply's length in octets
 */
export const writeAnswer = (out: Uint8Array, query: Query, answer: AnswerMessage, limit: number): number => {
  const end = writeRecords(out, query, answer, limit - (query.hasOpt ? OPT_SIZE + ownOptionsSize(query) : 0))
  return query.hasOpt ? writeOpt(out, end, query, Rcode.NoError, undefined, answer.scope, limit) : end
}

/** Octets that `writeExplainedAnswer` needs at most. */
export const explainedReplySize = (answer: AnswerMessage, reason: ErrorReason): number =>
  replySize(answer) + BARE_ERROR_SIZE + reason.text.length

/**
 * The same with a reason; its text is left out where it does not fit (RFC 8914 §3).
 *
 * @param out at least `min(explainedReplySize(answer, reason), limit)` octets
 */
export const writeExplainedAnswer = (
  out: Uint8Array,
  query: Query,
  answer: AnswerMessage,
  limit: number,
  reason: ErrorReason
): number => {
  const room = limit - OPT_SIZE - ownOptionsSize(query) - BARE_ERROR_SIZE
  if (!query.hasOpt || room < query.questionEnd) return writeAnswer(out, query, answer, limit)
  const end = writeRecords(out, query, answer, room)
  const said = end + reason.text.length <= room ? reason : { ...reason, text: "" }
  return writeOpt(out, end, query, Rcode.NoError, said, answer.scope, limit)
}

/** Octets that `writeStaleAnswer` needs at most for this answer. */
export const staleReplySize = (answer: AnswerMessage): number =>
  answer.length + OPT_SIZE + MAX_SUBNET_SIZE + BARE_ERROR_SIZE + MAX_CLIENT_OPTIONS

/**
 * The same for an answer past its life: all its TTLs are `STALE_TTL_SECONDS` (RFC 8767 §4), and the OPT says that it is
 * stale (RFC 8914 §4.4, §4.20).
 *
 * @param out at least `min(staleReplySize(answer), limit)` octets, or `staleReplySize(answer)` where `limit` is larger
 */
export const writeStaleAnswer = (out: Uint8Array, query: Query, answer: AnswerMessage, limit: number): number => {
  const least = leastReplySize(query)
  const reason = query.hasOpt && least + BARE_ERROR_SIZE <= limit ? staleReason(answer) : undefined
  const room = limit - (least - query.questionEnd) - (reason === undefined ? 0 : BARE_ERROR_SIZE)
  const end = writeRecords(out, query, { ...answer, ageSeconds: 0 }, room)
  for (let at = query.questionEnd; at < end; ) {
    const owner = skipName(out, at, end)
    putU32(out, owner + 4, STALE_TTL_SECONDS)
    at = owner + 10 + u16(out, owner + 8)
  }
  if (!query.hasOpt) return end
  return writeOpt(out, end, query, Rcode.NoError, reason, answer.scope, limit)
}

/** What is said of an answer past its life. */
export const staleReason = ({ wire }: Pick<AnswerMessage, "wire">): ErrorReason =>
  (u16(wire, 2) & Flag.RcodeMask) === Rcode.NXDomain ? staleNXDomain : stale

/** Octets of the options that have their room before the records: all but padding, which takes what is left. */
const ownOptionsSize = ({ cookie, keepaliveTenths, nsid, subnetOption }: Query): number =>
  (subnetOption === undefined ? 0 : 4 + subnetOption.length) +
  (keepaliveTenths === 0 ? 0 : KEEPALIVE_SIZE) +
  (cookie === undefined ? 0 : 4 + cookie.length) +
  (nsid === undefined ? 0 : 4 + nsid.length)

/** Header, question and records: all but the OPT. Returns where they end. */
const writeRecords = (out: Uint8Array, query: Query, answer: AnswerMessage, room: number): number => {
  const source = answer.wire
  const questionEnd = query.questionEnd
  let counts = countsOf(source)
  let end = answer.length
  if (end > room) {
    const kept = truncate(source, questionEnd, end, counts, room)
    counts = kept.counts
    end = kept.end
  }
  copyOctets(query.wire, 0, questionEnd, out, 0)
  copyOctets(source, questionEnd, end, out, questionEnd)

  const answerFlags = u16(source, 2)
  const authentic = query.wantsAuthenticData ? answerFlags & Flag.AD : 0
  const truncated = counts.truncated ? Flag.TC : 0
  putU16(out, 2, replyFlags(query) | authentic | truncated | (answerFlags & Flag.RcodeMask))
  putU16(out, 6, counts.answer)
  putU16(out, 8, counts.authority)
  putU16(out, 10, counts.additional)
  if (answer.ageSeconds > 0) age(out, questionEnd, end, answer.ageSeconds)
  if (counts.answer > 1) rotateAddresses(out, questionEnd, end, counts.answer, answer.rotation)
  return end
}

/**
 * Writes an error to `query` into `out`: header and, where it could be read, question; our OPT if the query had one,
 * with the upper bits of the rcode and the reason.
 *
 * @param out at least `MAX_ERROR_SIZE` octets
 * @returns the reply's length in octets
 */
export const writeError = (out: Uint8Array, query: Query, rcode: number, reason?: ErrorReason): number => {
  const end = query.questionEnd
  copyOctets(query.wire, 0, end, out, 0)
  putU16(out, 2, replyFlags(query) | (rcode & Flag.RcodeMask))
  putU16(out, 4, end > HEADER_SIZE ? 1 : 0)
  putU16(out, 6, 0)
  putU32(out, 8, 0)
  return query.hasOpt ? writeOpt(out, end, query, rcode, reason) : end
}

/**
 * Writes a reply without records that says that it is cut (TC).
 *
 * @param out at least `MAX_ERROR_SIZE` octets
 */
export const writeTruncated = (out: Uint8Array, query: Query, rcode: number): number => {
  const end = writeError(out, query, rcode)
  putU16(out, 2, u16(out, 2) | Flag.TC)
  return end
}

/** Octets that any reply to this query takes, without records and a reason. */
export const leastReplySize = (query: Query): number =>
  query.questionEnd + (query.hasOpt ? OPT_SIZE + ownOptionsSize(query) : 0)

/** QR and RA set; opcode, RD and CD as asked; AA, Z and the rest clear (RFC 1035 §4.1.1, RFC 4035 §3.2.2). */
const replyFlags = (query: Query): number => Flag.QR | Flag.RA | (query.flags & (Flag.OpcodeMask | Flag.RD | Flag.CD))

/** Version 0, our size, DO as asked, other flags clear (RFC 6891 §6.1.3, RFC 3225 §3). */
const writeOpt = (
  out: Uint8Array,
  at: number,
  query: Query,
  rcode: number,
  reason?: ErrorReason,
  scope = 0,
  limit = MAX_ERROR_SIZE
): number => {
  out[at] = 0
  putU16(out, at + 1, Type.OPT)
  putU16(out, at + 3, MAX_UDP_SIZE)
  out[at + 5] = rcode >>> 4
  out[at + 6] = 0
  putU16(out, at + 7, query.dnssecOk ? 0x8000 : 0)
  let end = at + OPT_SIZE
  if (reason !== undefined) {
    putU16(out, end, OPTION_EXTENDED_ERROR)
    putU16(out, end + 2, 2 + reason.text.length)
    putU16(out, end + 4, reason.code)
    end += 6
    for (let i = 0; i < reason.text.length; i++) out[end++] = reason.text.charCodeAt(i)
    if (reason.isKept === true) {
      putU16(out, end, OPTION_EXTENDED_ERROR)
      putU16(out, end + 2, 2)
      putU16(out, end + 4, ExtendedError.CachedError)
      end += BARE_ERROR_SIZE
    }
  }
  if (query.subnetOption !== undefined && rcode === Rcode.NoError)
    end = writeSubnet(out, end, query.subnetOption, Math.max(scope, query.leastScope))
  if (query.cookie !== undefined) end = writeOption(out, end, OPTION_COOKIE, query.cookie)
  if (query.nsid !== undefined) end = writeOption(out, end, OPTION_NSID, query.nsid)
  if (query.keepaliveTenths > 0) {
    putU16(out, end, OPTION_KEEPALIVE)
    putU16(out, end + 2, 2)
    putU16(out, end + 4, query.keepaliveTenths)
    end += KEEPALIVE_SIZE
  }
  if (query.padBlock > 0) end = pad(out, end, query.padBlock, limit)
  putU16(out, at + 9, end - at - OPT_SIZE)
  putU16(out, 10, u16(out, 10) + 1)
  return end
}

const writeOption = (out: Uint8Array, at: number, code: number, data: Uint8Array): number => {
  putU16(out, at, code)
  putU16(out, at + 2, data.length)
  copyOctets(data, 0, data.length, out, at + 4)
  return at + 4 + data.length
}

/** The last option, where there is room for one (RFC 7830 §3): zeros up to a multiple of the block, or to the limit. */
const pad = (out: Uint8Array, at: number, block: number, limit: number): number => {
  const end = Math.min(Math.ceil((at + 4) / block) * block, limit)
  if (end < at + 4) return at
  putU16(out, at, OPTION_PADDING)
  putU16(out, at + 2, end - at - 4)
  out.fill(0, at + 4, end)
  return end
}

/** The client's option as it came, and the scope; none for a client that asked not to be told of (RFC 7871 §7.2.2). */
const writeSubnet = (out: Uint8Array, at: number, option: Uint8Array, scope: number): number => {
  const source = option[2]!
  putU16(out, at, OPTION_CLIENT_SUBNET)
  putU16(out, at + 2, option.length)
  copyOctets(option, 0, option.length, out, at + 4)
  out[at + 7] = scope === SCOPE_OF_SOURCE ? source : source === 0 ? 0 : scope
  return at + 4 + option.length
}

interface Counts {
  readonly answer: number
  readonly authority: number
  readonly additional: number
  readonly truncated: boolean
}

const countsOf = (message: Uint8Array): Counts => ({
  answer: u16(message, 6),
  authority: u16(message, 8),
  additional: u16(message, 10),
  truncated: false
})

/** How much of an answer fits `room`: whole RRsets from the front, so that no pointer loses what it points to. */
const truncate = (
  wire: Uint8Array,
  start: number,
  end: number,
  counts: Counts,
  room: number
): { readonly counts: Counts; readonly end: number } => {
  const beforeAdditional = counts.answer + counts.authority
  let records = 0
  let kept = 0
  let keptEnd = start
  let at = start
  let previous = -1
  while (at < end) {
    const startsSet =
      previous < 0 || records === counts.answer || records === beforeAdditional || !sameSet(wire, previous, at, end)
    if (startsSet && at <= room) {
      kept = records
      keptEnd = at
    }
    if (at > room) break
    previous = at
    const owner = skipName(wire, at, end)
    at = owner + 10 + u16(wire, owner + 8)
    records++
  }
  const answer = Math.min(kept, counts.answer)
  const authority = Math.min(kept - answer, counts.authority)
  const missing = beforeAdditional - answer - authority
  const truncated = missing > 0 && (answer === 0 || answer < counts.answer || !areNameServers(wire, keptEnd, missing))
  return { counts: { answer, authority, additional: kept - answer - authority, truncated }, end: keptEnd }
}

/** Whether the records from `at` on are NS and their signatures: behind an answer nobody needs them. */
const areNameServers = (wire: Uint8Array, at: number, count: number): boolean => {
  for (let i = 0; i < count; i++) {
    const owner = skipName(wire, at, wire.length)
    const type = u16(wire, owner)
    if (type !== Type.NS && !(type === Type.RRSIG && u16(wire, owner + 10) === Type.NS)) return false
    at = owner + 10 + u16(wire, owner + 8)
  }
  return true
}

const age = (out: Uint8Array, start: number, end: number, seconds: number): void => {
  let at = start
  while (at < end) {
    const owner = skipName(out, at, end)
    putU32(out, owner + 4, Math.max(0, u32(out, owner + 4) - seconds))
    at = owner + 10 + u16(out, owner + 8)
  }
}
