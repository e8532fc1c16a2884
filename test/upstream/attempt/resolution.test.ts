import { assert, describe, it } from "@effect/vitest"
import packet from "dns-packet"
import { Effect } from "effect"
import { addressesOf, rcodeOf } from "../../support/servers/server.ts"
import { address, extendedErrorsOf, type MemoryUpstream, memoryServer } from "../../support/servers/timed-server.ts"
import { address as addressRecord, failing, type WireBehaviour } from "../../support/upstreams/fake-upstream.ts"
import { mirrorReply, nameIn } from "../../support/upstreams/mirror.ts"

const byPacket =
  (behaviour: ReturnType<typeof failing>): WireBehaviour =>
  (query, transport, count) =>
    behaviour(packet.decode(query), transport, count)

/** Answers after so many milliseconds. */
const delayed =
  (delayMs: number, inner: WireBehaviour): WireBehaviour =>
  (query, transport, count) =>
    inner(query, transport, count).map((reaction) => ({ ...reaction, delayMs }))

const first = byPacket(addressRecord("192.0.2.1"))
const second = byPacket(addressRecord("192.0.2.2"))
const silent: WireBehaviour = () => []
const servfail = byPacket(failing(2))
const question = { name: "garbage.example.test", edns: {} }
/** Replies of one record, spoilt. */
const spoilt =
  (spoil: (reply: Buffer) => Buffer): WireBehaviour =>
  (query) => [{ reply: spoil(mirrorReply(query)) }]
const cutShort = spoilt((reply) => reply.subarray(0, reply.length - 2))
const shortAddress = spoilt((reply) => {
  reply.writeUInt16BE(3, reply.length - 6)
  return reply
})
const moreCounted = spoilt((reply) => {
  reply.writeUInt16BE(2, 6)
  return reply
})
const upstream = (behaviour: WireBehaviour): MemoryUpstream => ({ behaviour, queries: 0 })

const ordered = { DNS_SERVER_UPSTREAM_POLICY: "ordered", DNS_SERVER_ENABLE_CACHING: "false" }
let last = 0
const fresh = (prefix = "n"): { readonly name: string } => ({ name: `${prefix}${last++}.example.test` })

/** Loses the first question about each name. */
const losing = (inner: WireBehaviour): WireBehaviour => {
  const seen = new Set<string>()
  return (query, transport, count) => {
    const name = nameIn(query)
    if (seen.has(name)) return inner(query, transport, count)
    seen.add(name)
    return []
  }
}

describe("an upstream that fails every question", () => {
  for (const [how, order, retries] of [
    ["first of three, and so the second", ["fails", "fails", "loses"], "2"],
    ["last of three, and so the second", ["loses", "fails", "fails"], "2"],
    ["where one retry is allowed", ["fails", "loses"], "1"],
    ["behind one that is silent", ["silent", "fails", "loses"], "5"]
  ] as const) {
    it.effect(`does not use up what repairs another's loss: ${how}`, () =>
      Effect.gen(function* () {
        const upstreams = order.map((what) =>
          upstream(what === "fails" ? servfail : what === "silent" ? silent : losing(first))
        )
        const server = yield* memoryServer({ ...ordered, DNS_SERVER_RETRIES: retries }, upstreams)
        for (let i = 0; i < 3; i++) assert.strictEqual(rcodeOf((yield* server.ask(fresh())).answer), "NOERROR")
      }).pipe(Effect.scoped)
    )
  }

  it.effect("is asked no more often than retries allow, and no more than three times", () =>
    Effect.gen(function* () {
      for (const [retries, most] of [
        ["0", 1],
        ["1", 2],
        ["2", 3],
        ["5", 3]
      ] as const) {
        const only = upstream(servfail)
        const server = yield* memoryServer({ ...ordered, DNS_SERVER_RETRIES: retries }, [only])
        assert.strictEqual(rcodeOf((yield* server.ask(fresh())).answer), "SERVFAIL")
        assert.strictEqual(only.queries, most)
      }
    }).pipe(Effect.scoped)
  )
})

