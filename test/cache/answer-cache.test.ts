import { assert, describe, it } from "@effect/vitest"
import { ConfigProvider, Effect, Layer } from "effect"
import { TestClock } from "effect/testing"
import { AnswerCache } from "../../src/cache/answer-cache.ts"
import { Configuration, load } from "../../src/config/configuration.ts"
import type { Question } from "../../src/dns/question.ts"
import { Counters } from "../../src/telemetry/counters.ts"
import { lookup, peek } from "../support/servers/kept.ts"
import { asked, message, opt, query, question, read, wireName } from "../support/wire/messages.ts"

const cacheOf = (settings: Record<string, string>) =>
  AnswerCache.layer.pipe(
    Layer.provideMerge(Counters.layer),
    Layer.provideMerge(
      Layer.unwrap(
        load(undefined).pipe(
          Effect.map(({ settings }) => Configuration.layer(settings)),
          Effect.provideService(
            ConfigProvider.ConfigProvider,
            ConfigProvider.fromEnv({ env: { DNS_SERVER_UPSTREAMS: "192.0.2.53", ...settings } })
          )
        )
      )
    )
  )
const small = cacheOf({ DNS_SERVER_CACHE_SIZE_MB: "1" })

const answerTo = ({ name, type }: Question, padding = 0): Uint8Array =>
  message({ flags: 0x8180, questions: [question(name, type)], after: new Uint8Array(padding) })

