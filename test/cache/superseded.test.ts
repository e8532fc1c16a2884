import { assert, describe, it } from "@effect/vitest"
import { Effect, Layer } from "effect"
import { TestClock } from "effect/testing"
import { AnswerCache } from "../../src/cache/answer-cache.ts"
import { TableMemory } from "../../src/cache/table/memory.ts"
import { Configuration } from "../../src/config/configuration.ts"
import type { Question } from "../../src/dns/question.ts"
import { subnetOfAddress } from "../../src/dns/subnet.ts"
import { Counters } from "../../src/telemetry/counters.ts"
import { settingsOf } from "../support/servers/settings.ts"
import { asked, message, question as wireQuestion } from "../support/wire/messages.ts"

const answerTo = ({ name, type }: Question, padding = 0): Uint8Array =>
  message({ flags: 0x8180, questions: [wireQuestion(name, type)], after: new Uint8Array(padding) })

const config = Configuration.layer(settingsOf({ DNS_SERVER_CACHE_SIZE_MB: "1" }))
const cacheLayer = AnswerCache.layer.pipe(Layer.provideMerge(Counters.layer), Layer.provide(config))
/** Another thread's way into the same table. */
const besides = (cache: AnswerCache["Service"]) =>
  Layer.build(AnswerCache.layerOver(cache.memory, 2).pipe(Layer.provide([Counters.layer, config]))).pipe(
    Effect.map((context) => context.mapUnsafe.get(AnswerCache.key) as AnswerCache["Service"])
  )

const www = asked("www.example.test")

describe("what was superseded", () => {
  it.effect("is gone, alive or not, and nothing else is: other types, DO, CD and views stay", () =>
    Effect.gen(function* () {
      const cache = yield* AnswerCache
      const others = [
        asked("www.example.test", 28),
        asked("www.example.test", 1, { dnssecOk: true }),
        asked("www.example.test", 1, { cd: true }),
        { ...www, view: 5 },
        asked("ww.example.test")
      ]
      for (const question of [www, ...others]) cache.store(question, answerTo(question), 60)
      cache.supersede(www)
      assert.isUndefined(cache.peekStale(www))
      for (const question of others) assert.isDefined(cache.peekStale(question))
      assert.strictEqual(cache.statistics().entries, others.length)
      yield* TestClock.adjust(61_000)
      for (const question of others) cache.supersede(question)
      for (const question of others) assert.isUndefined(cache.peekStale(question))
      assert.strictEqual(cache.statistics().entries, 0)
      cache.supersede(www)
    }).pipe(Effect.provide(cacheLayer))
  )

  it.effect("is gone for all threads, and a thread that stores it again later has it again", () =>
    Effect.gen(function* () {
      const cache = yield* AnswerCache
      const other = yield* besides(cache)
      cache.store(www, answerTo(www), 60)
      assert.isDefined(other.peekStale(www))
      other.supersede(www)
      assert.isUndefined(cache.peekStale(www))
      other.store(www, answerTo(www), 60)
      assert.isDefined(cache.peekStale(www))
    }).pipe(Effect.scoped, Effect.provide(cacheLayer))
  )

  it.effect("of a client network is gone for a thread that has not seen the new scope either", () =>
    Effect.gen(function* () {
      const cache = yield* AnswerCache
      const other = yield* besides(cache)
      const subnet = subnetOfAddress(Uint32Array.of(0, 0, 0, 0x08080800), true, 24)
      const question: Question = { ...www, view: 7, clientContext: { subnet, coordinates: undefined } }
      cache.store(question, answerTo(question), 10, 24)
      yield* TestClock.adjust(11_000)
      assert.isDefined(other.peekStale(question))
      cache.supersede(question, 16)
      assert.isUndefined(other.peekStale(question))
      assert.isUndefined(cache.peekStale(question))
      yield* TestClock.adjust(1_000)
      cache.store(question, answerTo(question), 10, 16)
      assert.isDefined(cache.peekStale(question))
    }).pipe(Effect.scoped, Effect.provide(cacheLayer))
  )

  it.effect("goes as soon as the writer that holds its shard is done, or found dead", () =>
    Effect.gen(function* () {
      const cache = yield* AnswerCache
      const memory = new TableMemory(cache.memory())
      const lock = (holder: number): void => {
        for (let shard = 0; shard < memory.shards; shard++) memory.shardMemory(shard).lock[0] = holder
      }
      for (const replaced of [true, false]) {
        cache.store(www, answerTo(www), 60)
        yield* TestClock.adjust(200)
        lock(9)
        // An answer that finds the shard held is not kept; the one that it would have replaced must not outlive it.
        if (replaced) cache.store(www, answerTo(www, 8), 60)
        else cache.supersede(www)
        yield* TestClock.adjust(2_000)
        assert.isDefined(cache.peekStale(www), "nobody can take it out")
        cache.recover(9)
        yield* TestClock.adjust(20)
        assert.isUndefined(cache.peekStale(www))
      }
    }).pipe(Effect.provide(cacheLayer))
  )

  it.effect("is not what another thread stores in the moment in which it keeps this one from storing", () =>
    Effect.gen(function* () {
      const cache = yield* AnswerCache
      const memory = new TableMemory(cache.memory())
      cache.store(www, answerTo(www), 60)
      for (let shard = 0; shard < memory.shards; shard++) memory.shardMemory(shard).lock[0] = 9
      cache.store(www, answerTo(www), 60)
      cache.recover(9)
      yield* TestClock.adjust(1_000)
      assert.isDefined(cache.peekStale(www))
    }).pipe(Effect.provide(cacheLayer))
  )

  it.effect("is gone when the new answer is too large to be kept", () =>
    Effect.gen(function* () {
      const cache = yield* AnswerCache
      const subnet = subnetOfAddress(Uint32Array.of(0, 0, 0, 0x08080800), true, 24)
      const question: Question = { ...www, view: 7, clientContext: { subnet, coordinates: undefined } }
      cache.store(question, answerTo(question), 10, 24)
      yield* TestClock.adjust(11_000)
      const largest = answerTo(question)
      cache.store(question, answerTo(question, 65_535 - largest.length), 10, 24)
      assert.isUndefined(cache.peekStale(question))
    }).pipe(Effect.provide(cacheLayer))
  )
})
