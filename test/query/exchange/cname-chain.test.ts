/** The links of CNAMEs that an upstream leaves to others, in time: each is a question like any other. */
import { assert, describe, it } from "@effect/vitest"
import type { Answer } from "dns-packet"
import packet from "dns-packet"
import { Effect } from "effect"
import { addressesOf, rcodeOf } from "../../support/servers/server.ts"
import { type MemoryUpstream, memoryServer } from "../../support/servers/timed-server.ts"
import { nameOf, reply, type WireBehaviour } from "../../support/upstreams/fake-upstream.ts"

interface Zone {
  /** CNAMEs, one link at a time; all other names have an address. */
  readonly links: Readonly<Record<string, string>>
  /** Names that are never answered. */
  readonly silent?: ReadonlyArray<string>
  readonly delayMs?: number
}

interface Counting extends MemoryUpstream {
  readonly asked: Array<string>
}

const serving = ({ links, silent = [], delayMs = 10 }: Zone): Counting => {
  const asked: Array<string> = []
  const behaviour: WireBehaviour = (wire) => {
    const query = packet.decode(wire)
    const name = nameOf(query).toLowerCase()
    asked.push(name)
    if (silent.includes(name)) return []
    const target = links[name]
    const record: Answer =
      target === undefined
        ? { name, type: "A", ttl: 300, data: "192.0.2.1" }
        : { name, type: "CNAME", ttl: 300, data: target }
    return [{ reply: reply(query, { answers: [record] }), delayMs }]
  }
  return { behaviour, queries: 0, asked }
}

const times = (upstream: Counting, name: string): number => upstream.asked.filter((asked) => asked === name).length

describe("the target of an alias", () => {
  it.effect("comes from the cache where it is kept, with what is left of its life", () =>
    Effect.gen(function* () {
      const upstream = serving({ links: { "www.example.test": "web.other.test" } })
      const server = yield* memoryServer({}, [upstream])
      yield* server.ask({ name: "web.other.test" })
      yield* server.pass(100_000)
      const { answer } = yield* server.ask({ name: "www.example.test" })
      assert.deepStrictEqual(addressesOf(answer), ["192.0.2.1"])
      assert.strictEqual(times(upstream, "web.other.test"), 1)
      const ttls = (answer.answers ?? []).map((record) => (record.type === "A" ? record.ttl : undefined))
      assert.approximately(ttls[1]!, 200, 1)
    }).pipe(Effect.scoped)
  )

  it.effect("is kept for those who ask for it themselves", () =>
    Effect.gen(function* () {
      const upstream = serving({ links: { "www.example.test": "web.other.test" } })
      const server = yield* memoryServer({}, [upstream])
      yield* server.ask({ name: "www.example.test" })
      yield* server.ask({ name: "web.other.test" })
      assert.strictEqual(times(upstream, "web.other.test"), 1)
    }).pipe(Effect.scoped)
  )

  it.effect("is asked for once, whoever waits for it: aliases and those who ask for it themselves", () =>
    Effect.gen(function* () {
      const links = Object.fromEntries(Array.from({ length: 20 }, (_, i) => [`a${i}.example.test`, "web.other.test"]))
      const upstream = serving({ links, delayMs: 100 })
      const server = yield* memoryServer({}, [upstream])
      const waiting = []
      for (let i = 0; i < 20; i++) waiting.push(yield* server.send({ name: `a${i}.example.test` }))
      yield* server.pass(120)
      waiting.push(yield* server.send({ name: "web.other.test" }))
      yield* server.pass(150)
      for (const { got } of waiting) assert.deepStrictEqual(addressesOf(got()!), ["192.0.2.1"])
      assert.strictEqual(times(upstream, "web.other.test"), 1)
    }).pipe(Effect.scoped)
  )

  it.effect("fails for all who lead to it where its failure is kept", () =>
    Effect.gen(function* () {
      const upstream = serving({
        links: { "a.example.test": "bad.other.test", "b.example.test": "bad.other.test" },
        silent: ["bad.other.test"]
      })
      const server = yield* memoryServer({ DNS_SERVER_QUERY_TIMEOUT_SECS: "2" }, [upstream])
      const { got } = yield* server.send({ name: "bad.other.test" })
      for (let i = 0; i < 45; i++) {
        yield* server.ask({ name: `good${i}.example.test` })
        yield* server.pass(40)
      }
      assert.strictEqual(rcodeOf(got()!), "SERVFAIL")
      const asked = times(upstream, "bad.other.test")
      for (const name of ["a.example.test", "b.example.test"]) {
        const { answer, tookMs } = yield* server.ask({ name })
        assert.strictEqual(rcodeOf(answer), "SERVFAIL")
        assert.isAtMost(tookMs, 20)
      }
      assert.strictEqual(times(upstream, "bad.other.test"), asked)
    }).pipe(Effect.scoped)
  )
})

describe("a question with many links", () => {
  it.effect("has one deadline for all of them", () =>
    Effect.gen(function* () {
      const links = Object.fromEntries(
        Array.from({ length: 6 }, (_, i) => [`n${i}.example.test`, `n${i + 1}.example.test`])
      )
      const upstream = serving({ links, delayMs: 700 })
      const settings = { DNS_SERVER_QUERY_TIMEOUT_SECS: "2", DNS_SERVER_RETRIES: "0" }
      const server = yield* memoryServer(settings, [upstream])
      const { answer, tookMs } = yield* server.ask({ name: "n0.example.test" })
      assert.strictEqual(rcodeOf(answer), "SERVFAIL")
      assert.isAtMost(tookMs, 2_010)
      const asked = upstream.asked.length
      assert.isAtMost(asked, 3)
      yield* server.pass(6_000)
      assert.strictEqual(upstream.asked.length, asked, "nothing is asked for a client that is gone")
    }).pipe(Effect.scoped)
  )

  it.effect("may have eight, and fails at more, each time at once once that is known", () =>
    Effect.gen(function* () {
      const links = Object.fromEntries(
        Array.from({ length: 40 }, (_, i) => [`n${i}.example.test`, `n${i + 1}.example.test`])
      )
      const upstream = serving({ links })
      const server = yield* memoryServer({}, [upstream])
      assert.strictEqual(rcodeOf((yield* server.ask({ name: "n32.example.test" })).answer), "NOERROR")
      upstream.asked.length = 0
      assert.strictEqual(rcodeOf((yield* server.ask({ name: "n0.example.test" })).answer), "SERVFAIL")
      assert.strictEqual(upstream.asked.length, 9)
      assert.strictEqual(rcodeOf((yield* server.ask({ name: "n0.example.test" })).answer), "SERVFAIL")
      assert.strictEqual(upstream.asked.length, 9)
    }).pipe(Effect.scoped)
  )
})

describe("CNAMEs that lead in a circle", () => {
  it.effect("fail at once, from whichever end they are asked for, all at the same time too", () =>
    Effect.gen(function* () {
      const names = ["a", "b", "c", "d"].map((label) => `${label}.example.test`)
      const links = Object.fromEntries(names.map((name, i) => [name, names[(i + 1) % names.length]!]))
      const upstream = serving({ links })
      const server = yield* memoryServer({}, [upstream])
      const waiting = []
      for (const name of names) waiting.push(yield* server.send({ name }))
      yield* server.pass(60)
      for (const { got } of waiting) assert.strictEqual(rcodeOf(got()!), "SERVFAIL")
      assert.strictEqual(upstream.asked.length, names.length)
    }).pipe(Effect.scoped)
  )
})
