import { assert, describe, it } from "@effect/vitest"
import { Context, Effect, Exit, Layer, Logger, Option, Schedule } from "effect"
import { AnswerCache } from "../../src/cache/answer-cache.ts"
import { FailureCache } from "../../src/cache/failure-cache.ts"
import { MAX_FLUSHES } from "../../src/cache/shared/flush-log.ts"
import type { RedisUnreachable } from "../../src/cache/shared/redis/connection.ts"
import { SharedTier } from "../../src/cache/shared/shared-tier.ts"
import { layerSharedTier } from "../../src/cache/shared/shared-tier-layer.ts"
import { Configuration } from "../../src/config/configuration.ts"
import { Counters } from "../../src/telemetry/counters.ts"
import { redisServer, startRedis } from "../support/external/redis.ts"
import { untilSo } from "../support/machine/until.ts"
import { startListening } from "../support/servers/process.ts"
import { addressesOf, ask, type RunningServer } from "../support/servers/server.ts"
import { settingsOf } from "../support/servers/settings.ts"
import { askAndShare, awaitCount, awaitTier, startSharing } from "../support/servers/shared-servers.ts"
import { address, fakeUpstream } from "../support/upstreams/fake-upstream.ts"
import { wireName } from "../support/wire/messages.ts"

/** An upstream whose data can be changed. */
const changing = Effect.gen(function* () {
  const state = { data: "192.0.2.1" }
  const upstream = yield* fakeUpstream((query, transport, count) => address(state.data, 300)(query, transport, count))
  const change = (data: string): void => {
    state.data = data
  }
  return { ...upstream, change }
})

/** A server, and what it shares its answers by. */
const sharing = Effect.gen(function* () {
  const redis = yield* startRedis()
  const upstream = yield* changing
  return { redis, upstream, server: yield* startSharing(upstream, redis) }
})

const dataOf = (server: RunningServer, name: string): Effect.Effect<string> =>
  Effect.map(server.ask({ name }), (answer) => addressesOf(answer).join())

