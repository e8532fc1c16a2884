/**
 * A question's way through the resolver pool, and what is kept of the outcome.
 *
 * An answer that stops at a CNAME whose target the upstream does not speak of is completed: the target is asked for,
 * and what is there follows the CNAMEs (RFC 1034 §5.3.3 step 4c).
 */
import { Effect } from "effect"
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

  const keep = (question: Question, answer: Answer): void => {
    cache.store(question, answer.wire, answer.ttlSeconds)
    failures.forget(question)
  }

  const keepFailure = (question: Question, error: ResolveError): void => {
    if (error._tag !== "UpstreamsFailed" || !error.isOfQuestion) return
    failures.store(question, { code: ExtendedError.CachedError, text: error.message.slice(0, 200) })
  }

  return (question: Question, record: ResolutionRecord): Effect.Effect<Answer, ResolveError> =>
    Effect.matchEffect(pool.resolve(question, record), {
      onSuccess: (answer) => {
        if (answer.continuesAt === undefined) {
          keep(question, answer)
          return Effect.succeed(answer)
        }
        return complete(question, answer, answer.continuesAt, 1, record).pipe(
          Effect.tap((whole) => Effect.sync(() => keep(question, whole))),
          Effect.tapError((error) => Effect.sync(() => keepFailure(question, error)))
        )
      },
      onFailure: (error) => {
        keepFailure(question, error)
        return Effect.fail(error)
      }
    })
})
