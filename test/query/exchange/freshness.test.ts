import { assert, describe, it } from "@effect/vitest"
import packet from "dns-packet"
import { Effect } from "effect"
import { addressesOf, rcodeOf } from "../../support/servers/server.ts"
import { extendedErrorsOf, type MemoryUpstream, memoryServer } from "../../support/servers/timed-server.ts"
import { address as addressRecord, failing, reply, type WireBehaviour } from "../../support/upstreams/fake-upstream.ts"

const TTL = 20
const byPacket =
  (behaviour: ReturnType<typeof failing>): WireBehaviour =>
  (query, transport, count) =>
    behaviour(packet.decode(query), transport, count)

const answering = (data: string, ttl = TTL): WireBehaviour => byPacket(addressRecord(data, ttl))
const silent: WireBehaviour = () => []
const servfail = byPacket(failing(2))
const nxdomain: WireBehaviour = byPacket((query) => [
  {
    reply: reply(query, {
      rcode: 3,
      authorities: [
        {
          name: "test",
          type: "SOA",
          ttl: TTL,
          data: { mname: "a.test", rname: "b.test", serial: 1, refresh: 1, retry: 1, expire: 1, minimum: TTL }
        }
      ]
    })
  }
])
const upstream = (behaviour: WireBehaviour): MemoryUpstream => ({ behaviour, queries: 0 })
const NAME = { name: "www.example.test", edns: {} }
const ttlsOf = (answer: packet.DecodedPacket): ReadonlyArray<number | undefined> =>
  (answer.answers ?? []).map((record) => ("ttl" in record ? record.ttl : undefined))

