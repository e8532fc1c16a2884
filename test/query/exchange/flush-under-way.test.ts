import { assert, describe, it } from "@effect/vitest"
import { Effect, Exit, Layer } from "effect"
import { AnswerCache } from "../../../src/cache/answer-cache.ts"
import { FailureCache } from "../../../src/cache/failure-cache.ts"
import { Configuration } from "../../../src/config/configuration.ts"
import { makeCachingExchange } from "../../../src/query/exchange/caching-exchange.ts"
import { LoopClock } from "../../../src/runtime/loop-clock.ts"
import { TimerWheel } from "../../../src/runtime/timer-wheel.ts"
import { Counters } from "../../../src/telemetry/counters.ts"
import type { Asker, Outcome } from "../../../src/upstream/answer.ts"
import { UpstreamsFailed } from "../../../src/upstream/answer.ts"
import { ResolverPool } from "../../../src/upstream/resolver-pool.ts"
import { settingsOf } from "../../support/servers/settings.ts"
import { asked, message, wireName, question as wireQuestion } from "../../support/wire/messages.ts"

const www = asked("www.example.test")
const wire = message({ flags: 0x8180, questions: [wireQuestion(www.name, 1)] })
const answer: Outcome = Exit.succeed({ wire, ttlSeconds: 60, continuesAt: undefined, scope: 0 })
const failure: Outcome = Exit.fail(new UpstreamsFailed({ isOfQuestion: true, message: "no" }))

const flushes: Record<string, (cache: AnswerCache["Service"]) => Effect.Effect<unknown>> = {
  "of its name": (cache) => cache.flushName(www.name),
  "of all below a name": (cache) => cache.flushTree(wireName("example.test")),
  "of everything": (cache) => cache.flushAll
}

/** Exchanges that end when the test says so. */
const withExchanges = Effect.gen(function* () {
  const takers: Array<Asker> = []
  const pool = Layer.succeed(
    ResolverPool,
    ResolverPool.of({
      begin: (_question, _record, asker) => {
        takers.push(asker)
        return { abandon: () => {} }
      }
    })
  )
  const config = Configuration.layer(settingsOf({}))
  const caches = Layer.mergeAll(
    AnswerCache.layer,
    FailureCache.layer,
    Layer.provide(TimerWheel.layer, LoopClock.layer)
  ).pipe(Layer.provideMerge(Layer.mergeAll(Counters.layer, config)))
  const context = yield* Layer.build(Layer.merge(pool, caches))
  const tools = yield* Effect.all({
    cache: AnswerCache,
    failures: FailureCache,
    begin: makeCachingExchange(() => {})
  }).pipe(Effect.provideContext(context))
  const told: Array<Outcome> = []
  const begin = (): void => {
    const record = { startedMs: 0, endedMs: 0, attempts: [] }
    tools.begin(www, record, { onOutcome: (outcome) => told.push(outcome) })
  }
  return { ...tools, begin, end: (outcome: Outcome) => takers.shift()!.onOutcome(outcome), told }
})

describe("what was asked for before a flush", () => {
  for (const [what, flush] of Object.entries(flushes)) {
    it.effect(`${what} is given to those who wait, and not kept; what was asked for after it is`, () =>
      Effect.gen(function* () {
        const { begin, cache, end, failures, told } = yield* withExchanges
        begin()
        begin()
        yield* flush(cache)
        begin()
        end(answer)
        assert.deepStrictEqual(told, [answer])
        assert.isUndefined(cache.peekStale(www))
        end(failure)
        assert.isUndefined(failures.lookup(www))
        end(answer)
        assert.isDefined(cache.peekStale(www))
      }).pipe(Effect.scoped)
    )

    it.effect(`${what} is not kept where another thread of the process has flushed`, () =>
      Effect.gen(function* () {
        const { begin, cache, end } = yield* withExchanges
        const other = AnswerCache.layerOver(cache.memory, 2).pipe(
          Layer.provide(Layer.mergeAll(Counters.layer, Configuration.layer(settingsOf({}))))
        )
        begin()
        yield* Effect.provide(Effect.flatMap(AnswerCache, flush), other)
        end(answer)
        assert.isUndefined(cache.peekStale(www))
      }).pipe(Effect.scoped)
    )
  }

  it.effect("is not kept either where the table has got another size meanwhile", () =>
    Effect.gen(function* () {
      const { begin, cache, end } = yield* withExchanges
      begin()
      yield* cache.flushName(www.name)
      yield* cache.resize(2 << 20)
      end(answer)
      assert.isUndefined(cache.peekStale(www))
    }).pipe(Effect.scoped)
  )
})
