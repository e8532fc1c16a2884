import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { MemoryNetwork } from "../support/servers/memory-network.ts"
import {
  anAddress,
  extendedErrorOf,
  memoryServer,
  nameAndRcode,
  pass,
  TICK,
  upstreamAt
} from "../support/servers/memory-server.ts"
import { addressesOf, rcodeOf } from "../support/servers/server.ts"

const WWW = "www.example.test"
const SECOND = 1_000
const HOUR = 3_600 * SECOND

describe("a question that the first upstream does not answer", () => {
  it.effect("is put to the second when the first attempt's time is over, not before", () =>
    Effect.gen(function* () {
      const network = new MemoryNetwork()
      const [first, second] = [yield* upstreamAt(network, 1), yield* upstreamAt(network, 2)]
      const server = yield* memoryServer(network, [1, 2], { DNS_SERVER_ATTEMPT_TIMEOUT_MS: "800" })
      yield* server.ask(WWW)
      assert.strictEqual(first.asked.length, 1)
      yield* pass(799)
      assert.strictEqual(second.asked.length, 0)
      yield* pass(1 + TICK)
      assert.strictEqual(second.asked.length, 1)
      // The next one waits half as long again.
      yield* pass(1_199 - TICK)
      assert.strictEqual(first.asked.length, 1)
      yield* pass(1 + 2 * TICK)
      assert.strictEqual(first.asked.length, 2)
    })
  )

  it.effect("is answered by whichever answers first, the first upstream still being listened to", () =>
    Effect.gen(function* () {
      const network = new MemoryNetwork()
      const [first, second] = [yield* upstreamAt(network, 1), yield* upstreamAt(network, 2)]
      const server = yield* memoryServer(network, [1, 2])
      yield* server.ask(WWW)
      yield* pass(3 * SECOND)
      assert.strictEqual(second.asked.length, 1)
      yield* first.asked[0]!.answer(anAddress(WWW, "192.0.2.1"))
      assert.deepStrictEqual(server.answers().map(addressesOf), [["192.0.2.1"]])
      // What comes now has nobody to wait for it.
      yield* second.asked[0]!.answer(anAddress(WWW, "192.0.2.2"))
      assert.strictEqual(server.answers().length, 1)
      assert.deepStrictEqual(addressesOf(yield* server.askAtOnce(WWW)), ["192.0.2.1"])
    })
  )

  it.effect("is put to the second at once where the first is not there (ICMP)", () =>
    Effect.gen(function* () {
      const network = new MemoryNetwork()
      const second = yield* upstreamAt(network, 2)
      const server = yield* memoryServer(network, [1, 2])
      yield* server.ask(WWW)
      assert.strictEqual(second.asked.length, 1)
      yield* second.asked[0]!.answer(anAddress(WWW, "192.0.2.2"))
      assert.deepStrictEqual(server.answers().map(addressesOf), [["192.0.2.2"]])
    })
  )
})

describe("a question that nobody answers", () => {
  it.effect("is answered SERVFAIL at its deadline, with Extended DNS Error 22", () =>
    Effect.gen(function* () {
      const network = new MemoryNetwork()
      yield* upstreamAt(network, 1)
      const server = yield* memoryServer(network, [1], { DNS_SERVER_QUERY_TIMEOUT_SECS: "5" })
      yield* server.ask(WWW)
      // The exchange ends 20 ms before those who wait for it.
      yield* pass(5 * SECOND - 21)
      assert.strictEqual(server.answers().length, 0)
      yield* pass(21 + TICK)
      const [answer] = server.answers()
      assert.strictEqual(rcodeOf(answer!), "SERVFAIL")
      assert.strictEqual(extendedErrorOf(answer!), "22 no upstream answered in time")
      assert.strictEqual(server.answers().length, 1)
    })
  )

  it.effect("that comes late to the exchange of an equal one is given up with it, and may begin another", () =>
    Effect.gen(function* () {
      const network = new MemoryNetwork()
      const upstream = yield* upstreamAt(network, 1)
      const server = yield* memoryServer(network, [1], {
        DNS_SERVER_QUERY_TIMEOUT_SECS: "2",
        DNS_SERVER_RETRIES: "0",
        DNS_SERVER_ENABLE_CACHING: "false"
      })
      yield* server.ask(WWW)
      yield* pass(1_500)
      yield* server.ask(WWW)
      assert.strictEqual(upstream.asked.length, 1)
      yield* pass(500 + TICK)
      assert.deepStrictEqual(server.answers().map(nameAndRcode), [`${WWW} SERVFAIL`, `${WWW} SERVFAIL`])
      yield* server.ask(WWW)
      assert.strictEqual(upstream.asked.length, 2)
      yield* upstream.asked[1]!.answer(anAddress(WWW, "192.0.2.1"))
      assert.deepStrictEqual(addressesOf(server.answers()[2]!), ["192.0.2.1"])
    })
  )
})

