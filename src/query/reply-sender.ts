/** Answers and errors on their way to a client. */
import { Rcode } from "../dns/codes.ts"
import type { Query } from "../dns/query.ts"
import {
  type AnswerMessage,
  BARE_ERROR_SIZE,
  type ErrorReason,
  errorSize,
  explainedReplySize,
  MAX_ERROR_SIZE,
  replySize,
  STALE_TTL_SECONDS,
  staleReplySize,
  writeAnswer,
  writeError,
  writeExplainedAnswer,
  writeStaleAnswer
} from "../dns/reply.ts"
import { prohibited } from "./extended-errors.ts"
import type { Packet, ReplyPath } from "./packet.ts"
import { replyLimit } from "./transport.ts"

/**
 * Sends the answer, cut to what the client takes.
 *
 * @param ttlSeconds the smallest TTL of the answer as it is sent, known from where it comes: nothing is read for it
 */
export const sendAnswer = (path: ReplyPath, asked: Query, answer: AnswerMessage, ttlSeconds: number): void => {
  const limit = replyLimit(path.transport, asked)
  const out = path.reserve(Math.min(replySize(answer), limit))
  path.send(writeAnswer(out, asked, answer, limit), ttlSeconds)
}

/** The same for an answer with a reason. */
export const sendExplainedAnswer = (
  path: ReplyPath,
  asked: Query,
  answer: AnswerMessage,
  ttlSeconds: number,
  reason: ErrorReason
): void => {
  const limit = replyLimit(path.transport, asked)
  const out = path.reserve(Math.min(explainedReplySize(answer, reason), limit))
  path.send(writeExplainedAnswer(out, asked, answer, limit, reason), ttlSeconds)
}

/** The same for an answer past its life. */
export const sendStaleAnswer = (path: ReplyPath, asked: Query, answer: AnswerMessage): void => {
  const limit = replyLimit(path.transport, asked)
  const out = path.reserve(Math.min(staleReplySize(answer), limit))
  path.send(writeStaleAnswer(out, asked, answer, limit), STALE_TTL_SECONDS)
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
 */
export const sendError = (path: ReplyPath, asked: Query, rcode: number, reason?: ErrorReason): void => {
  path.send(writeError(path.reserve(MAX_ERROR_SIZE), asked, rcode, reason), 0)
}

const prohibitedCode: ErrorReason = { code: prohibited.code, text: "" }

/**
 * REFUSED to a client that may not ask. Where its address may be forged, it may be a victim: the reply is never longer
 * than the query, and has an Extended DNS Error only where the query's own options took as much room (RFC 5358 §3).
 */
export const sendProhibited = (path: Packet, asked: Query): void => {
  if (path.transport.isAddressProven) sendError(path, asked, Rcode.Refused, prohibited)
  else sendError(path, asked, Rcode.Refused, hasRoomForCode(path, asked) ? prohibitedCode : undefined)
}

const hasRoomForCode = (path: Packet, asked: Query): boolean => errorSize(asked) + BARE_ERROR_SIZE <= path.length
