import { assert, describe, it } from "@effect/vitest"
import packet from "dns-packet"
import { Effect } from "effect"
import { claimSlot, freeSlots, upstreamMemory, Word } from "../../src/upstream/health/shared-state.ts"
import { addressesOf } from "../support/servers/server.ts"
import { address, type MemoryUpstream, memoryServer } from "../support/servers/timed-server.ts"
import { address as addressRecord, type Behaviour, silent } from "../support/upstreams/fake-upstream.ts"

const upstream = (behaviour: Behaviour, delayMs = 0): MemoryUpstream & { now: Behaviour } => {
  const made = {
    now: behaviour,
    queries: 0,
    behaviour: (query: Buffer, transport: "udp" | "tcp", count: number) =>
      made.now(packet.decode(query), transport, count).map((reaction) => ({ ...reaction, delayMs }))
  }
  return made
}

const servers = (...upstreams: ReadonlyArray<number>) => ({ DNS_SERVER_UPSTREAMS: upstreams.map(address).join(",") })

describe("upstreams that are asked instead of others", () => {
  it.effect("get the questions from then on; what the others were asked is answered, and they are let go", () =>
    Effect.gen(function* () {
      const [one, two] = [upstream(addressRecord("192.0.2.1"), 200), upstream(addressRecord("192.0.2.2"))]
      const settings = { DNS_SERVER_UPSTREAMS: address(0), DNS_SERVER_QUERY_TIMEOUT_SECS: "2" }
      const server = yield* memoryServer(settings, [one, two])
      const under = yield* server.send({ name: "a.test" })
      yield* server.change(servers(1))
      assert.deepStrictEqual(addressesOf((yield* server.ask({ name: "b.test" })).answer), ["192.0.2.2"])
      yield* server.pass(300)
      assert.deepStrictEqual(addressesOf(under.got()!), ["192.0.2.1"])
      assert.strictEqual(one.queries, 1)
      const open = server.sockets()
      yield* server.pass(4_000)
      assert.isBelow(server.sockets(), open)
      yield* server.change(servers(0))
      assert.deepStrictEqual(addressesOf((yield* server.ask({ name: "c.test" })).answer), ["192.0.2.1"])
    }).pipe(Effect.scoped)
  )

  it.effect("are the same where they are called otherwise: figures and state go on under the new name", () =>
    Effect.gen(function* () {
      const only = upstream(addressRecord("192.0.2.1"))
      const server = yield* memoryServer(servers(0), [only])
      yield* server.ask({ name: "a.test" })
      const attempts = () =>
        server.counters.upstreams().map(({ upstream: name, outcomes }) => [name, outcomes.answered])
      assert.deepStrictEqual(attempts(), [[`udp://${address(0)}`, 1]])
      yield* server.change({ DNS_SERVER_UPSTREAMS: `home=${address(0)}` })
      yield* server.ask({ name: "b.test" })
      assert.deepStrictEqual(attempts(), [["home", 2]])
      yield* server.change(servers(0))
      assert.deepStrictEqual(attempts(), [[`udp://${address(0)}`, 2]])
    }).pipe(Effect.scoped)
  )

  it.effect("come back with what is known of them", () =>
    Effect.gen(function* () {
      const [one, two] = [upstream(silent), upstream(addressRecord("192.0.2.2"))]
      const settings = {
        DNS_SERVER_UPSTREAMS: `${address(0)},${address(1)}`,
        DNS_SERVER_UPSTREAM_POLICY: "ordered",
        DNS_SERVER_QUERY_TIMEOUT_SECS: "2"
      }
      const server = yield* memoryServer(settings, [one, two])
      for (let i = 0; i < 8; i++) yield* server.ask({ name: `a${i}.test` })
      assert.strictEqual(server.counters.read("upstream.opened"), 1)
      yield* server.change(servers(1))
      yield* server.pass(10_000)
      const probes = one.queries
      yield* server.pass(30_000)
      assert.strictEqual(one.queries, probes, "nobody is probed whom nobody asks")
      yield* server.change(servers(0, 1))
      const { answer, tookMs } = yield* server.ask({ name: "b.test" })
      assert.deepStrictEqual(addressesOf(answer), ["192.0.2.2"])
      assert.isAtMost(tookMs, 20, "its breaker is open still")
    }).pipe(Effect.scoped)
  )
})

describe("the place of what threads know of an upstream", () => {
  it("is the same for all threads, whatever the order in which they come to know their upstreams", () => {
    const memory = upstreamMemory(8)
    const keys = ["udp://192.0.2.1:53", "udp://192.0.2.2:53", "tls://192.0.2.1:853#a.test"]
    const placesOf = (order: ReadonlyArray<string>): Record<string, number> => {
      const taken = new Set<number>()
      return Object.fromEntries(
        order.map((key) => {
          const { slot } = claimSlot(memory, key, taken)
          taken.add(slot)
          return [key, slot] as const
        })
      )
    }
    assert.deepStrictEqual(placesOf(keys), placesOf(keys.toReversed()))
  })

  it("is free for others when the upstream is in use no more, and not found by two threads in two places", () => {
    const memory = upstreamMemory(2)
    const [a, b] = [claimSlot(memory, "a", new Set()), claimSlot(memory, "b", new Set([0]))]
    a.state.words[Word.Failures] = 7
    freeSlots(memory, ["b"])
    assert.strictEqual(claimSlot(memory, "b", new Set()).slot, b.slot)
    const c = claimSlot(memory, "c", new Set([b.slot]))
    assert.strictEqual(c.slot, a.slot)
    assert.strictEqual(c.state.words[Word.Failures], 0)
  })

  it("is a thread's own where none is left", () => {
    const memory = upstreamMemory(2)
    const taken = new Set<number>()
    const claimed = ["a", "b", "c"].map((key) => {
      const made = claimSlot(memory, key, taken)
      taken.add(made.slot)
      return made
    })
    claimed[2]!.state.words[Word.Failures] = 7
    assert.deepStrictEqual(
      claimed.map(({ slot }) => slot),
      [0, 1, 2]
    )
    assert.strictEqual(claimSlot(memory, "c", new Set()).state.words[Word.Failures], 0)
  })
})
