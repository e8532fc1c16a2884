/** Answers from the shared tier, checked as those of upstreams are. */

import type { Question } from "../../dns/question.ts"
import { type AnswerRules, matchReply, normalise, ReplyMatch } from "../../dns/response.ts"
import { type Answer, answerOf } from "../../upstream/answer.ts"

/** Answers are kept with this id. */
const ID = 0

/**
 * The answer that a stored message is to the question, with the TTLs that it had when it was stored.
 *
 * Its AD bit was set by a server that asks the same upstreams and trusts them in the same way: the fingerprint in the
 * key makes sure of that.
 *
 * @returns undefined where it is not whole, answers another question, or is nothing that a server would have stored
 */
export const readShared = (wire: Uint8Array, question: Question, rules: AnswerRules): Answer | undefined => {
  if (matchReply(wire, wire.length, ID, question) !== ReplyMatch.Reply) return undefined
  const response = normalise(wire, wire.length, question, rules)
  if (response === undefined || response.hasOpt) return undefined
  const answer = answerOf(response, true, () => true)
  return answer === undefined || answer.continuesAt !== undefined || answer.ttlSeconds <= 0 ? undefined : answer
}
