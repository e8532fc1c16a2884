import { assert, describe, it } from "@effect/vitest"
import packet from "dns-packet"
import { Effect } from "effect"
import { addressesOf, rcodeOf } from "../../support/servers/server.ts"
import { address, type MemoryUpstream, memoryServer } from "../../support/servers/timed-server.ts"
import {
  address as addressRecord,
  type Behaviour,
  failing,
  nameOf,
  reply
} from "../../support/upstreams/fake-upstream.ts"
import { subnetData, subnetIn } from "../../support/wire/client-subnet.ts"

const TTL = 20
const NAME = { name: "www.example.test", edns: {} }
const OLD = addressRecord("192.0.2.1", TTL)
const NEW = ["192.0.2.7"]
const servfail = failing(2)

const soa = (minimum: number) => ({
  name: "test",
  type: "SOA" as const,
  ttl: minimum,
  data: { mname: "a.test", rname: "b.test", serial: 1, refresh: 1, retry: 1, expire: 1, minimum }
})

/** An upstream whose behaviour a test changes. */
const changing = (first: Behaviour) => {
  const upstream: MemoryUpstream & { now: Behaviour } = {
    now: first,
    queries: 0,
    behaviour: (query, transport, count) => upstream.now(packet.decode(query), transport, count)
  }
  return upstream
}

/** Octets of a name in its longest form but for a few: nothing has room before it. */
const LONGEST = Array.from({ length: 4 }, () => "x".repeat(61)).join(".")

/** Answers that are whole, say what is at the name, and may not be kept. */
const unkeepable: Record<string, { readonly says: string; readonly behaviour: Behaviour }> = {
  "a TTL of 0": { says: "NOERROR", behaviour: addressRecord(NEW[0]!, 0) },
  "NXDOMAIN without an SOA": { says: "NXDOMAIN", behaviour: failing(3) },
  "NXDOMAIN with an SOA whose MINIMUM is 0": {
    says: "NXDOMAIN",
    behaviour: (query) => [{ reply: reply(query, { rcode: 3, authorities: [soa(0)] }) }]
  },
  "no data, without an SOA": { says: "NOERROR", behaviour: (query) => [{ reply: reply(query) }] },
  "a DNAME by which the name is too long": {
    says: "YXDOMAIN",
    behaviour: (query) => [
      {
        reply: reply(query, {
          rcode: 6,
          answers: [{ name: "test", type: "DNAME", ttl: 60, data: LONGEST } as never]
        })
      }
    ]
  },
  "a CNAME to where the TTL is 0": {
    says: "NOERROR",
    behaviour: (query) =>
      nameOf(query) === NAME.name
        ? [{ reply: reply(query, { answers: [{ name: NAME.name, type: "CNAME", ttl: 60, data: "at.test" }] }) }]
        : addressRecord(NEW[0]!, 0)(query, "udp", 0)
  }
}

