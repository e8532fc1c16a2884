import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { freePort } from "../support/machine/ports.ts"
import { until } from "../support/machine/until.ts"
import { extendedErrorOf } from "../support/servers/memory-server.ts"
import { startListening } from "../support/servers/process.ts"
import { ask } from "../support/servers/server.ts"
import { failing, fakeUpstream, silent } from "../support/upstreams/fake-upstream.ts"

describe("what clients are told of a failure", () => {
  for (const [what, protocol, code, detail] of [
    ["refuses by UDP", "udp", 23, "ECONNREFUSED"],
    ["refuses by TCP", "tcp", 23, "ECONNREFUSED"],
    ["refuses by TLS", "tls", 23, "ECONNREFUSED"],
    ["refuses by HTTPS", "https", 23, "ECONNREFUSED"]
  ] as const) {
    it.live(`is in general terms where an upstream ${what}: the log has what the system said`, () =>
      Effect.gen(function* () {
        const port = yield* freePort
        const path = protocol === "https" ? "/dns-query" : ""
        const server = yield* startListening({ DNS_SERVER_UPSTREAMS: `${protocol}://127.0.0.1:${port}${path}` })
        const answer = yield* ask(server.port, { name: "www.example.test", edns: {} })
        const said = extendedErrorOf(answer)
        assert.strictEqual(said, `${code} no upstream gave a usable answer`)
        const logged = new RegExp(`query failed: www\\.example\\.test A: [^\\n]*${detail}`)
        yield* until("the log has it", () => logged.test(server.output()))
        assert.match(server.output(), logged)
      })
    )
  }

  for (const [what, behaviour, said] of [
    ["answers SERVFAIL", failing(2), "23 no upstream gave a usable answer"],
    ["is silent", silent, "22 no upstream answered in time"]
  ] as const) {
    it.live(`is what the documentation says where an upstream ${what}`, () =>
      Effect.gen(function* () {
        const upstream = yield* fakeUpstream(behaviour)
        const server = yield* startListening({
          DNS_SERVER_UPSTREAMS: upstream.address,
          DNS_SERVER_QUERY_TIMEOUT_SECS: "0.5",
          DNS_SERVER_ATTEMPT_TIMEOUT_MS: "100"
        })
        const answer = yield* ask(server.port, { name: "www.example.test", edns: {} })
        assert.strictEqual(extendedErrorOf(answer), said)
      })
    )
  }
})
