/** A question's way through the resolver pool, and what is kept of the outcome. */
import { Effect } from "effect"
import { AnswerCache } from "../cache/answer-cache.ts"
import { FailureCache } from "../cache/failure-cache.ts"
import { ExtendedError } from "../dns/codes.ts"
import type { Question } from "../dns/question.ts"
import type { ResolutionRecord } from "../telemetry/record.ts"
import type { Answer, ResolveError } from "../upstream/resolution.ts"
import { ResolverPool } from "../upstream/resolver-pool.ts"

/** Answers go to the cache; of failures only those that are the question's own (RFC 9520 §3.2). */
export const makeResolveAndKeep = Effect.gen(function* () {
  const pool = yield* ResolverPool
  const cache = yield* AnswerCache
  const failures = yield* FailureCache
  return (question: Question, record: ResolutionRecord): Effect.Effect<Answer, ResolveError> =>
    pool.resolve(question, record).pipe(
      Effect.tap((answer) =>
        Effect.sync(() => {
          cache.store(question, answer.wire, answer.ttlSeconds)
          failures.forget(question)
        })
      ),
      Effect.tapError((error) =>
        Effect.sync(() => {
          if (error._tag === "UpstreamsFailed" && error.isOfQuestion) {
            failures.store(question, { code: ExtendedError.CachedError, text: error.message.slice(0, 200) })
          }
        })
      )
    )
})