describe.skipIf(redisServer === undefined)("a flush that is published in Redis", () => {
  it.live("reaches all servers, and the tier: a name, a name and all below it, everything", () =>
    Effect.gen(function* () {
      const { redis, upstream, server: first } = yield* sharing
      const second = yield* startSharing(upstream, redis)
      const names = ["www.corp.test", "deep.www.corp.test", "corp.test", "other.test"]
      let flushes = 0
      for (const [wish, forgotten] of [
        ["name WWW.corp.test", ["www.corp.test"]],
        ["tree www.corp.test.", ["www.corp.test", "deep.www.corp.test"]],
        ["all", names]
      ] as const) {
        upstream.change("192.0.2.1")
        for (const name of names) yield* first.ask({ name })
        yield* askAndShare(first, `last${flushes}.example.test`)
        for (const name of names) assert.strictEqual(yield* dataOf(second, name), "192.0.2.1", name)
        upstream.change("192.0.2.2")
        yield* redis.command("PUBLISH", "strand:flush", wish)
        yield* awaitCount(first, "shared.flushes", ++flushes)
        yield* awaitCount(second, "shared.flushes", flushes)
        for (const server of [first, second]) {
          for (const name of names) {
            const isForgotten = (forgotten as ReadonlyArray<string>).includes(name)
            assert.strictEqual(yield* dataOf(server, name), isForgotten ? "192.0.2.2" : "192.0.2.1", `${wish}: ${name}`)
          }
        }
        // The same wish is one for a moment.
        yield* Effect.sleep(300)
        yield* redis.command("PUBLISH", "strand:flush", "tree .")
        yield* awaitCount(first, "shared.flushes", ++flushes)
        yield* awaitCount(second, "shared.flushes", flushes)
      }
      assert.strictEqual(
        String(yield* redis.command("GET", "strand:{flush}:count")),
        String(flushes),
        "entered once each"
      )
    })
  )

  it.live("is caught up on by a server that was away, and by one that was not there", () =>
    Effect.gen(function* () {
      const { redis, upstream, server } = yield* sharing
      const other = yield* startSharing(upstream, redis)
      yield* askAndShare(server, "www.example.test")
      yield* askAndShare(server, "here.example.test")
      upstream.change("192.0.2.2")
      // Its connections are cut; what is published before it is back it does not hear.
      yield* redis.command("CLIENT", "KILL", "TYPE", "pubsub")
      yield* redis.command("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes")
      yield* redis.command("PUBLISH", "strand:flush", "tree nobody.test")
      yield* redis.command(
        "EVAL",
        "redis.call('SET', KEYS[1], 1) redis.call('LPUSH', KEYS[2], '1 name www.example.test')",
        "2",
        "strand:{flush}:count",
        "strand:{flush}:log"
      )
      yield* awaitCount(server, "shared.flushes", 1)
      yield* awaitCount(other, "shared.flushes", 1)
      assert.strictEqual(yield* dataOf(server, "www.example.test"), "192.0.2.2")
      assert.strictEqual(yield* dataOf(server, "here.example.test"), "192.0.2.1")
      const late = yield* startSharing(upstream, redis)
      upstream.change("192.0.2.3")
      assert.strictEqual(yield* dataOf(late, "here.example.test"), "192.0.2.1")
    })
  )

  it.live("is one of everything where there were more than the log holds", () =>
    Effect.gen(function* () {
      const { redis, upstream, server } = yield* sharing
      yield* askAndShare(server, "www.example.test")
      upstream.change("192.0.2.2")
      yield* redis.command(
        "EVAL",
        `redis.call('SET', KEYS[1], ${2 * MAX_FLUSHES})
         for number = ${MAX_FLUSHES} + 1, ${2 * MAX_FLUSHES} do
           redis.call('LPUSH', KEYS[2], number .. ' name n' .. number .. '.test')
         end`,
        "2",
        "strand:{flush}:count",
        "strand:{flush}:log"
      )
      yield* awaitCount(server, "shared.flushes", 1)
      assert.strictEqual(yield* dataOf(server, "www.example.test"), "192.0.2.2")
    })
  )

  it.live("still counts when Redis has lost its count", () =>
    Effect.gen(function* () {
      const { redis, upstream, server } = yield* sharing
      yield* redis.command("PUBLISH", "strand:flush", "name first.test")
      yield* awaitCount(server, "shared.flushes", 1)
      yield* askAndShare(server, "www.example.test")
      yield* redis.command("DEL", "strand:{flush}:count", "strand:{flush}:log")
      yield* redis.command("PUBLISH", "strand:flush", "name www.example.test")
      yield* awaitCount(server, "shared.flushes", 2)
      upstream.change("192.0.2.2")
      const other = yield* startSharing(upstream, redis)
      assert.strictEqual(yield* dataOf(other, "www.example.test"), "192.0.2.2")
    })
  )

  it.live("reaches all threads of a server", () =>
    Effect.gen(function* () {
      const { redis, upstream, server: alone } = yield* sharing
      const server = yield* startListening({
        DNS_SERVER_UPSTREAMS: upstream.address,
        DNS_SERVER_REDIS_URL: redis.url,
        DNS_SERVER_WORKERS: "2"
      })
      const asked = { name: "www.example.test" }
      assert.deepStrictEqual(addressesOf(yield* ask(server.port, asked)), ["192.0.2.1"])
      upstream.change("192.0.2.2")
      yield* awaitTier(alone)
      const answers = Effect.replicateEffect(Effect.map(ask(server.port, asked), addressesOf), 20)
      const areNew = (all: ReadonlyArray<ReadonlyArray<string>>) => all.every(([address]) => address === "192.0.2.2")
      // A thread hears of it a moment after the others.
      const flushed = redis.command("PUBLISH", "strand:flush", "all")
      yield* untilSo("all threads have what is new", Effect.map(Effect.andThen(flushed, answers), areNew))
    })
  )

  it.live("may be asked for by a server, which is told whether Redis knows of it", () =>
    Effect.gen(function* () {
      const { redis, upstream, server } = yield* sharing
      yield* askAndShare(server, "www.example.test")
      upstream.change("192.0.2.2")
      const settings = settingsOf({ DNS_SERVER_REDIS_URL: redis.url })
      const context = yield* Layer.build(
        layerSharedTier.pipe(
          Layer.provide(Layer.mergeAll(AnswerCache.layer, FailureCache.layer)),
          Layer.provide(Layer.mergeAll(Configuration.layer(settings), Counters.layer, Logger.layer([])))
        )
      )
      const tier = Option.getOrThrow(Context.get(context, SharedTier).current)
      const flush = tier.flush({ kind: "tree", name: wireName("example.test") })
      yield* Effect.retry(flush, { times: 100, schedule: Schedule.spaced(50) })
      yield* awaitCount(server, "shared.flushes", 1)
      assert.strictEqual(yield* dataOf(server, "www.example.test"), "192.0.2.2")
      yield* redis.kill
      yield* awaitFailure(flush)
    })
  )
})

/** Tries until it fails, as Redis is gone. */
const awaitFailure = (flush: Effect.Effect<void, RedisUnreachable>): Effect.Effect<void> =>
  untilSo("it fails", Effect.map(Effect.exit(flush), Exit.isFailure))
