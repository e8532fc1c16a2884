/** What of an upstream's reply reaches clients, and how long it is kept. */
import { assert, describe, it } from "@effect/vitest"
import packet, { type Answer, type DecodedPacket, type Packet } from "dns-packet"
import { Effect } from "effect"
import { addressesOf, rcodeOf } from "../support/servers/server.ts"
import { type MemoryUpstream, memoryServer } from "../support/servers/timed-server.ts"
import { reply, type WireBehaviour } from "../support/upstreams/fake-upstream.ts"

const ordered = { DNS_SERVER_UPSTREAM_POLICY: "ordered" }
const NAME = "www.example.test"

const soa = (minimum: number, ttl: number, name = "example.test"): Answer => ({
  name,
  type: "SOA",
  ttl,
  data: { mname: "ns.example.test", rname: "h.example.test", serial: 1, refresh: 2, retry: 3, expire: 4, minimum }
})
const address = (name: string, data: string, ttl = 300): Answer => ({ name, type: "A", ttl, data })

const upstream = (answer: (query: Packet) => Parameters<typeof reply>[1]): MemoryUpstream => ({
  behaviour: ((octets) => {
    const query = packet.decode(octets)
    return [{ reply: reply(query, answer(query)) }]
  }) satisfies WireBehaviour,
  queries: 0
})

const ttlsOf = ({ answers = [], authorities = [] }: DecodedPacket): ReadonlyArray<number> =>
  [...answers, ...authorities].flatMap((one) => ("ttl" in one ? [one.ttl ?? 0] : []))

describe("an answer that there is nothing", () => {
  const nothing = (minimum: number, ttl: number) => upstream(() => ({ rcode: 3, authorities: [soa(minimum, ttl)] }))

  /** Seconds after which it is asked for again. */
  const livesFor = (settings: Record<string, string>, minimum: number, ttl: number) =>
    Effect.gen(function* () {
      const one = nothing(minimum, ttl)
      const server = yield* memoryServer(
        { ...ordered, DNS_SERVER_CACHE_STALE_SECS: "0", DNS_SERVER_CACHE_PREFETCH: "false", ...settings },
        [one]
      )
      const { answer } = yield* server.ask({ name: NAME })
      assert.strictEqual(rcodeOf(answer), "NXDOMAIN")
      const life = ttlsOf(answer)[0]!
      yield* server.pass(Math.max(0, life - 2) * 1000)
      yield* server.ask({ name: NAME })
      assert.strictEqual(one.queries, 1, "it is still kept")
      yield* server.pass(4_000)
      yield* server.ask({ name: NAME })
      assert.strictEqual(one.queries, 2, "it is kept no longer than it is shown to live")
      return life
    }).pipe(Effect.scoped)

  it.effect("lives as its SOA's MINIMUM says, which is in bounds", () =>
    Effect.gen(function* () {
      assert.strictEqual(yield* livesFor({}, 7, 3600), 7)
    })
  )

  it.effect("lives at least cache_min_ttl_secs, whatever MINIMUM says", () =>
    Effect.gen(function* () {
      assert.strictEqual(yield* livesFor({ DNS_SERVER_CACHE_MIN_TTL_SECS: "12" }, 3, 3600), 12)
    })
  )

  it.effect("lives at most cache_max_negative_ttl_secs, before the shortest life too", () =>
    Effect.gen(function* () {
      assert.strictEqual(yield* livesFor({ DNS_SERVER_CACHE_MAX_NEGATIVE_TTL_SECS: "9" }, 600, 600), 9)
      const both = { DNS_SERVER_CACHE_MIN_TTL_SECS: "30", DNS_SERVER_CACHE_MAX_NEGATIVE_TTL_SECS: "8" }
      assert.strictEqual(yield* livesFor(both, 600, 600), 8)
    })
  )

  it.effect("lives an hour at most unless told otherwise; other answers a day", () =>
    Effect.gen(function* () {
      const server = yield* memoryServer(ordered, [
        upstream(({ questions }) =>
          questions![0]!.name === NAME
            ? { rcode: 3, authorities: [soa(86_400, 86_400)] }
            : { answers: [address(questions![0]!.name, "192.0.2.1", 700_000)] }
        )
      ])
      assert.deepStrictEqual(ttlsOf((yield* server.ask({ name: NAME })).answer), [3600])
      assert.deepStrictEqual(ttlsOf((yield* server.ask({ name: "a.test" })).answer), [86_400])
    }).pipe(Effect.scoped)
  )

  it.effect("is not kept where its SOA is another zone's", () =>
    Effect.gen(function* () {
      const one = upstream(() => ({ rcode: 3, authorities: [soa(600, 600, "other.test")] }))
      const server = yield* memoryServer(ordered, [one])
      const { answer } = yield* server.ask({ name: NAME })
      assert.deepStrictEqual(answer.authorities, [])
      yield* server.ask({ name: NAME })
      assert.strictEqual(one.queries, 2)
    }).pipe(Effect.scoped)
  )
})