describe("AnswerCache", () => {
  it.effect("keeps an answer until its TTL has passed, and says its age", () =>
    Effect.gen(function* () {
      const cache = yield* AnswerCache
      const www = asked("www.example.com")
      cache.store(www, answerTo(www), 10)
      yield* TestClock.adjust(9_999)
      assert.strictEqual(peek(cache, www)?.ageSeconds, 9)
      yield* TestClock.adjust(1)
      assert.isUndefined(peek(cache, www))
    }).pipe(Effect.provide(small))
  )

  it.effect("keeps nothing with TTL 0", () =>
    Effect.gen(function* () {
      const cache = yield* AnswerCache
      cache.store(asked("a.test"), answerTo(asked("a.test")), 0)
      assert.isUndefined(peek(cache, asked("a.test")))
    }).pipe(Effect.provide(small))
  )

  it.effect("keeps apart names, types, DO and CD", () =>
    Effect.gen(function* () {
      const cache = yield* AnswerCache
      cache.store(asked("a.test"), answerTo(asked("a.test")), 60)
      assert.isDefined(peek(cache, asked("a.test")))
      for (const other of [
        asked("b.test"),
        asked("a.test", 28),
        asked("a.test", 1, { dnssecOk: true }),
        asked("a.test", 1, { cd: true })
      ]) {
        assert.isUndefined(peek(cache, other))
      }
    }).pipe(Effect.provide(small))
  )

  it.effect("finds the answer to a packet in any case, with its DO and CD (RFC 4343)", () =>
    Effect.gen(function* () {
      const cache = yield* AnswerCache
      const secure = asked("www.example.com", 1, { dnssecOk: true, cd: true })
      cache.store(secure, answerTo(secure), 60)
      const packet = message({
        flags: 0x0110,
        questions: [question("WWW.Example.COM")],
        additionals: [opt({ flags: 0x8000 })]
      })
      assert.isDefined(lookup(cache, read(packet).query))
      assert.isUndefined(lookup(cache, read(query()).query))
    }).pipe(Effect.provide(small))
  )

  it.effect("takes a new answer in place of the old one", () =>
    Effect.gen(function* () {
      const cache = yield* AnswerCache
      const a = asked("a.test")
      cache.store(a, answerTo(a), 10)
      const size = cache.statistics().bytes
      yield* TestClock.adjust(8_000)
      cache.store(a, answerTo(a), 10)
      assert.strictEqual(cache.statistics().bytes, size)
      yield* TestClock.adjust(8_000)
      assert.strictEqual(peek(cache, a)?.ageSeconds, 8)
    }).pipe(Effect.provide(small))
  )

  it.effect("counts the turn of the addresses up from lookup to lookup", () =>
    Effect.gen(function* () {
      const cache = yield* AnswerCache
      const a = asked("a.test")
      cache.store(a, answerTo(a), 10)
      const first = peek(cache, a)!.rotation
      assert.strictEqual(peek(cache, a)!.rotation, first + 1)
    }).pipe(Effect.provide(small))
  )

  it.effect("never takes more room than it has, and keeps what is asked", () =>
    Effect.gen(function* () {
      const cache = yield* AnswerCache
      const popular = asked("popular.test")
      cache.store(popular, answerTo(popular), 3_600)
      for (let i = 0; i < 5_000; i++) {
        const once = asked(`name${i}.test`)
        cache.store(once, answerTo(once, 500), 3_600)
        assert.isAtMost(cache.statistics().bytes, 1024 * 1024)
        assert.isDefined(peek(cache, popular))
      }
      assert.isAbove((yield* Counters).read("cache.evictions"), 3_000)
      assert.isAbove(cache.statistics().bytes, 0.9 * 1024 * 1024)
    }).pipe(Effect.provide(small))
  )

  it.effect("finds by a key that was made before, whose hash others may use", () =>
    Effect.gen(function* () {
      const cache = yield* AnswerCache
      const www = asked("www.example.com")
      cache.store(www, answerTo(www), 60)
      const packet = read(query()).query
      const key = cache.keyOf(packet)
      assert.isDefined(cache.find(key))
      assert.strictEqual(cache.keyOf(packet).hash, key.hash)
      assert.isUndefined(cache.find(cache.keyOf(packet, 5)))
    }).pipe(Effect.provide(small))
  )

  it.effect("leaves an answer whose life is over for who asks for it", () =>
    Effect.gen(function* () {
      const cache = yield* AnswerCache
      const a = asked("a.test")
      cache.store(a, answerTo(a), 10)
      yield* TestClock.adjust(30_000)
      assert.isUndefined(peek(cache, a))
      assert.deepInclude(cache.peekStale(a)!, { ageSeconds: 30, remainingSeconds: -20 })
    }).pipe(Effect.provide(small))
  )

  it.effect("goes with the time by itself", () =>
    Effect.gen(function* () {
      const cache = yield* AnswerCache
      const www = asked("www.example.com")
      cache.store(www, answerTo(www), 10)
      const packet = read(query()).query
      yield* TestClock.adjust(9_900)
      assert.strictEqual(lookup(cache, packet)?.remainingSeconds, 1)
      yield* TestClock.adjust(100)
      assert.isUndefined(lookup(cache, packet))
    }).pipe(Effect.provide(small))
  )

  it.effect("forgets a name, a subtree, everything", () =>
    Effect.gen(function* () {
      const cache = yield* AnswerCache
      const names = ["example.com", "www.example.com", "a.www.example.com", "example.org"].map((name) => asked(name))
      const kept = () => names.map((name) => peek(cache, name) !== undefined)
      const fill = () => {
        for (const name of names) cache.store(name, answerTo(name), 60)
      }
      fill()
      assert.strictEqual(yield* cache.flushName(wireName("WWW.example.com")), 1)
      assert.deepStrictEqual(kept(), [true, false, true, true])
      fill()
      assert.strictEqual(yield* cache.flushTree(wireName("www.Example.com")), 2)
      assert.deepStrictEqual(kept(), [true, false, false, true])
      fill()
      yield* cache.flushAll
      assert.deepStrictEqual(kept(), [false, false, false, false])
    }).pipe(Effect.provide(small))
  )

  it.effect("moves to memory of another size, and other threads' caches follow", () =>
    Effect.gen(function* () {
      const cache = yield* AnswerCache
      const a = asked("a.test")
      cache.store(a, answerTo(a), 60)
      yield* Effect.gen(function* () {
        const other = yield* AnswerCache
        assert.isDefined(peek(other, a))
        const memory = yield* cache.resize(2 * 1024 * 1024)
        assert.strictEqual(cache.memory(), memory)
        assert.isAbove(cache.statistics().capacity, 2_000_000)
        other.adopt(memory)
        const b = asked("b.test")
        other.store(b, answerTo(b), 60)
        for (const each of [cache, other]) {
          assert.isDefined(peek(each, a))
          assert.isDefined(peek(each, b))
        }
        assert.deepInclude(cache.statistics(), { entries: 2, hits: 5, misses: 0, stores: 2 })
      }).pipe(Effect.provide(Layer.fresh(AnswerCache.layerOver(cache.memory, 2))))
    }).pipe(Effect.provide(small))
  )

  it.effect("keeps nothing when caching is off", () =>
    Effect.gen(function* () {
      const cache = yield* AnswerCache
      cache.store(asked("a.test"), answerTo(asked("a.test")), 60)
      assert.isUndefined(peek(cache, asked("a.test")))
      assert.strictEqual(cache.statistics().bytes, 0)
    }).pipe(Effect.provide(cacheOf({ DNS_SERVER_ENABLE_CACHING: "false" })))
  )
})
