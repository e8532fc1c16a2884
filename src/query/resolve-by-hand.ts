/** Asks a question that no client asked, for people who want to know what becomes of it. */
import { Cause, Effect, Exit, Layer } from "effect"
import { AnswerCache } from "../cache/answer-cache.ts"
import { Configuration } from "../config/configuration.ts"
import { LoopClock } from "../runtime/loop-clock.ts"
import { Operations, type ToldAnswer } from "../runtime/operations.ts"
import type { Outcome } from "../upstream/answer.ts"
import { Coalescer } from "./exchange/coalescer.ts"
import { PendingLookup } from "./exchange/lookup.ts"
import { failureOf } from "./extended-errors.ts"

export const layerResolveByHand: Layer.Layer<never, never, AnswerCache | Coalescer | Configuration | LoopClock> =
  Layer.effectDiscard(
    Effect.gen(function* () {
      const cache = yield* AnswerCache
      const coalescer = yield* Coalescer
      const configuration = yield* Configuration
      const clock = yield* LoopClock
      const operations = yield* Operations
      operations.resolve = (question) =>
        Effect.callback<ToldAnswer>((resume) => {
          clock.begin()
          const fromMs = clock.preciseMs()
          const onOutcome = (outcome: Outcome): void => {
            const attempts = pending.record?.attempts ?? []
            const nowMs = clock.preciseMs()
            resume(
              Effect.succeed({
                wire: Exit.isSuccess(outcome) ? outcome.value.wire : undefined,
                error: Exit.isSuccess(outcome) ? "" : failureOf(outcome.cause).detail,
                tookMs: nowMs - fromMs,
                attempts: attempts.map(({ upstream, transport, outcome: of, rcode, startedMs, endedMs }) => ({
                  upstream: upstream.name,
                  transport,
                  outcome: of,
                  rcode,
                  fromMs: startedMs - fromMs,
                  toMs: (endedMs === 0 ? nowMs : endedMs) - fromMs
                }))
              })
            )
          }
          const pending = new PendingLookup(question, cache.hashOf(question), { onOutcome })
          coalescer.join(pending, configuration.current().queryTimeoutSecs * 1000)
          return Effect.sync(() => pending.abandon())
        }).pipe(
          Effect.catchDefect((defect) =>
            Effect.succeed({ wire: undefined, error: Cause.pretty(Cause.die(defect)), tookMs: 0, attempts: [] })
          )
        )
      yield* Effect.addFinalizer(() =>
        Effect.sync(() => {
          delete operations.resolve
        })
      )
    })
  )