describe("the next attempt", () => {
  it.effect("starts after what answers usually take, and the earlier one still counts", () =>
    Effect.gen(function* () {
      const [one, two] = [upstream(delayed(10, first)), upstream(delayed(10, second))]
      const server = yield* memoryServer(ordered, [one, two])
      for (let i = 0; i < 60; i++) yield* server.ask(fresh())
      one.behaviour = silent
      const failedOver = yield* server.ask(fresh())
      assert.deepStrictEqual(addressesOf(failedOver.answer), ["192.0.2.2"])
      assert.isTrue(failedOver.tookMs >= 30 && failedOver.tookMs <= 100, String(failedOver.tookMs))
      one.behaviour = delayed(80, first)
      two.behaviour = silent
      const late = yield* server.ask(fresh())
      assert.deepStrictEqual(addressesOf(late.answer), ["192.0.2.1"])
      assert.isBelow(late.tookMs, 100)
    }).pipe(Effect.scoped)
  )

  it.effect("waits the whole attempt_timeout_ms while nothing is known of the upstream", () =>
    Effect.gen(function* () {
      const server = yield* memoryServer(ordered, [upstream(silent), upstream(second)])
      const { tookMs } = yield* server.ask(fresh())
      assert.isTrue(tookMs >= 600 && tookMs <= 1_000, String(tookMs))
    }).pipe(Effect.scoped)
  )

  it.effect("goes to the next upstream at once on SERVFAIL and REFUSED, and not on errors that are not listed", () =>
    Effect.gen(function* () {
      for (const rcode of [2, 5]) {
        const server = yield* memoryServer(ordered, [upstream(byPacket(failing(rcode))), upstream(second)])
        const { answer, tookMs } = yield* server.ask(fresh())
        assert.deepStrictEqual(addressesOf(answer), ["192.0.2.2"])
        assert.isBelow(tookMs, 10)
      }
      const refusing = upstream(byPacket(failing(5)))
      const settings = { ...ordered, DNS_SERVER_FAILOVER_RCODES: "servfail" }
      const server = yield* memoryServer(settings, [refusing, upstream(second)])
      assert.strictEqual(rcodeOf((yield* server.ask(fresh())).answer), "REFUSED")
    }).pipe(Effect.scoped)
  )

  it.effect("is both at once with parallel: the first good answer wins", () =>
    Effect.gen(function* () {
      const [one, two] = [upstream(delayed(300, first)), upstream(delayed(20, second))]
      const settings = { ...ordered, DNS_SERVER_UPSTREAM_POLICY: "parallel" }
      const server = yield* memoryServer(settings, [one, two])
      for (let i = 0; i < 5; i++) assert.isBelow((yield* server.ask(fresh())).tookMs, 40)
      assert.strictEqual(one.queries, 5)
      assert.strictEqual(two.queries, 5)
    }).pipe(Effect.scoped)
  )
})

describe("an upstream that has answered a question by an error", () => {
  it.effect("comes after one that was merely silent about it: a datagram may have been lost", () =>
    Effect.gen(function* () {
      for (const fault of [servfail, byPacket(failing(5)), cutShort]) {
        let lost = 0
        const losesOne: WireBehaviour = (query, transport, count) =>
          lost++ === 0 ? [] : second(query, transport, count)
        const [wrong, losing] = [upstream(fault), upstream(losesOne)]
        const server = yield* memoryServer(ordered, [wrong, losing])
        const { answer } = yield* server.ask(fresh())
        assert.deepStrictEqual(addressesOf(answer), ["192.0.2.2"])
        assert.deepStrictEqual([wrong.queries, losing.queries], [1, 2])
      }
    }).pipe(Effect.scoped)
  )

  it.effect("is asked again where nobody else is left", () =>
    Effect.gen(function* () {
      let asked = 0
      const failsTwice: WireBehaviour = (query, transport, count) =>
        (++asked <= 2 ? servfail : first)(query, transport, count)
      const server = yield* memoryServer(ordered, [upstream(failsTwice)])
      assert.deepStrictEqual(addressesOf((yield* server.ask(fresh())).answer), ["192.0.2.1"])
    }).pipe(Effect.scoped)
  )
})

describe("a question that gets replies which cannot be read", () => {
  for (const [what, fault] of [
    ["a record that runs past the end", cutShort],
    ["an address of three octets", shortAddress],
    ["a record less than the header counts", moreCounted]
  ] as const) {
    it.effect(`fails, and the failure is kept (RFC 9520 §3.2): ${what}`, () =>
      Effect.gen(function* () {
        const upstreams = [upstream(fault), upstream(fault)]
        const settings = { ...ordered, DNS_SERVER_ENABLE_CACHING: "true" }
        const server = yield* memoryServer(settings, upstreams)
        assert.strictEqual(rcodeOf((yield* server.ask(question)).answer), "SERVFAIL")
        const asked = upstreams[0]!.queries + upstreams[1]!.queries
        for (let i = 0; i < 500; i++) assert.strictEqual(rcodeOf((yield* server.ask(question)).answer), "SERVFAIL")
        assert.strictEqual(upstreams[0]!.queries + upstreams[1]!.queries, asked)
      }).pipe(Effect.scoped)
    )
  }
})

