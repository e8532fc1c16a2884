/**
 * RFC 8767: Serving stale data to improve DNS resiliency. An answer past its life is given when no fresh one can be had
 * (§4), with the timers of §5.
 */
import { assert, describe, it } from "@effect/vitest"
import { Effect, type Scope } from "effect"
import { MemoryNetwork } from "../support/servers/memory-network.ts"
import {
  anAddress,
  extendedErrorsOf,
  type MemoryServer,
  type MemoryUpstream,
  memoryServer,
  pass,
  TICK,
  upstreamAt
} from "../support/servers/memory-server.ts"
import { addressesOf, rcodeOf } from "../support/servers/server.ts"
import { ttlsOf } from "./responses.ts"

const WWW = "www.example.test"
const SECOND = 1_000
const TTL = 60
const [OLD, FRESH] = ["192.0.2.1", "192.0.2.2"]

/** A server that has kept an answer until it was over, by these settings. */
const withStale = (
  use: (server: MemoryServer, upstream: MemoryUpstream) => Effect.Effect<void, never, Scope.Scope>,
  settings: Record<string, string> = {}
) =>
  Effect.gen(function* () {
    const network = new MemoryNetwork()
    const upstream = yield* upstreamAt(network, 1)
    const server = yield* memoryServer(network, [1], {
      DNS_SERVER_RETRIES: "0",
      DNS_SERVER_ACTOR_POOL_SIZE: "1",
      ...settings
    })
    yield* server.ask(WWW)
    yield* upstream.asked[0]!.answer(anAddress(WWW, OLD, TTL))
    yield* pass((TTL + 1) * SECOND)
    yield* use(server, upstream)
  })

const lastOf = (server: MemoryServer) => {
  const answer = server.answers().at(-1)!
  return { rcode: rcodeOf(answer), addresses: addressesOf(answer), ttls: ttlsOf(answer.answers) }
}
const stale = { rcode: "NOERROR", addresses: [OLD], ttls: [30] }

describe("RFC 8767: serving stale data to improve DNS resiliency", () => {
  it.effect("§4: a fresh answer is asked for first, and taken where it comes", () =>
    withStale((server, upstream) =>
      Effect.gen(function* () {
        yield* server.ask(WWW)
        assert.strictEqual(upstream.asked.length, 2)
        assert.strictEqual(server.answers().length, 1)
        yield* upstream.asked[1]!.answer(anAddress(WWW, FRESH, TTL))
        assert.deepStrictEqual(lastOf(server), { rcode: "NOERROR", addresses: [FRESH], ttls: [TTL] })
      })
    )
  )

  for (const [what, rcode] of [
    ["SERVFAIL", 2],
    ["REFUSED", 5],
    ["FORMERR", 1],
    ["NOTIMP", 4]
  ] as const) {
    it.effect(`§4: where upstreams answer ${what} the stale answer is given, with a TTL of 30 s`, () =>
      withStale((server, upstream) =>
        Effect.gen(function* () {
          yield* server.ask(WWW)
          for (let tries = 1; tries < 6 && server.answers().length < 2; tries++) {
            yield* upstream.asked.at(-1)!.answer({ rcode })
          }
          assert.deepStrictEqual(lastOf(server), stale)
          assert.deepStrictEqual(extendedErrorsOf(server.answers()[1]!), ["3"])
        })
      )
    )
  }

  for (const [what, answer, rcode] of [
    ["NXDOMAIN", { rcode: 3 }, "NXDOMAIN"],
    ["that there are no such records", {}, "NOERROR"],
    ["with a TTL of 0", anAddress(WWW, FRESH, 0), "NOERROR"]
  ] as const) {
    it.effect(`§4: an answer ${what} is one: the stale one is not given any more, though this is not kept`, () =>
      withStale((server, upstream) =>
        Effect.gen(function* () {
          yield* server.ask(WWW)
          yield* upstream.asked[1]!.answer(answer)
          assert.strictEqual(lastOf(server).rcode, rcode)
          assert.notDeepEqual(lastOf(server).addresses, [OLD])
          yield* server.ask(WWW)
          yield* upstream.asked[2]!.answer({ rcode: 2 })
          assert.strictEqual(lastOf(server).rcode, "SERVFAIL")
        })
      )
    )
  }

  it.effect("§5: a client waits 1.8 s for a fresh answer, no longer, and one that comes later is kept", () =>
    withStale((server, upstream) =>
      Effect.gen(function* () {
        yield* server.ask(WWW)
        yield* pass(1_800 - 25)
        assert.strictEqual(server.answers().length, 1)
        yield* pass(25 + 2 * TICK)
        assert.deepStrictEqual(lastOf(server), stale)
        yield* upstream.asked.at(-1)!.answer(anAddress(WWW, FRESH, TTL))
        assert.deepStrictEqual(addressesOf(yield* server.askAtOnce(WWW)), [FRESH])
      })
    )
  )

  it.effect("§5: what failed is not asked again for 30 s, and then it is", () =>
    withStale((server, upstream) =>
      Effect.gen(function* () {
        yield* server.ask(WWW)
        yield* upstream.asked[1]!.answer({ rcode: 2 })
        for (const seconds of [1, 14, 14]) {
          yield* pass(seconds * SECOND)
          assert.deepStrictEqual(addressesOf(yield* server.askAtOnce(WWW)), [OLD])
        }
        assert.strictEqual(upstream.asked.length, 2)
        yield* pass(2 * SECOND)
        yield* server.ask(WWW)
        assert.strictEqual(upstream.asked.length, 3)
        yield* upstream.asked[2]!.answer(anAddress(WWW, FRESH, TTL))
        assert.deepStrictEqual(lastOf(server).addresses, [FRESH])
      })
    )
  )

  it.effect("§5: how long past its life it is given is configured, and it may be never", () =>
    Effect.gen(function* () {
      for (const [settings, rcode] of [
        [{ DNS_SERVER_CACHE_STALE_SECS: "0" }, "SERVFAIL"],
        [{ DNS_SERVER_CACHE_STALE_SECS: "1" }, "SERVFAIL"],
        [{ DNS_SERVER_CACHE_STALE_SECS: "30" }, "NOERROR"]
      ] as const) {
        yield* withStale(
          (server, upstream) =>
            Effect.gen(function* () {
              yield* server.ask(WWW)
              yield* upstream.asked[1]!.answer({ rcode: 2 })
              assert.strictEqual(lastOf(server).rcode, rcode)
            }),
          settings
        )
      }
    })
  )

  it.effect("§4: an answer that is alive is never given as stale: its TTL counts down to its end", () =>
    Effect.gen(function* () {
      const network = new MemoryNetwork()
      const upstream = yield* upstreamAt(network, 1)
      const server = yield* memoryServer(network, [1], { DNS_SERVER_CACHE_PREFETCH: "false" })
      yield* server.ask(WWW)
      yield* upstream.asked[0]!.answer(anAddress(WWW, OLD, TTL))
      yield* pass((TTL - 1) * SECOND)
      const alive = yield* server.askAtOnce(WWW)
      assert.deepStrictEqual([ttlsOf(alive.answers), extendedErrorsOf(alive)], [[1], []])
    })
  )
})