describe("an answer that is kept", () => {
  it.effect("grows old by the hour, and is asked for again when its TTL is over", () =>
    Effect.gen(function* () {
      const network = new MemoryNetwork()
      const upstream = yield* upstreamAt(network, 1)
      // One resolver: in hours even those that do nothing look often.
      const server = yield* memoryServer(network, [1], {
        DNS_SERVER_ACTOR_POOL_SIZE: "1",
        DNS_SERVER_CACHE_PREFETCH: "false"
      })
      const ttlNow = Effect.map(server.askAtOnce(WWW), ({ answers }) => {
        const [record] = answers ?? []
        return record?.type === "A" ? record.ttl : undefined
      })
      yield* server.ask(WWW)
      yield* upstream.asked[0]!.answer(anAddress(WWW, "192.0.2.1", 3 * 3_600))
      assert.strictEqual(yield* ttlNow, 3 * 3_600)
      yield* pass(HOUR)
      assert.strictEqual(yield* ttlNow, 2 * 3_600)
      yield* pass(2 * HOUR - SECOND)
      assert.strictEqual(yield* ttlNow, 1)
      assert.strictEqual(upstream.asked.length, 1)
      yield* pass(SECOND)
      yield* server.ask(WWW)
      assert.strictEqual(upstream.asked.length, 2)
    })
  )
})

describe("a question that failed", () => {
  it.effect("fails again without being asked for 5 s, then 10 and 20, then 30 at most (RFC 9520 §3.2)", () =>
    Effect.gen(function* () {
      const network = new MemoryNetwork()
      const upstream = yield* upstreamAt(network, 1)
      const server = yield* memoryServer(network, [1], { DNS_SERVER_RETRIES: "0" })
      for (const [round, seconds] of [5, 10, 20, 30, 30].entries()) {
        yield* server.ask(WWW)
        assert.strictEqual(upstream.asked.length, round + 1)
        yield* upstream.asked[round]!.answer({ rcode: 2 })
        yield* pass(seconds * SECOND - 1)
        const kept = yield* server.askAtOnce(WWW)
        assert.strictEqual(rcodeOf(kept), "SERVFAIL")
        assert.match(extendedErrorOf(kept), /^13 /)
        assert.strictEqual(upstream.asked.length, round + 1)
        yield* pass(1)
      }
      yield* server.ask(WWW)
      yield* upstream.asked[5]!.answer(anAddress(WWW, "192.0.2.1"))
      assert.deepStrictEqual(addressesOf(server.answers().at(-1)!), ["192.0.2.1"])
    })
  )

  it.effect("long ago begins anew with 5 s", () =>
    Effect.gen(function* () {
      const network = new MemoryNetwork()
      const upstream = yield* upstreamAt(network, 1)
      const server = yield* memoryServer(network, [1], { DNS_SERVER_RETRIES: "0" })
      for (const round of [0, 1]) {
        yield* server.ask(WWW)
        yield* upstream.asked[round]!.answer({ rcode: 2 })
        yield* pass(round === 0 ? 60 * SECOND : 5 * SECOND)
      }
      yield* server.ask(WWW)
      assert.strictEqual(upstream.asked.length, 3)
    })
  )
})

describe("admission", () => {
  const oneAtATime = { DNS_SERVER_MAX_CONCURRENT_QUERIES: "1", DNS_SERVER_MAX_QUEUED_QUERIES: "2" }

  it.effect("lets those in the queue pass in the order in which they came, and sheds who finds it full", () =>
    Effect.gen(function* () {
      const network = new MemoryNetwork()
      const upstream = yield* upstreamAt(network, 1)
      const server = yield* memoryServer(network, [1], oneAtATime)
      const askedFor = (): ReadonlyArray<string> => upstream.asked.map(({ name }) => name)
      for (const name of ["a.test", "b.test", "c.test", "d.test"]) yield* server.ask(name)
      assert.deepStrictEqual(server.answers().map(nameAndRcode), ["d.test SERVFAIL"])
      assert.strictEqual(extendedErrorOf(server.answers()[0]!), "0 too many queries are waiting")
      assert.deepStrictEqual(askedFor(), ["a.test"])
      yield* upstream.asked[0]!.answer(anAddress("a.test", "192.0.2.1"))
      assert.deepStrictEqual(askedFor(), ["a.test", "b.test"])
      yield* server.ask("e.test")
      yield* upstream.asked[1]!.answer(anAddress("b.test", "192.0.2.2"))
      yield* upstream.asked[2]!.answer(anAddress("c.test", "192.0.2.3"))
      assert.deepStrictEqual(askedFor(), ["a.test", "b.test", "c.test", "e.test"])
      // A cached answer needs no place.
      assert.deepStrictEqual(addressesOf(yield* server.askAtOnce("a.test")), ["192.0.2.1"])
    })
  )

  it.effect("gives up who has waited in the queue until its deadline, and the others move up", () =>
    Effect.gen(function* () {
      const network = new MemoryNetwork()
      const upstream = yield* upstreamAt(network, 1)
      const server = yield* memoryServer(network, [1], { ...oneAtATime, DNS_SERVER_QUERY_TIMEOUT_SECS: "5" })
      yield* server.ask("a.example.test")
      yield* pass(SECOND)
      yield* server.ask("b.example.test")
      yield* pass(3 * SECOND)
      yield* server.ask("c.example.test")
      // The first one's time is over; the second has one second left, and spends it on the network.
      yield* pass(SECOND + TICK)
      assert.deepStrictEqual(server.answers().map(nameAndRcode), ["a.example.test SERVFAIL"])
      assert.strictEqual(upstream.asked.at(-1)!.name, "b.example.test")
      yield* pass(SECOND)
      assert.deepStrictEqual(server.answers().map(nameAndRcode), ["a.example.test SERVFAIL", "b.example.test SERVFAIL"])
      assert.strictEqual(upstream.asked.at(-1)!.name, "c.example.test")
      yield* upstream.asked.at(-1)!.answer(anAddress("c.example.test", "192.0.2.3"))
      assert.deepStrictEqual(addressesOf(server.answers()[2]!), ["192.0.2.3"])
    })
  )
})