describe("when all upstreams are down", () => {
  it.effect("ten thousand questions send a bounded number of datagrams, and fail fast once that is known", () =>
    Effect.gen(function* () {
      const [one, two] = [upstream(first), upstream(second)]
      const settings = { ...ordered, DNS_SERVER_MAX_CONCURRENT_QUERIES: "20000" }
      const server = yield* memoryServer(settings, [one, two])
      for (let i = 0; i < 20; i++) yield* server.ask(fresh())
      one.behaviour = silent
      two.behaviour = silent
      one.queries = 0
      two.queries = 0
      // Ten a millisecond for a while, then the rest when it is known.
      for (let i = 0; i < 100; i++) {
        for (let n = 0; n < 50; n++) yield* server.send(fresh("early"))
        yield* server.pass(5)
      }
      yield* server.pass(6_000)
      const sentEarly = one.queries + two.queries
      // Each question once, once more before it was known, the bursts of retries and hedges, and the probes.
      assert.isAtMost(sentEarly, 2 * 5_000 + 600 + 60)
      const late = Array.from({ length: 5_000 }, () => server.send(fresh("late")))
      yield* server.ask(fresh())
      yield* server.pass(1_000)
      const before = one.queries + two.queries
      const { answer, tookMs } = yield* server.ask(fresh())
      assert.strictEqual(rcodeOf(answer), "SERVFAIL")
      assert.isAtMost(tookMs, 50)
      for (const send of late) yield* send
      yield* server.pass(1_000)
      assert.isAtMost(one.queries + two.queries - before, 8, "probes only")
    }).pipe(Effect.scoped)
  )

  it.effect("that is known after attempt_timeout_ms and a check, however early the retries went", () =>
    Effect.gen(function* () {
      const [one, two] = [upstream(delayed(10, first)), upstream(delayed(10, second))]
      const settings = { ...ordered, DNS_SERVER_UPSTREAM_POLICY: "round-robin" }
      const server = yield* memoryServer(settings, [one, two])
      for (let i = 0; i < 100; i++) yield* server.ask(fresh())
      one.behaviour = silent
      two.behaviour = silent
      for (let i = 0; i < 20; i++) yield* server.send(fresh())
      yield* server.pass(2_000)
      // The first one of a zone is tried all the same.
      assert.isAtMost((yield* server.ask(fresh())).tookMs, 850)
      const { answer, tookMs } = yield* server.ask(fresh())
      assert.strictEqual(rcodeOf(answer), "SERVFAIL")
      assert.isAtMost(tookMs, 50)
    }).pipe(Effect.scoped)
  )

  it.effect("the first that returns is found within a second, by a handful of probes a second", () =>
    Effect.gen(function* () {
      const [one, two] = [upstream(silent), upstream(silent)]
      const server = yield* memoryServer(ordered, [one, two])
      for (let i = 0; i < 10; i++) yield* server.send(fresh())
      yield* server.pass(6_000)
      yield* server.ask(fresh())
      yield* server.pass(1_000)
      one.queries = 0
      two.queries = 0
      for (let i = 0; i < 50; i++) {
        yield* server.send(fresh())
        yield* server.pass(100)
      }
      const trials = 2 * 2
      assert.isAtMost(one.queries + two.queries, 5 * 5 + 5 + trials)
      two.behaviour = second
      let waitedMs = 0
      for (;;) {
        const { answer, tookMs } = yield* server.ask(fresh())
        if (rcodeOf(answer) === "NOERROR") break
        yield* server.pass(20)
        waitedMs += 20 + tookMs
      }
      assert.isAtMost(waitedMs, 1_000)
    }).pipe(Effect.scoped)
  )

  it.effect("nothing is sent while nobody asks, but ever more rarely", () =>
    Effect.gen(function* () {
      const only = upstream(silent)
      const server = yield* memoryServer(ordered, [only])
      for (let i = 0; i < 10; i++) yield* server.send(fresh())
      yield* server.pass(60_000)
      only.queries = 0
      yield* server.pass(60_000)
      assert.isAtMost(only.queries, 10)
    }).pipe(Effect.scoped)
  )
})

describe("a zone that nobody can resolve", () => {
  for (const [how, fault] of [
    ["silence", silent],
    ["SERVFAIL", servfail]
  ] as const) {
    it.effect(`opens no breaker, however many of its names are asked for (${how})`, () =>
      Effect.gen(function* () {
        const behaviour: WireBehaviour = (query, transport, count) =>
          (nameIn(query).startsWith("bogus") ? fault : delayed(10, first))(query, transport, count)
        const upstreams = [upstream(behaviour), upstream(behaviour)]
        const server = yield* memoryServer(ordered, upstreams)
        for (let second = 0; second < 8; second++) {
          for (let i = 0; i < 100; i++) {
            yield* server.send(fresh("bogus"))
            yield* server.pass(5)
          }
          const { answer, tookMs } = yield* server.ask(fresh("good"))
          assert.strictEqual(rcodeOf(answer), "NOERROR")
          assert.isBelow(tookMs, 30)
        }
        assert.strictEqual(server.counters.read("upstream.opened"), 0)
      }).pipe(Effect.scoped)
    )
  }
})

