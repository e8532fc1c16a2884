import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { freePort } from "../support/machine/ports.ts"
import { startListening } from "../support/servers/process.ts"
import { ask, startServer } from "../support/servers/server.ts"
import { address, type Behaviour, failing, fakeUpstream, reply, silent } from "../support/upstreams/fake-upstream.ts"

/** It says that there are more records than there are. */
const garbage: Behaviour = (query) => {
  const octets = reply(query)
  octets.writeUInt16BE(3, 6)
  return [{ reply: octets }]
}
const referral: Behaviour = (query) => [
  {
    reply: reply(query, { authorities: [{ name: "example.test", type: "NS", ttl: 60, data: "ns.example.test" }] })
  }
]

/** One upstream that behaves so, by UDP or TCP, and one query. */
const outcomesOf = (behaviour: Behaviour | "refused", protocol: "udp" | "tcp") =>
  Effect.gen(function* () {
    const port = behaviour === "refused" ? yield* freePort : (yield* fakeUpstream(behaviour)).port
    const server = yield* startServer({
      DNS_SERVER_UPSTREAMS: `${protocol}://127.0.0.1:${port}`,
      DNS_SERVER_ATTEMPT_TIMEOUT_MS: "50",
      DNS_SERVER_QUERY_TIMEOUT_SECS: "0.5",
      DNS_SERVER_RETRIES: "1"
    })
    yield* server.ask({ name: "www.example.test" })
    const outcomes: Readonly<Record<string, number>> = server.counters.upstreams()[0]!.outcomes
    return { outcomes, counters: server.counters }
  })

const cases = [
  ["answered", "upstream.answered", address("192.0.2.1")],
  ["network-error", "upstream.errors", "refused"],
  ["timeout", "upstream.timeouts", silent],
  ["SERVFAIL", "upstream.rejected", failing(2)],
  ["REFUSED", "upstream.rejected", failing(5)],
  ["garbage", "upstream.rejected", garbage],
  ["unusable", "upstream.rejected", referral]
] as const

for (const protocol of ["udp", "tcp"] as const) {
  describe(`an attempt by ${protocol}`, () => {
    for (const [outcome, total, behaviour] of cases) {
      if (protocol === "tcp" && behaviour === silent) continue
      it.live(`that ends with ${outcome} is counted so, by its upstream and in all`, () =>
        Effect.gen(function* () {
          const { outcomes, counters } = yield* outcomesOf(behaviour, protocol)
          assert.deepStrictEqual(Object.keys(outcomes), [outcome])
          assert.isAtLeast(outcomes[outcome]!, 1)
          assert.strictEqual(counters.read(total), outcomes[outcome])
        })
      )
    }
  })
}

describe("attempts that were counted", () => {
  for (const workers of ["1", "2"]) {
    it.live(`by ${workers} worker${workers === "1" ? "" : "s"} are in the log at the end, upstream by upstream`, () =>
      Effect.gen(function* () {
        const port = yield* freePort
        const good = yield* fakeUpstream(address("192.0.2.1"))
        const server = yield* startListening({
          DNS_SERVER_UPSTREAMS: `127.0.0.1:${port},${good.address}`,
          DNS_SERVER_UPSTREAM_POLICY: "ordered",
          DNS_SERVER_WORKERS: workers
        })
        yield* ask(server.port, { name: "www.example.test" })
        server.child.kill("SIGTERM")
        yield* Effect.promise(() => server.exit)
        const lines = server
          .output()
          .split("\n")
          .flatMap((line) => (line.includes("attempts at") ? [JSON.parse(line)] : []))
        assert.deepStrictEqual(
          lines.map(({ time, ...rest }) => rest),
          [
            { level: "info", message: `attempts at udp://127.0.0.1:${port}`, "network-error": 1 },
            { level: "info", message: `attempts at udp://${good.address}`, answered: 1 }
          ]
        )
      })
    )
  }
})