describe("an answer past its life", () => {
  for (const [what, { says, behaviour }] of Object.entries(unkeepable)) {
    for (const mode of ["when-failing", "at-once"]) {
      it.effect(`is gone when ${what} has come, given ${mode} (RFC 8767 §4)`, () =>
        Effect.gen(function* () {
          const only = changing(OLD)
          const server = yield* memoryServer({ DNS_SERVER_STALE_ANSWER: mode }, [only])
          yield* server.ask(NAME)
          yield* server.pass((TTL + 1) * 1000)
          only.now = behaviour
          const first = yield* server.ask(NAME)
          if (mode === "at-once") assert.deepStrictEqual(addressesOf(first.answer), ["192.0.2.1"])
          yield* server.pass(100)
          const { answer } = yield* server.ask(NAME)
          assert.strictEqual(rcodeOf(answer), says)
          assert.notInclude(addressesOf(answer), "192.0.2.1")
          only.now = servfail
          const outage = yield* server.ask(NAME)
          assert.strictEqual(rcodeOf(outage.answer), "SERVFAIL")
          assert.strictEqual(server.counters.read("cache.stale"), mode === "at-once" ? 1 : 0)
        }).pipe(Effect.scoped)
      )
    }
  }

  it.effect("that said that there is no such name is gone when there is one, with a TTL of 0", () =>
    Effect.gen(function* () {
      const only = changing((query) => [{ reply: reply(query, { rcode: 3, authorities: [soa(TTL)] }) }])
      const server = yield* memoryServer({}, [only])
      yield* server.ask(NAME)
      yield* server.pass((TTL + 1) * 1000)
      only.now = addressRecord(NEW[0]!, 0)
      assert.deepStrictEqual(addressesOf((yield* server.ask(NAME)).answer), NEW)
      only.now = servfail
      assert.strictEqual(rcodeOf((yield* server.ask(NAME)).answer), "SERVFAIL")
    }).pipe(Effect.scoped)
  )

  it.effect("stays where what came says nothing of the name: an error that is passed on, a referral, garbage", () =>
    Effect.gen(function* () {
      const settings = { DNS_SERVER_FAILOVER_RCODES: "SERVFAIL" }
      const referral: Behaviour = (query) => [
        { reply: reply(query, { authorities: [{ name: "test", type: "NS", ttl: 60, data: "ns.test" }] }) }
      ]
      const garbage: Behaviour = (query) => [{ reply: Buffer.concat([reply(query).subarray(0, -3), Buffer.of(1)]) }]
      for (const useless of [failing(5), failing(9), failing(4), servfail, referral, garbage]) {
        const only = changing(OLD)
        const server = yield* memoryServer(settings, [only])
        yield* server.ask(NAME)
        yield* server.pass((TTL + 1) * 1000)
        only.now = useless
        yield* server.ask(NAME)
        only.now = servfail
        assert.deepStrictEqual(addressesOf((yield* server.ask(NAME)).answer), ["192.0.2.1"])
      }
    }).pipe(Effect.scoped)
  )

  it.effect("stays where the new one came without EDNS, and so without the signatures that were asked for", () =>
    Effect.gen(function* () {
      const signed = { ...NAME, edns: { flags: 0x8000 } }
      const only = changing(OLD)
      const server = yield* memoryServer({}, [only])
      yield* server.ask(signed)
      for (let i = 0; i < 20; i++) yield* server.ask({ ...signed, name: `n${i}.example.test` })
      yield* server.pass((TTL + 1) * 1000)
      only.now = (query, ...rest) =>
        (query.additionals ?? []).length > 0 ? failing(4)(query, ...rest) : addressRecord(NEW[0]!, TTL)(query, ...rest)
      assert.deepStrictEqual(addressesOf((yield* server.ask(signed)).answer), NEW)
      only.now = servfail
      assert.deepStrictEqual(addressesOf((yield* server.ask(signed)).answer), ["192.0.2.1"])
    }).pipe(Effect.scoped)
  )

  it.effect("is not given to those who waited for the one with a TTL of 0: they have that", () =>
    Effect.gen(function* () {
      const only = changing(OLD)
      const server = yield* memoryServer({}, [only])
      yield* server.ask(NAME)
      yield* server.pass((TTL + 1) * 1000)
      only.now = (...args) => addressRecord(NEW[0]!, 0)(...args).map((reaction) => ({ ...reaction, delayMs: 200 }))
      const waiting = yield* Effect.forEach([1, 2, 3], () => server.send(NAME))
      yield* server.pass(300)
      for (const { got } of waiting) assert.deepStrictEqual(addressesOf(got()!), NEW)
      assert.strictEqual(server.counters.read("upstream.coalesced"), 2)
    }).pipe(Effect.scoped)
  )

  it.effect("is asked for anew when the late answer that replaced it has died too, rest or no rest", () =>
    Effect.gen(function* () {
      const only = changing(OLD)
      const server = yield* memoryServer({}, [only])
      yield* server.ask(NAME)
      yield* server.pass((TTL + 1) * 1000)
      only.now = (...args) =>
        addressRecord("192.0.2.2", 5)(...args).map((reaction) => ({ ...reaction, delayMs: 3_000 }))
      assert.deepStrictEqual(addressesOf((yield* server.ask(NAME)).answer), ["192.0.2.1"])
      yield* server.pass(2_000)
      assert.deepStrictEqual(addressesOf((yield* server.ask(NAME)).answer), ["192.0.2.2"])
      only.now = addressRecord("192.0.2.3", TTL)
      yield* server.pass(6_000)
      assert.deepStrictEqual(addressesOf((yield* server.ask(NAME)).answer), ["192.0.2.3"])
    }).pipe(Effect.scoped)
  )
})