describe("an answer past its life (RFC 8767)", () => {
  it.effect("is given with a TTL of 30 and Extended DNS Error 3 when upstreams fail, and tried again after 30 s", () =>
    Effect.gen(function* () {
      const only = upstream(answering("192.0.2.1"))
      const server = yield* memoryServer({}, [only])
      yield* server.ask(NAME)
      yield* server.pass((TTL + 1) * 1000)
      only.behaviour = servfail
      const { answer } = yield* server.ask(NAME)
      assert.deepStrictEqual(addressesOf(answer), ["192.0.2.1"])
      assert.deepStrictEqual(ttlsOf(answer), [30])
      assert.deepStrictEqual(extendedErrorsOf(answer), [3])
      const asked = only.queries
      only.behaviour = answering("192.0.2.2")
      yield* server.pass(20_000)
      assert.deepStrictEqual(addressesOf((yield* server.ask(NAME)).answer), ["192.0.2.1"])
      assert.strictEqual(only.queries, asked, "not asked again within half a minute")
      yield* server.pass(11_000)
      assert.deepStrictEqual(addressesOf((yield* server.ask(NAME)).answer), ["192.0.2.2"])
      assert.strictEqual(server.counters.read("cache.stale"), 2)
    }).pipe(Effect.scoped)
  )

  it.effect("is given after 1.8 s when upstreams are slow, and the fresh one is kept when it comes", () =>
    Effect.gen(function* () {
      const only = upstream(answering("192.0.2.1"))
      const server = yield* memoryServer({}, [only])
      yield* server.ask(NAME)
      yield* server.pass((TTL + 1) * 1000)
      only.behaviour = (query, transport, count) =>
        answering("192.0.2.2")(query, transport, count).map((reaction) => ({ ...reaction, delayMs: 3_000 }))
      const { answer, tookMs } = yield* server.ask(NAME)
      assert.deepStrictEqual(addressesOf(answer), ["192.0.2.1"])
      assert.isTrue(tookMs >= 1_800 && tookMs <= 1_850, String(tookMs))
      yield* server.pass(2_000)
      const later = yield* server.ask(NAME)
      assert.deepStrictEqual(addressesOf(later.answer), ["192.0.2.2"])
      assert.isBelow(later.tookMs, 10)
    }).pipe(Effect.scoped)
  )

  it.effect("says of a name that was not there that it is stale, by Extended DNS Error 19", () =>
    Effect.gen(function* () {
      const only = upstream(nxdomain)
      const server = yield* memoryServer({}, [only])
      yield* server.ask(NAME)
      yield* server.pass((TTL + 1) * 1000)
      only.behaviour = silent
      const { answer } = yield* server.ask(NAME)
      assert.strictEqual(rcodeOf(answer), "NXDOMAIN")
      assert.deepStrictEqual(extendedErrorsOf(answer), [19])
    }).pipe(Effect.scoped)
  )

  it.effect("is not given when that is switched off, nor when it is older than it may be", () =>
    Effect.gen(function* () {
      for (const staleSecs of ["0", "60"]) {
        const only = upstream(answering("192.0.2.1"))
        const server = yield* memoryServer({ DNS_SERVER_CACHE_STALE_SECS: staleSecs }, [only])
        yield* server.ask(NAME)
        yield* server.pass((TTL + 61) * 1000)
        only.behaviour = servfail
        assert.strictEqual(rcodeOf((yield* server.ask(NAME)).answer), "SERVFAIL")
      }
    }).pipe(Effect.scoped)
  )

  it.effect("is given at once by configuration, with a fresh one fetched behind", () =>
    Effect.gen(function* () {
      const only = upstream(answering("192.0.2.1"))
      const server = yield* memoryServer({ DNS_SERVER_STALE_ANSWER: "at-once" }, [only])
      yield* server.ask(NAME)
      yield* server.pass((TTL + 1) * 1000)
      only.behaviour = (query, transport, count) =>
        answering("192.0.2.2")(query, transport, count).map((reaction) => ({ ...reaction, delayMs: 400 }))
      const { answer, tookMs } = yield* server.ask(NAME)
      assert.deepStrictEqual(addressesOf(answer), ["192.0.2.1"])
      assert.isBelow(tookMs, 10)
      yield* server.pass(500)
      assert.deepStrictEqual(addressesOf((yield* server.ask(NAME)).answer), ["192.0.2.2"])
    }).pipe(Effect.scoped)
  )

  it.effect("is given at once when all upstreams are known to be down", () =>
    Effect.gen(function* () {
      const only = upstream(answering("192.0.2.1"))
      const server = yield* memoryServer({}, [only])
      yield* server.ask(NAME)
      yield* server.pass((TTL + 1) * 1000)
      only.behaviour = silent
      for (let i = 0; i < 8; i++) yield* server.send({ name: `gone${i}.example.test` })
      yield* server.pass(6_000)
      yield* server.ask({ name: "demand.example.test" })
      yield* server.pass(1_000)
      const { answer, tookMs } = yield* server.ask(NAME)
      assert.deepStrictEqual(addressesOf(answer), ["192.0.2.1"])
      assert.isAtMost(tookMs, 50)
    }).pipe(Effect.scoped)
  )
})

/** Names that begin with `held` get nothing. */
const holding =
  (inner: WireBehaviour): WireBehaviour =>
  (query, transport, count) =>
    (packet.decode(query).questions?.[0]?.name ?? "").startsWith("held") ? [] : inner(query, transport, count)

