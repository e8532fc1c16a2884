import { assert, describe, it } from "@effect/vitest"
import type { Answer, DecodedPacket } from "dns-packet"
import { Effect } from "effect"
import { MemoryNetwork } from "../support/servers/memory-network.ts"
import { anAddress, extendedErrorsOf, memoryServer, sayingWhy, upstreamAt } from "../support/servers/memory-server.ts"
import { rcodeOf } from "../support/servers/server.ts"
import type { reply } from "../support/upstreams/fake-upstream.ts"

/** What a client gets that asks `times` times, of an upstream that answers everything so. */
const answersFor = (
  settings: Record<string, string>,
  options: Parameters<typeof reply>[1],
  times = 1
): Effect.Effect<ReadonlyArray<DecodedPacket>> =>
  Effect.scoped(
    Effect.gen(function* () {
      const network = new MemoryNetwork()
      const upstream = yield* upstreamAt(network, 1053)
      const server = yield* memoryServer(network, [1053], settings)
      let answered = 0
      for (let i = 1; i <= times; i++) {
        yield* server.ask("www.example.test")
        for (let n = 0; n < 5 && server.answers().length < i; n++) {
          for (const asked of upstream.asked.slice(answered)) {
            answered++
            yield* asked.answer(options)
          }
        }
      }
      return server.answers()
    })
  )

const trusted = { DNS_SERVER_TRUST_UPSTREAM_AD: "true" }

describe("the reason that an upstream gives for an error", () => {
  for (const [rcode, name] of [
    [2, "SERVFAIL"],
    [5, "REFUSED"]
  ] as const) {
    it.effect(
      `goes to the client where the upstream is trusted, with ${name}; and with the failure while it is kept`,
      () =>
        Effect.gen(function* () {
          const said = { rcode, additionals: [sayingWhy(6, "signature expired")] }
          const answers = yield* answersFor(trusted, said, 2)
          assert.deepStrictEqual(answers.map(rcodeOf), ["SERVFAIL", "SERVFAIL"])
          assert.deepStrictEqual(answers.map(extendedErrorsOf), [
            ["6 signature expired"],
            ["6 signature expired", "13"]
          ])
        })
    )
  }

  it.effect("is not passed on where it is not trusted", () =>
    Effect.gen(function* () {
      const [first, second] = yield* answersFor({}, { rcode: 2, additionals: [sayingWhy(6, "forged")] }, 2)
      assert.deepStrictEqual(extendedErrorsOf(first!), ["23 no upstream gave a usable answer"])
      assert.deepStrictEqual(extendedErrorsOf(second!), ["13 no upstream gave a usable answer"])
    })
  )

  it.effect("goes on without its text where that cannot be shown", () =>
    Effect.gen(function* () {
      for (const text of ["\u001b[31mred", "x".repeat(200)]) {
        const [answer] = yield* answersFor(trusted, { rcode: 2, additionals: [sayingWhy(9, text)] })
        assert.deepStrictEqual(extendedErrorsOf(answer!), ["9"])
      }
    })
  )

  it.effect("goes to the client with an error that is no failure here", () =>
    Effect.gen(function* () {
      const settings = { ...trusted, DNS_SERVER_FAILOVER_RCODES: "SERVFAIL" }
      const [answer] = yield* answersFor(settings, { rcode: 5, additionals: [sayingWhy(18, "not for you")] })
      assert.strictEqual(rcodeOf(answer!), "REFUSED")
      assert.deepStrictEqual(extendedErrorsOf(answer!), ["18 not for you"])
    })
  )
})

describe("the reason that an upstream gives for an answer", () => {
  const soa: Answer = {
    name: "example.test",
    type: "SOA",
    ttl: 60,
    data: {
      mname: "ns.example.test",
      rname: "root.example.test",
      serial: 1,
      refresh: 1,
      retry: 1,
      expire: 1,
      minimum: 60
    }
  }

  it.effect("goes to the client where it is a policy's: an address, or no such name", () =>
    Effect.gen(function* () {
      const cases: ReadonlyArray<readonly [options: Parameters<typeof reply>[1], code: number]> = [
        [anAddress("www.example.test", "0.0.0.0"), 15],
        [{ rcode: 3, authorities: [soa] }, 17]
      ]
      for (const [options, code] of cases) {
        const [answer] = yield* answersFor(trusted, { ...options, additionals: [sayingWhy(code, "list of ads")] })
        assert.deepStrictEqual(extendedErrorsOf(answer!), [`${code} list of ads`])
        const [untrusted] = yield* answersFor({}, { ...options, additionals: [sayingWhy(code, "list of ads")] })
        assert.deepStrictEqual(extendedErrorsOf(untrusted!), [])
      }
    })
  )

  it.effect("stays here where it says nothing of the answer's being as it is", () =>
    Effect.gen(function* () {
      const [answer] = yield* answersFor(trusted, {
        ...anAddress("www.example.test", "192.0.2.1"),
        additionals: [sayingWhy(22, "one server was down")]
      })
      assert.deepStrictEqual(extendedErrorsOf(answer!), [])
    })
  )
})