describe("records that have nothing to do with the question", () => {
  it.effect("are not passed on, do not take turns, and do not bound the answer's life", () =>
    Effect.gen(function* () {
      const one = upstream(() => ({
        answers: [
          address("evil.test", "203.0.113.1", 1),
          address("evil.test", "203.0.113.2", 1),
          address(NAME, "192.0.2.1"),
          address(NAME, "192.0.2.2")
        ],
        authorities: [{ name: "evil.test", type: "NS", ttl: 1, data: "ns.evil.test" }]
      }))
      const server = yield* memoryServer({ ...ordered, DNS_SERVER_CACHE_PREFETCH: "false" }, [one])
      const seen = new Set<string>()
      for (let i = 0; i < 4; i++) {
        const { answer } = yield* server.ask({ name: NAME })
        assert.strictEqual(addressesOf(answer).length, 2)
        assert.deepStrictEqual(answer.authorities, [])
        seen.add(addressesOf(answer).join())
        yield* server.pass(2_000)
      }
      assert.deepStrictEqual(seen, new Set(["192.0.2.1,192.0.2.2", "192.0.2.2,192.0.2.1"]))
      assert.strictEqual(one.queries, 1)
    }).pipe(Effect.scoped)
  )
})

describe("YXDOMAIN", () => {
  const long = `${"x".repeat(63)}.${"y".repeat(63)}.test`
  const tooLong = `${"a.".repeat(70)}example.test`
  const yxdomain = (target: string) =>
    upstream(() => ({ rcode: 6, answers: [{ name: "example.test", type: "DNAME", ttl: 60, data: target }] }))

  it.effect("goes to the client where a DNAME makes the name too long (RFC 6672 §2.2)", () =>
    Effect.gen(function* () {
      const [one, two] = [yxdomain(long), upstream(() => ({ answers: [address(tooLong, "192.0.2.2")] }))]
      const server = yield* memoryServer(ordered, [one, two])
      const { answer } = yield* server.ask({ name: tooLong })
      assert.strictEqual(rcodeOf(answer), "YXDOMAIN")
      assert.strictEqual(answer.answers?.[0]?.type, "DNAME")
      assert.strictEqual(two.queries, 0)
    }).pipe(Effect.scoped)
  )

  it.effect("is an upstream's failure where nothing explains it: another is asked", () =>
    Effect.gen(function* () {
      for (const first of [upstream(() => ({ rcode: 6 })), yxdomain("short.test")]) {
        const two = upstream(() => ({ answers: [address(NAME, "192.0.2.2")] }))
        const server = yield* memoryServer(ordered, [first, two])
        assert.deepStrictEqual(addressesOf((yield* server.ask({ name: NAME })).answer), ["192.0.2.2"])
      }
    }).pipe(Effect.scoped)
  )

  it.effect("that nobody explains is SERVFAIL, and kept as a failure (RFC 9520 §3.2)", () =>
    Effect.gen(function* () {
      const one = upstream(() => ({ rcode: 6 }))
      const server = yield* memoryServer(ordered, [one])
      assert.strictEqual(rcodeOf((yield* server.ask({ name: NAME })).answer), "SERVFAIL")
      const { queries } = one
      assert.strictEqual(rcodeOf((yield* server.ask({ name: NAME })).answer), "SERVFAIL")
      assert.strictEqual(one.queries, queries)
    }).pipe(Effect.scoped)
  )
})