describe("a zone that all upstreams are silent about", () => {
  const behaviour: WireBehaviour = (query, transport, count) =>
    (nameIn(query).startsWith("bogus") ? silent : delayed(10, first))(query, transport, count)

  it.effect("does not use up what an upstream may have under way", () =>
    Effect.gen(function* () {
      const server = yield* memoryServer({ ...ordered, DNS_SERVER_MAX_QUERIES_PER_UPSTREAM: "150" }, [
        upstream(behaviour),
        upstream(behaviour)
      ])
      for (let i = 0; i < 20; i++) yield* server.ask(fresh("good"))
      for (let round = 0; round < 80; round++) {
        for (let i = 0; i < 5; i++) {
          yield* server.send(fresh("bogus"))
          yield* server.pass(5)
        }
        assert.strictEqual(rcodeOf((yield* server.ask(fresh("good"))).answer), "NOERROR")
      }
    }).pipe(Effect.scoped)
  )

  it.effect("has its failures kept while they answer others well (RFC 9520 §3.2)", () =>
    Effect.gen(function* () {
      const upstreams = [upstream(behaviour), upstream(behaviour)]
      const settings = { ...ordered, DNS_SERVER_ENABLE_CACHING: "true" }
      const server = yield* memoryServer(settings, upstreams)
      const bogus = { name: "bogus.example.test", edns: {} }
      /** Fails once, while others are answered; milliseconds that the failure is kept. */
      const failOnce = Effect.gen(function* () {
        const { got } = yield* server.send(bogus)
        for (let i = 0; i < 51; i++) {
          yield* server.ask(fresh("good"))
          yield* server.pass(90)
        }
        assert.strictEqual(rcodeOf(got()!), "SERVFAIL")
        assert.deepStrictEqual(extendedErrorsOf(got()!), [22])
        let keptMs = 0
        for (;;) {
          const again = yield* server.send(bogus)
          const answer = again.got()
          if (answer === undefined) return keptMs
          assert.deepStrictEqual(extendedErrorsOf(answer), [13])
          yield* server.pass(500)
          keptMs += 500
        }
      })
      const keptMs = yield* failOnce
      assert.isTrue(keptMs > 3_500 && keptMs <= 5_500, String(keptMs))
    }).pipe(Effect.scoped)
  )

  it.effect("has none kept when they answer nobody: the first that returns would not be seen", () =>
    Effect.gen(function* () {
      const only = upstream(behaviour)
      const settings = { ...ordered, DNS_SERVER_ENABLE_CACHING: "true" }
      const server = yield* memoryServer(settings, [only])
      for (let i = 0; i < 5; i++) yield* server.ask(fresh("good"))
      const { got } = yield* server.send({ name: "bogus.example.test", edns: {} })
      only.behaviour = silent
      yield* server.pass(5_100)
      assert.strictEqual(rcodeOf(got()!), "SERVFAIL")
      only.behaviour = first
      const { answer } = yield* server.ask({ name: "bogus.example.test" })
      assert.strictEqual(rcodeOf(answer), "NOERROR")
    }).pipe(Effect.scoped)
  )
})

describe("an upstream that answers SERVFAIL to everything", () => {
  it.effect("is left while another answers well, and used again when it does", () =>
    Effect.gen(function* () {
      const [one, two] = [upstream(servfail), upstream(second)]
      const server = yield* memoryServer(ordered, [one, two])
      for (let i = 0; i < 40; i++) {
        assert.deepStrictEqual(addressesOf((yield* server.ask(fresh())).answer), ["192.0.2.2"])
        yield* server.pass(50)
      }
      assert.isBelow(one.queries, 25)
      one.behaviour = first
      yield* server.pass(1_600)
      yield* server.ask(fresh())
      assert.deepStrictEqual(addressesOf((yield* server.ask(fresh())).answer), ["192.0.2.1"])
    }).pipe(Effect.scoped)
  )
})

describe("an upstream", () => {
  it.effect("gets no more questions at once than its limit: the next one gets the rest", () =>
    Effect.gen(function* () {
      const [one, two] = [upstream(delayed(500, first)), upstream(delayed(10, second))]
      const server = yield* memoryServer({ ...ordered, DNS_SERVER_MAX_QUERIES_PER_UPSTREAM: "3" }, [one, two])
      for (let i = 0; i < 3; i++) yield* server.send(fresh())
      assert.deepStrictEqual(addressesOf((yield* server.ask(fresh())).answer), ["192.0.2.2"])
      assert.strictEqual(one.queries, 3)
      assert.strictEqual(address(0), "127.0.0.1:5301")
    }).pipe(Effect.scoped)
  )
})
