import { assert, describe, it } from "@effect/vitest"
import type { DecodedPacket } from "dns-packet"
import { Effect } from "effect"
import { attribute, collector } from "../support/external/otlp-collector.ts"
import { redisServer, startRedis } from "../support/external/redis.ts"
import { addressesOf, rcodeOf } from "../support/servers/server.ts"
import {
  askAndShare,
  awaitCount,
  entriesOf,
  olderBy,
  rewrite,
  startSharing
} from "../support/servers/shared-servers.ts"
import { address, failing, fakeUpstream, reply, silent } from "../support/upstreams/fake-upstream.ts"

const NAME = "www.example.test"
const ttlOf = (answer: DecodedPacket): number | undefined =>
  (answer.answers?.[0] as { readonly ttl?: number } | undefined)?.ttl

describe.skipIf(redisServer === undefined)("a Redis that servers share", () => {
  it.live("gives one server's answer to another: the upstream is asked once", () =>
    Effect.gen(function* () {
      const redis = yield* startRedis()
      const upstream = yield* fakeUpstream(address("192.0.2.1", 300))
      const first = yield* startSharing(upstream, redis)
      const second = yield* startSharing(upstream, redis)
      const asked = upstream.queries()
      yield* askAndShare(first, NAME)
      const answer = yield* second.ask({ name: "WWW.Example.test" })
      assert.deepStrictEqual(addressesOf(answer), ["192.0.2.1"])
      assert.strictEqual(answer.questions?.[0]?.name, "WWW.Example.test")
      assert.strictEqual(second.counters.read("shared.hits"), 1)
      yield* second.ask({ name: NAME })
      assert.strictEqual(second.counters.read("cache.hits"), 1, "it is kept here then")
      assert.strictEqual(upstream.queries(), asked + 1)
    })
  )

  it.live("answers for a server that was restarted, with what is left of the TTL", () =>
    Effect.gen(function* () {
      const redis = yield* startRedis()
      const upstream = yield* fakeUpstream(address("192.0.2.1", 300))
      yield* Effect.scoped(Effect.flatMap(startSharing(upstream, redis), (server) => askAndShare(server, NAME)))
      yield* rewrite(redis, NAME, olderBy(100))
      const restarted = yield* startSharing(upstream, redis)
      const asked = upstream.queries()
      const answer = yield* restarted.ask({ name: NAME })
      assert.deepStrictEqual(addressesOf(answer), ["192.0.2.1"])
      assert.isAtMost(ttlOf(answer)!, 200)
      assert.isAbove(ttlOf(answer)!, 100)
      assert.strictEqual(upstream.queries(), asked)
    })
  )

  it.live("gives a negative answer the shortest life that is set, in every server, whatever MINIMUM says", () =>
    Effect.gen(function* () {
      const redis = yield* startRedis()
      const soa = { mname: "a.test", rname: "b.test", serial: 1, refresh: 1, retry: 1, expire: 1, minimum: 1 }
      const upstream = yield* fakeUpstream((query, transport, count) =>
        query.questions![0]!.name === NAME
          ? [{ reply: reply(query, { rcode: 3, authorities: [{ name: "test", type: "SOA", ttl: 1, data: soa }] }) }]
          : address("192.0.2.1")(query, transport, count)
      )
      const settings = { DNS_SERVER_CACHE_MIN_TTL_SECS: "300" }
      const first = yield* startSharing(upstream, redis, settings)
      const second = yield* startSharing(upstream, redis, settings)
      yield* askAndShare(first, NAME)
      yield* rewrite(redis, NAME, olderBy(100))
      const asked = upstream.queries()
      const answer = yield* second.ask({ name: NAME })
      assert.strictEqual(rcodeOf(answer), "NXDOMAIN")
      const shown = (answer.authorities?.[0] as { readonly ttl?: number } | undefined)?.ttl
      assert.isTrue(shown! > 100 && shown! <= 200, String(shown))
      assert.strictEqual(upstream.queries(), asked)
    })
  )

  it.live("keeps what is waiting to be written when a server stops", () =>
    Effect.gen(function* () {
      const redis = yield* startRedis()
      const upstream = yield* fakeUpstream(address("192.0.2.1", 300))
      yield* Effect.scoped(
        Effect.flatMap(startSharing(upstream, redis), (server) => server.ask({ name: "last.example.test" }))
      )
      const keys = (yield* entriesOf(redis)).map(([key]) => key.toString("latin1"))
      assert.isTrue(keys.some((key) => key.includes("last")))
    })
  )

  it.live("holds negative answers too, and no failures", () =>
    Effect.gen(function* () {
      const redis = yield* startRedis()
      const soa = { mname: "a.test", rname: "b.test", serial: 1, refresh: 1, retry: 1, expire: 1, minimum: 60 }
      const upstream = yield* fakeUpstream((query, transport, count) =>
        query.questions![0]!.name.startsWith("missing")
          ? [{ reply: reply(query, { rcode: 3, authorities: [{ name: "test", type: "SOA", ttl: 60, data: soa }] }) }]
          : failing(2)(query, transport, count)
      )
      const server = yield* startSharing(upstream, redis)
      yield* askAndShare(server, "missing.example.test")
      const second = yield* startSharing(upstream, redis)
      assert.strictEqual(rcodeOf(yield* second.ask({ name: "missing.example.test" })), "NXDOMAIN")
      assert.strictEqual(second.counters.read("shared.hits"), 1)
      assert.strictEqual((yield* entriesOf(redis)).length, 1, "the failed probes left nothing")
    })
  )

  for (const [settings, what] of [
    [{ DNS_SERVER_STALE_ANSWER: "when-failing" }, "when upstreams are silent"],
    [{ DNS_SERVER_STALE_ANSWER: "at-once" }, "at once, where that is configured"]
  ] as const) {
    it.live(`has yesterday's answers, past their life, for a server that knows nothing: given ${what}`, () =>
      Effect.gen(function* () {
        const redis = yield* startRedis()
        let isDown = false
        const upstream = yield* fakeUpstream((query, transport, count) =>
          (isDown && query.questions![0]!.name === NAME ? silent : address("192.0.2.1", 300))(query, transport, count)
        )
        yield* Effect.scoped(Effect.flatMap(startSharing(upstream, redis), (server) => askAndShare(server, NAME)))
        yield* rewrite(redis, NAME, olderBy(86_000))
        isDown = true
        const server = yield* startSharing(upstream, redis, settings)
        const answer = yield* server.ask({ name: NAME, edns: {} })
        assert.deepStrictEqual(addressesOf(answer), ["192.0.2.1"])
        assert.strictEqual(ttlOf(answer), 30)
        assert.strictEqual(server.counters.read("shared.stale"), 1)
        assert.strictEqual(server.counters.read("cache.stale"), 1)
      })
    )
  }

  it.live("is asked again by nobody who wants a newer answer than it has", () =>
    Effect.gen(function* () {
      const redis = yield* startRedis()
      let data = "192.0.2.1"
      const upstream = yield* fakeUpstream((query, transport, count) => address(data, 200)(query, transport, count))
      const server = yield* startSharing(upstream, redis)
      yield* askAndShare(server, NAME)
      yield* rewrite(redis, NAME, olderBy(181))
      const second = yield* startSharing(upstream, redis)
      // Taken from Redis with the last tenth of its life left: asked for again, it is fetched anew.
      for (let i = 0; i < 4; i++) yield* second.ask({ name: NAME })
      data = "192.0.2.2"
      yield* awaitCount(second, "cache.prefetches", 1)
      yield* awaitCount(second, "shared.writes", 2)
      assert.strictEqual(second.counters.read("shared.hits"), 1)
    })
  )

  it.live("never gives the answers of other upstreams", () =>
    Effect.gen(function* () {
      const redis = yield* startRedis()
      const one = yield* fakeUpstream(address("192.0.2.1", 300))
      const other = yield* fakeUpstream(address("192.0.2.2", 300))
      const first = yield* startSharing(one, redis)
      yield* askAndShare(first, NAME)
      const second = yield* startSharing(other, redis)
      assert.deepStrictEqual(addressesOf(yield* second.ask({ name: NAME })), ["192.0.2.2"])
      const grouped = yield* startSharing(other, redis, {
        DNS_SERVER_GROUPS: `corp=${one.address}`,
        DNS_SERVER_RULES: "example.test -> corp"
      })
      assert.deepStrictEqual(addressesOf(yield* grouped.ask({ name: NAME })), ["192.0.2.1"])
      assert.strictEqual(grouped.counters.read("shared.hits"), 1, "the same upstreams, by whatever name")
    })
  )

  it.live("that holds garbage costs hits and nothing else", () =>
    Effect.gen(function* () {
      const redis = yield* startRedis()
      const upstream = yield* fakeUpstream(address("192.0.2.1", 300))
      const first = yield* startSharing(upstream, redis)
      yield* askAndShare(first, NAME)
      const [, whole] = (yield* entriesOf(redis)).find(([key]) => key.includes("www"))!
      const stamp = whole.subarray(0, 8)
      const wire = whole.subarray(8)
      const changed = (at: number, octet: number): Buffer => {
        const copy = Buffer.from(wire)
        copy[at] = octet
        return copy
      }
      const damaged: Record<string, Buffer> = {
        "less than a stamp": stamp.subarray(0, 7),
        "a stamp and no header": whole.subarray(0, 19),
        "more than an answer can be": Buffer.concat([whole, Buffer.alloc(65_536)]),
        "a stamp from the future": olderBy(-3_600)(whole),
        "a stamp from long ago, as a number below 0": olderBy(-(2 ** 31))(whole),
        "half of it": whole.subarray(0, whole.length - 3),
        "a text": Buffer.from("what is this that stands here and is no answer"),
        "another id": Buffer.concat([stamp, changed(0, 1)]),
        "no response": Buffer.concat([stamp, changed(2, 0)]),
        "another name": Buffer.concat([stamp, changed(13, 0x78)]),
        truncated: Buffer.concat([stamp, changed(2, wire[2]! | 2)]),
        SERVFAIL: Buffer.concat([stamp, changed(3, (wire[3]! & 0xf0) | 2)]),
        "records that are not there": Buffer.concat([stamp, changed(7, 9)])
      }
      const upstreamData = ["192.0.2.1"]
      for (const [what, value] of Object.entries(damaged)) {
        yield* rewrite(redis, NAME, () => value)
        const server = yield* startSharing(upstream, redis)
        const asked = upstream.queries()
        assert.deepStrictEqual(addressesOf(yield* server.ask({ name: NAME })), upstreamData, what)
        assert.strictEqual(server.counters.read("shared.refused"), 1, what)
        assert.strictEqual(upstream.queries(), asked + 1, what)
        yield* awaitCount(server, "shared.writes", 2)
      }
    })
  )

  it.live("shows in the trace of the query that it answered", () =>
    Effect.gen(function* () {
      const { url, spans } = yield* collector()
      const redis = yield* startRedis()
      const upstream = yield* fakeUpstream(address("192.0.2.1", 300))
      const first = yield* startSharing(upstream, redis)
      yield* askAndShare(first, NAME)
      yield* Effect.scoped(
        Effect.flatMap(
          startSharing(upstream, redis, {
            DNS_SERVER_TRACE_SAMPLING: "always",
            OTEL_EXPORTER_OTLP_ENDPOINT: url,
            OTEL_EXPORTER_OTLP_PROTOCOL: "http/json"
          }),
          (server) => server.ask({ name: NAME })
        )
      )
      const root = spans.find((span) => attribute(span, "dns.question.name") === NAME)!
      const children = spans.filter((span) => span.parentSpanId === root.spanId)
      assert.sameMembers(
        children.map(({ name }) => name),
        ["cache.lookup", "cache.shared"]
      )
      assert.strictEqual(attribute(children.find(({ name }) => name === "cache.lookup")!, "cache.outcome"), "shared")
    })
  )
})
