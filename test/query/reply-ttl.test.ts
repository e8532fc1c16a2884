import { assert, describe, it } from "@effect/vitest"
import { Effect, type Scope } from "effect"
import { ExtendedError } from "../../src/dns/codes.ts"
import type { FakePacket } from "../support/servers/fake-packet.ts"
import { MemoryNetwork } from "../support/servers/memory-network.ts"
import { type MemoryPipeline, memoryPipeline, OWN_MARK } from "../support/servers/memory-pipeline.ts"
import { extendedErrorsOf, pass, sayingWhy, upstreamAt } from "../support/servers/memory-server.ts"
import { rcodeOf } from "../support/servers/server.ts"
import { decode, octets, opt, option, query, question } from "../support/wire/messages.ts"

const NAME = "www.example.test"
const PORT = 1

const asking = (name: string, type = 1): Uint8Array =>
  query({ questions: [question(name, type)], additionals: [opt()] })

const said = (packet: FakePacket): readonly [rcode: string, ttlSeconds: number] => {
  assert.deepStrictEqual([packet.sent.length, packet.ttls.length], [1, 1])
  return [rcodeOf(decode(packet.sent[0]!)), packet.ttls[0]!]
}

/** The smallest TTL that stands in what was sent. */
const smallestTtl = (packet: FakePacket): number => {
  const { answers = [], authorities = [] } = decode(packet.sent[0]!)
  return Math.min(...[...answers, ...authorities].map((record) => ("ttl" in record ? record.ttl! : 0)))
}

const address = (name: string, ttl: number, data: string) => ({ name, type: "A", ttl, data }) as const

const withPipeline = (
  settings: Record<string, string>,
  use: (
    pipeline: MemoryPipeline,
    upstream: Effect.Success<ReturnType<typeof upstreamAt>>
  ) => Effect.Effect<void, never, Scope.Scope>
) =>
  Effect.gen(function* () {
    const network = new MemoryNetwork()
    const upstream = yield* upstreamAt(network, PORT)
    yield* use(yield* memoryPipeline(network, [PORT], settings), upstream)
  })

describe("the time for which a reply may be kept", () => {
  it.effect("is the smallest TTL of an answer that was asked for, and what is left of it from the cache", () =>
    withPipeline({}, (pipeline, upstream) =>
      Effect.gen(function* () {
        const miss = yield* pipeline.handle(asking(NAME))
        yield* upstream.asked[0]!.answer({
          answers: [
            { name: NAME, type: "CNAME", ttl: 300, data: "other.example.test" },
            address("other.example.test", 60, "192.0.2.1")
          ]
        })
        assert.deepStrictEqual(said(miss), ["NOERROR", 60])
        yield* pass(20_000)
        const hit = yield* pipeline.handle(asking(NAME))
        assert.deepStrictEqual(said(hit), ["NOERROR", 40])
        assert.strictEqual(smallestTtl(hit), 40)
      })
    )
  )

  it.effect("is the same where the upstream says why the answer is as it is", () =>
    withPipeline({ DNS_SERVER_TRUST_UPSTREAM_AD: "true" }, (pipeline, upstream) =>
      Effect.gen(function* () {
        const filtered = yield* pipeline.handle(asking(NAME))
        yield* upstream.asked[0]!.answer({
          answers: [address(NAME, 60, "0.0.0.0")],
          additionals: [sayingWhy(ExtendedError.Blocked, "")]
        })
        assert.deepStrictEqual(said(filtered), ["NOERROR", 60])
        assert.strictEqual(extendedErrorsOf(decode(filtered.sent[0]!)).length, 1)
      })
    )
  )

  it.effect("is by the SOA where there is no such name", () =>
    withPipeline({}, (pipeline, upstream) =>
      Effect.gen(function* () {
        const miss = yield* pipeline.handle(asking(NAME))
        const numbers = { serial: 1, refresh: 1, retry: 1, expire: 1, minimum: 90 }
        const data = { mname: "ns.example.test", rname: "nobody.example.test", ...numbers }
        yield* upstream.asked[0]!.answer({
          rcode: 3,
          authorities: [{ name: "example.test", type: "SOA", ttl: 3600, data }]
        })
        assert.deepStrictEqual(said(miss), ["NXDOMAIN", 90])
        assert.strictEqual(smallestTtl(miss), 90)
      })
    )
  )

  it.effect("is half a minute for a stale answer, as its records say (RFC 8767 §4)", () =>
    withPipeline({}, (pipeline, upstream) =>
      Effect.gen(function* () {
        yield* pipeline.handle(asking(NAME))
        yield* upstream.asked[0]!.answer({ answers: [address(NAME, 60, "192.0.2.1")] })
        yield* pass(61_000)
        const stale = yield* pipeline.handle(asking(NAME))
        assert.strictEqual(stale.sent.length, 0)
        yield* pass(2_000)
        assert.deepStrictEqual(said(stale), ["NOERROR", 30])
        assert.strictEqual(smallestTtl(stale), 30)
      })
    )
  )

  it.effect("is the records' own for local answers and special names, the smallest where there are several", () =>
    withPipeline(
      {
        DNS_SERVER_LOCAL_ANSWERS: "nas.home 300 A 192.0.2.1,nas.home 200 AAAA 2001:db8::1,*.apps.home 500 A 192.0.2.2"
      },
      (pipeline) =>
        Effect.gen(function* () {
          for (const [name, type, ttlSeconds] of [
            ["nas.home", 1, 300],
            ["nas.home", 28, 200],
            ["nas.home", 255, 200],
            ["nas.home", 16, 200],
            ["a.apps.home", 1, 500],
            ["app.localhost", 1, 10_800],
            ["nothing.invalid", 1, 10_800]
          ] as const) {
            const own = yield* pipeline.handle(asking(name, type))
            assert.strictEqual(said(own)[1], ttlSeconds, `${name} ${type}`)
            assert.strictEqual(smallestTtl(own), ttlSeconds, `${name} ${type}`)
          }
        })
    )
  )

  it.effect("is none for errors: failed, failed a moment ago, malformed, looped, refused", () =>
    withPipeline({}, (pipeline, upstream) =>
      Effect.gen(function* () {
        const failed = yield* pipeline.handle(asking(NAME))
        for (let waitedMs = 0; failed.sent.length === 0 && waitedMs < 12_000; waitedMs += 100) {
          yield* upstream.asked.at(-1)!.answer({ rcode: 2 })
          yield* pass(100)
        }
        const again = yield* pipeline.handle(asking(NAME))
        const malformed = yield* pipeline.handle(octets(asking(NAME)).fill(0xff, 12, 20))
        const looped = yield* pipeline.handle(
          query({ additionals: [opt({ options: option(OWN_MARK.code, OWN_MARK.data) })] })
        )
        assert.deepStrictEqual([failed, again, malformed, looped].map(said), [
          ["SERVFAIL", 0],
          ["SERVFAIL", 0],
          ["FORMERR", 0],
          ["REFUSED", 0]
        ])
      })
    )
  )

  it.effect("is none for who may not ask", () =>
    withPipeline({ DNS_SERVER_ALLOW: "192.0.2.0/24" }, (pipeline) =>
      Effect.gen(function* () {
        assert.deepStrictEqual(said(yield* pipeline.handle(asking(NAME))), ["REFUSED", 0])
      })
    )
  )
})
