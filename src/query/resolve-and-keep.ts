/**
 * A question's way through the resolver pool, and what is kept of the outcome.
 *
 * An answer that stops at a CNAME whose target the upstream does not speak of is completed: the target is asked for,
 * and what is there follows the CNAMEs (RFC 1034 §5.3.3 step 4c).
 */
import { Effect, Exit } from "effect"
import { AnswerCache } from "../cache/answer-cache.ts"
import { FailureCache } from "../cache/failure-cache.ts"
import { ExtendedError } from "../dns/codes.ts"
import { sameName } from "../dns/name.ts"
import type { Question } from "../dns/question.ts"
import { joinAnswers } from "../dns/response.ts"
import type { ResolutionRecord } from "../telemetry/record.ts"
import { type Answer, type ResolveError, UpstreamsFailed } from "../upstream/answer.ts"
import { ResolverPool } from "../upstream/resolver-pool.ts"

/** Names that are asked for one after the other to complete one answer. */
const MAX_LEGS = 8

const endless = Effect.fail(new UpstreamsFailed({ isOfQuestion: true, message: "its CNAMEs do not come to an end" }))

/** Answers go to the cache; of failures only those that are the question's own (RFC 9520 §3.2). */
export const makeResolveAndKeep = Effect.gen(function* () {
  const pool = yield* ResolverPool
  const cache = yield* AnswerCache
  const failures = yield* FailureCache

  const complete = (
    question: Question,
    head: Answer,
    target: Uint8Array,
    legs: number,
    record: ResolutionRecord
  ): Effect.Effect<Answer, ResolveError> => {
    const isCircle = target.length === question.name.length && sameName(target, 0, question.name, 0, target.length)
    if (legs >= MAX_LEGS || isCircle) return endless
    return Effect.flatMap(pool.resolve({ ...question, name: target }, record), (tail) => {
      const wire = joinAnswers(head.wire, tail.wire, question)
      if (wire === undefined) return endless
      const ttlSeconds = Math.min(head.ttlSeconds, tail.ttlSeconds)
      const joined: Answer = { wire, ttlSeconds, continuesAt: tail.continuesAt }
      return tail.continuesAt === undefined
        ? Effect.succeed(joined)
        : complete(question, joined, tail.continuesAt, legs + 1, record)
    })
  }

  /** @param outcome of the question, or of all its legs */
  const keepOutcome = (question: Question, outcome: Exit.Exit<Answer, ResolveError>): void => {
    if (Exit.isSuccess(outcome)) {
      cache.store(question, outcome.value.wire, outcome.value.ttlSeconds, question.view)
      failures.forget(question)
      return
    }
    for (const reason of outcome.cause.reasons) {
      if (reason._tag !== "Fail" || reason.error._tag !== "UpstreamsFailed" || !reason.error.isOfQuestion) continue
      failures.store(question, { code: ExtendedError.CachedError, text: reason.error.message.slice(0, 200) })
    }
  }

  return (question: Question, record: ResolutionRecord): Effect.Effect<Answer, ResolveError> =>
    Effect.flatMap(Effect.exit(pool.resolve(question, record)), (outcome) => {
      if (Exit.isFailure(outcome) || outcome.value.continuesAt === undefined) {
        keepOutcome(question, outcome)
        return outcome
      }
      return Effect.onExit(complete(question, outcome.value, outcome.value.continuesAt, 1, record), (whole) =>
        Effect.sync(() => keepOutcome(question, whole))
      )
    })
})
