/** Answers and errors on their way to a client. */
import type { Query } from "../dns/query.ts"
import {
  type AnswerMessage,
  type ErrorReason,
  MAX_ERROR_SIZE,
  replySize,
  staleReplySize,
  udpLimit,
  writeAnswer,
  writeError,
  writeStaleAnswer
} from "../dns/reply.ts"
import { MAX_MESSAGE_SIZE } from "../dns/wire.ts"
import type { ReplyPath } from "./packet.ts"

/** Sends the answer, cut to what the client takes. */
export const sendAnswer = (path: ReplyPath, asked: Query, answer: AnswerMessage): void => {
  const limit = path.transport === "udp" ? udpLimit(asked) : MAX_MESSAGE_SIZE
  const out = path.reserve(Math.min(replySize(answer), limit))
  path.send(writeAnswer(out, asked, answer, limit))
}

/** The same for an answer past its life. */
export const sendStaleAnswer = (path: ReplyPath, asked: Query, answer: AnswerMessage): void => {
  const limit = path.transport === "udp" ? udpLimit(asked) : MAX_MESSAGE_SIZE
  const out = path.reserve(Math.min(staleReplySize(answer), limit))
  path.send(writeStaleAnswer(out, asked, answer, limit))
}

export const sendError = (path: ReplyPath, asked: Query, rcode: number, reason?: ErrorReason): void => {
  path.send(writeError(path.reserve(MAX_ERROR_SIZE), asked, rcode, reason))
}
