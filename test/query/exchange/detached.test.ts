import { assert, describe, it } from "@effect/vitest"
import { Effect, Layer, Option } from "effect"
import { AnswerCache } from "../../../src/cache/answer-cache.ts"
import { FailureCache } from "../../../src/cache/failure-cache.ts"
import { SharedTier, type Tier } from "../../../src/cache/shared/shared-tier.ts"
import { Configuration } from "../../../src/config/configuration.ts"
import { makeExchangeSteps } from "../../../src/query/exchange/exchange-steps.ts"
import { LoopClock } from "../../../src/runtime/loop-clock.ts"
import { TimerWheel } from "../../../src/runtime/timer-wheel.ts"
import { Counters } from "../../../src/telemetry/counters.ts"
import { ResolverPool } from "../../../src/upstream/resolver-pool.ts"
import { settingsOf } from "../../support/servers/settings.ts"
import { asked, message, record, wireName, question as wireQuestion } from "../../support/wire/messages.ts"

/** It has an answer to everything, past its life. */
const tier: Tier = {
  placeOf: ({ name, type }) => ({
    lookUp: (take) => {
      const answers = [record(name, type, 10, [192, 0, 2, 1])]
      const wire = message({ id: 0, flags: 0x8180, questions: [wireQuestion(name, type)], answers })
      take({ kind: "answer", wire, ageSeconds: 100 })
    },
    keep: () => true,
    supersede: () => {},
    forget: () => {}
  }),
  generation: () => 0,
  flush: () => Effect.void
}

describe("exchanges for which nobody waits any more, a stale answer being there", () => {
  it.effect("go on detached, a thousand of them; those that are more are given up", () =>
    Effect.gen(function* () {
      let begun = 0
      let abandoned = 0
      const pool = ResolverPool.of({
        begin: () => {
          begun++
          return { abandon: () => abandoned++ }
        }
      })
      const context = yield* Layer.build(
        Layer.mergeAll(
          AnswerCache.layer,
          FailureCache.layer,
          Layer.provideMerge(TimerWheel.layer, LoopClock.layer)
        ).pipe(
          Layer.provideMerge(
            Layer.mergeAll(
              Counters.layer,
              Configuration.layer(settingsOf({ DNS_SERVER_STALE_ANSWER: "at-once" })),
              Layer.succeed(ResolverPool, pool),
              Layer.succeed(SharedTier, { current: Option.some(tier) })
            )
          )
        )
      )
      const begin = yield* Effect.provideContext(
        makeExchangeSteps(() => {}),
        context
      )
      let told = 0
      for (let i = 0; i < 1_500; i++) {
        const question = { ...asked("www.example.test"), name: wireName(`n${i}.test`) }
        begin(question, { startedMs: 0, endedMs: 0, attempts: [] }, { onOutcome: () => told++ })
      }
      assert.deepStrictEqual([told, begun, abandoned], [1_500, 1_500, 500])
    }).pipe(Effect.scoped)
  )
})