describe("a query that waits in line", () => {
  const settings = {
    DNS_SERVER_MAX_CONCURRENT_QUERIES: "1",
    DNS_SERVER_MAX_QUEUED_QUERIES: "10",
    DNS_SERVER_QUERY_TIMEOUT_SECS: "2",
    DNS_SERVER_RETRIES: "0"
  }

  it.effect("is answered from the cache where the answer came meanwhile: nobody is asked again", () =>
    Effect.gen(function* () {
      const only = upstream(holding(answering("192.0.2.1", 100)))
      const server = yield* memoryServer(settings, [only])
      yield* server.send({ name: "held1.test" })
      const line = [yield* server.send(NAME), yield* server.send(NAME), yield* server.send(NAME)]
      yield* server.pass(1_900)
      const before = only.queries
      yield* server.pass(500)
      assert.isTrue(line.some(({ got }) => got() !== undefined))
      assert.isAtMost(only.queries - before, 1)
    }).pipe(Effect.scoped)
  )

  it.effect("in vain keeps no name from being asked for when there is room again", () =>
    Effect.gen(function* () {
      const only = upstream(holding(answering("192.0.2.1")))
      const server = yield* memoryServer({ ...settings, DNS_SERVER_MAX_QUEUED_QUERIES: "0" }, [only])
      yield* server.ask(NAME)
      yield* server.pass((TTL + 1) * 1000)
      yield* server.send({ name: "held.test" })
      // No place is left: what is past its life is given.
      assert.deepStrictEqual(ttlsOf((yield* server.ask(NAME)).answer), [30])
      yield* server.pass(3_000)
      only.behaviour = answering("192.0.2.2")
      assert.deepStrictEqual(addressesOf((yield* server.ask(NAME)).answer), ["192.0.2.2"])
    }).pipe(Effect.scoped)
  )

  it.effect("too long is given an answer that came meanwhile as what it is: fresh, with its own TTL", () =>
    Effect.gen(function* () {
      const only = upstream(holding(answering("192.0.2.1", 5)))
      const server = yield* memoryServer({ ...settings, DNS_SERVER_MAX_CONCURRENT_QUERIES: "2" }, [only])
      yield* server.send({ name: "held1.test" })
      const first = yield* server.send({ name: "www.other.test", edns: {} })
      const second = yield* server.send({ name: "held2.test" })
      const queued = yield* server.send({ name: "www.other.test", edns: {} })
      yield* server.pass(2_100)
      for (const { got } of [first, queued]) {
        const answer = got()!
        assert.deepStrictEqual(addressesOf(answer), ["192.0.2.1"])
        assert.isAtMost(ttlsOf(answer)[0]!, 5)
        assert.deepStrictEqual(extendedErrorsOf(answer), [])
      }
      assert.strictEqual(rcodeOf(second.got()!), "SERVFAIL")
    }).pipe(Effect.scoped)
  )
})

describe("a name that is asked for", () => {
  it.effect("is not fetched anew while its failure is kept", () =>
    Effect.gen(function* () {
      const only = upstream(answering("192.0.2.1", 100))
      const server = yield* memoryServer({ DNS_SERVER_RETRIES: "0" }, [only])
      for (let i = 0; i < 3; i++) yield* server.ask(NAME)
      only.behaviour = servfail
      yield* server.pass(91_000)
      for (let i = 0; i < 16; i++) {
        yield* server.ask(NAME)
        yield* server.pass(300)
      }
      assert.isAtMost(only.queries, 2)
    }).pipe(Effect.scoped)
  )

  it.effect("is fetched anew in the last tenth of its life, once, and nobody waits for it", () =>
    Effect.gen(function* () {
      const only = upstream(answering("192.0.2.1", 100))
      const server = yield* memoryServer({}, [only])
      for (let i = 0; i < 3; i++) yield* server.ask(NAME)
      yield* server.pass(80_000)
      yield* server.ask(NAME)
      assert.strictEqual(only.queries, 1, "not before the last tenth")
      yield* server.pass(11_000)
      for (let i = 0; i < 5; i++) assert.isBelow((yield* server.ask(NAME)).tookMs, 10)
      assert.strictEqual(only.queries, 2)
      assert.strictEqual(server.counters.read("cache.prefetches"), 1)
      yield* server.pass(15_000)
      assert.isBelow((yield* server.ask(NAME)).tookMs, 10)
      assert.strictEqual(only.queries, 2, "the new one lives on")
    }).pipe(Effect.scoped)
  )

  it.effect("is not fetched anew when it was asked for once, or that is switched off", () =>
    Effect.gen(function* () {
      for (const [times, prefetch] of [
        [0, "true"],
        [5, "false"]
      ] as const) {
        const only = upstream(answering("192.0.2.1", 100))
        const server = yield* memoryServer({ DNS_SERVER_CACHE_PREFETCH: prefetch }, [only])
        for (let i = 0; i <= times; i++) yield* server.ask(NAME)
        yield* server.pass(95_000)
        yield* server.ask(NAME)
        yield* server.pass(100)
        assert.strictEqual(only.queries, 1)
      }
    }).pipe(Effect.scoped)
  )
})