describe("an answer that is fetched anew before it expires", () => {
  it.effect("goes when the new one may not be kept", () =>
    Effect.gen(function* () {
      const only = changing(addressRecord("192.0.2.1", 100))
      const server = yield* memoryServer({}, [only])
      for (let i = 0; i < 3; i++) yield* server.ask(NAME)
      yield* server.pass(91_000)
      only.now = addressRecord(NEW[0]!, 0)
      assert.deepStrictEqual(addressesOf((yield* server.ask(NAME)).answer), ["192.0.2.1"])
      yield* server.pass(100)
      assert.strictEqual(server.counters.read("cache.prefetches"), 1)
      assert.deepStrictEqual(addressesOf((yield* server.ask(NAME)).answer), NEW)
    }).pipe(Effect.scoped)
  )
})

describe("answers for client networks", () => {
  /** Answers with the scope and the TTL that the test wants. */
  const scoped =
    (data: string, ttl: number, scope: number): Behaviour =>
    (query) => {
      const told = subnetIn(query)!
      const plain = packet.decode(addressRecord(data, ttl)(query, "udp", 0)[0]!.reply!)
      const option = { code: 8, data: subnetData({ ...told, scope }) }
      const opt = { type: "OPT", name: ".", udpPayloadSize: 1232, flags: 0, options: [option] }
      return [{ reply: packet.encode({ ...plain, additionals: [opt as never] }) }]
    }

  for (const [what, before, after] of [
    ["the same scope", 24, 24],
    ["a wider one", 24, 16],
    ["none, so that it is everybody's", 24, 0],
    ["a narrower one", 16, 24]
  ] as const) {
    it.effect(`are gone when one that may not be kept has come with ${what}`, () =>
      Effect.gen(function* () {
        const only = changing(scoped("192.0.2.1", TTL, before))
        const settings = {
          DNS_SERVER_ALLOW: "0.0.0.0/0",
          DNS_SERVER_GROUPS: `told=${address(0)}`,
          DNS_SERVER_RULES: ". -> told ecs"
        }
        const server = yield* memoryServer(settings, [only])
        const ask = (from: string) => Effect.map(server.ask({ ...NAME, from }), ({ answer }) => answer)
        const others = ["8.8.9.9", "9.9.9.9"]
        for (const from of ["8.8.8.8", ...others]) yield* ask(from)
        yield* server.pass((TTL + 1) * 1000)
        only.now = scoped(NEW[0]!, 0, after)
        assert.deepStrictEqual(addressesOf(yield* ask("8.8.8.8")), NEW)
        only.now = servfail
        assert.strictEqual(rcodeOf(yield* ask("8.8.8.9")), "SERVFAIL")
        // Those for whom it is too have nothing older either; for the others it says nothing.
        const reached = { 24: [], 16: ["8.8.9.9"], 0: others }[after] as ReadonlyArray<string>
        for (const from of others) {
          const answer = yield* ask(from)
          if (reached.includes(from)) assert.strictEqual(rcodeOf(answer), "SERVFAIL", from)
          else assert.deepStrictEqual(addressesOf(answer), ["192.0.2.1"], from)
        }
      }).pipe(Effect.scoped)
    )
  }

  it.effect("past their life are given by age, the youngest, whatever their scopes", () =>
    Effect.gen(function* () {
      const only = changing(scoped("192.0.2.1", TTL, 24))
      const settings = {
        DNS_SERVER_ALLOW: "0.0.0.0/0",
        DNS_SERVER_GROUPS: `told=${address(0)}`,
        DNS_SERVER_RULES: ". -> told ecs"
      }
      const server = yield* memoryServer(settings, [only])
      const ask = Effect.map(server.ask({ ...NAME, from: "8.8.8.8" }), ({ answer }) => addressesOf(answer))
      yield* ask
      yield* server.pass((TTL + 1) * 1000)
      only.now = scoped("192.0.2.2", TTL, 16)
      assert.deepStrictEqual(yield* ask, ["192.0.2.2"])
      yield* server.pass((TTL + 1) * 1000)
      only.now = servfail
      assert.deepStrictEqual(yield* ask, ["192.0.2.2"])
    }).pipe(Effect.scoped)
  )
})
