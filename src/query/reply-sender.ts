/** Answers and errors on their way to a client. */
import { Flag, Rcode } from "../dns/codes.ts"
import type { Query } from "../dns/query.ts"
import {
  type AnswerMessage,
  BARE_ERROR_SIZE,
  type ErrorReason,
  explainedReplySize,
  leastReplySize,
  MAX_ERROR_SIZE,
  replySize,
  STALE_TTL_SECONDS,
  staleReplySize,
  writeAnswer,
  writeError,
  writeExplainedAnswer,
  writeStaleAnswer,
  writeTruncated
} from "../dns/reply.ts"
import { u16 } from "../dns/wire.ts"
import type { Packet, ReplyPath } from "./packet.ts"
import { replyLimit } from "./transport.ts"

let sent = 0

/** The second word of the header of the last reply that was sent. */
export const sentFlags = (): number => sent

/**
 * Sends the answer, cut to what the client takes.
 *
 * @param ttlSeconds the smallest TTL of the answer as it is sent, known from where it comes: nothing is read for it
 * @returns the octets that are sent
 */
export const sendAnswer = (path: ReplyPath, asked: Query, answer: AnswerMessage, ttlSeconds: number): number => {
  const limit = replyLimit(path.transport, asked)
  const out = path.reserve(Math.min(replySize(answer), limit))
  return send(path, asked, out, writeAnswer(out, asked, answer, limit), ttlSeconds)
}

/** The same for an answer with a reason. */
export const sendExplainedAnswer = (
  path: ReplyPath,
  asked: Query,
  answer: AnswerMessage,
  ttlSeconds: number,
  reason: ErrorReason
): number => {
  const limit = replyLimit(path.transport, asked)
  const out = path.reserve(Math.min(explainedReplySize(answer, reason), limit))
  return send(path, asked, out, writeExplainedAnswer(out, asked, answer, limit, reason), ttlSeconds)
}

/** The same for an answer past its life. */
export const sendStaleAnswer = (path: ReplyPath, asked: Query, answer: AnswerMessage): number => {
  const limit = replyLimit(path.transport, asked)
  const out = path.reserve(Math.min(staleReplySize(answer), limit))
  return send(path, asked, out, writeStaleAnswer(out, asked, answer, limit), STALE_TTL_SECONDS)
}

/**
 * Sends an answer without records.
 *
 * **When to use**
 *
 * Use in a step before the cache that refuses a query.
 *
 * **Example** (Refusing all)
 *
 * ```ts
 * import { type Packet, Query, Rcode, readQuery, sendError, Verdict } from "strand-dns"
 *
 * const query = new Query()
 * const refuse = (packet: Packet): void => {
 *   if (readQuery(query, packet.wire, packet.length) === Verdict.Accept) sendError(packet, query, Rcode.Refused)
 *   else packet.drop()
 * }
 * ```
 *
 * @param reason sent as an Extended DNS Error (RFC 8914) to clients that take one
 * @returns the octets that are sent
 */
export const sendError = (path: ReplyPath, asked: Query, rcode: number, reason?: ErrorReason): number => {
  const out = path.reserve(MAX_ERROR_SIZE)
  return send(path, asked, out, writeError(out, asked, rcode, fitting(asked, reason)), 0, rcode)
}

/** As much of a reason as a reply that is bounded has room for. */
const fitting = (asked: Query, reason: ErrorReason | undefined): ErrorReason | undefined => {
  if (asked.sizeBound === 0 || reason === undefined) return reason
  const room = asked.sizeBound - leastReplySize(asked) - BARE_ERROR_SIZE * (reason.isKept === true ? 2 : 1)
  if (room < 0) return undefined
  return reason.text.length <= room ? reason : { ...reason, text: "" }
}

/** Sends a reply without records that says that there are some, for which the client comes by TCP (RFC 7766 §5). */
export const sendTruncated = (path: ReplyPath, asked: Query, rcode: number = Rcode.NoError): number => {
  const out = path.reserve(MAX_ERROR_SIZE)
  return sendUnjudged(path, out, writeTruncated(out, asked, rcode), 0, rcode)
}

/**
 * Sends what is not too much.
 *
 * @param out what is sent, with its rcode in the header: answers have none that is longer (RFC 6891 §6.1.3)
 */
const send = (
  path: ReplyPath,
  asked: Query,
  out: Uint8Array,
  length: number,
  ttlSeconds: number,
  rcode = u16(out, 2) & Flag.RcodeMask
): number => {
  const judge = path.transport.judgeReply()
  const verdict = judge === undefined ? "send" : judge(path.client, asked, out)
  if (verdict === "send") return sendUnjudged(path, out, length, ttlSeconds, rcode)
  if (verdict === "truncate") return sendTruncated(path, asked, rcode)
  sent = 0
  path.drop()
  return 0
}

const sendUnjudged = (path: ReplyPath, out: Uint8Array, length: number, ttlSeconds: number, rcode: number): number => {
  sent = u16(out, 2)
  path.transport.traffic.replied(rcode, length)
  path.send(length, ttlSeconds)
  return length
}

/**
 * REFUSED to a client that may not ask, or not so much. Where its address may be forged, it may be a victim: the reply
 * is never longer than the query, and has an Extended DNS Error only where the query's own options took as much room
 * (RFC 5358 §3).
 */
export const sendRefused = (path: Packet, asked: Query, reason: ErrorReason): number => {
  if (path.transport.isAddressProven) return sendError(path, asked, Rcode.Refused, reason)
  const code = hasRoomForCode(path, asked) ? { code: reason.code, text: "" } : undefined
  return sendError(path, asked, Rcode.Refused, code)
}

const hasRoomForCode = (path: Packet, asked: Query): boolean => leastReplySize(asked) + BARE_ERROR_SIZE <= path.length
