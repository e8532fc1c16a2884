import { readdirSync } from "node:fs"
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { openTcp } from "../support/clients/tcp-client.ts"
import { startListening } from "../support/servers/process.ts"
import { addressesOf, ask } from "../support/servers/server.ts"
import { address, fakeUpstream } from "../support/upstreams/fake-upstream.ts"

const LIMIT = 64
/** More than there are descriptors. */
const CONNECTIONS = 100
const QUESTIONS = 60

describe.runIf(process.platform === "linux")(`a server that may open ${LIMIT} files`, () => {
  for (const workers of ["1", "2"]) {
    for (const datagrams of ["auto", "portable"]) {
      it.live(`says so, and answers while clients hold all the connections they can (${workers}, ${datagrams})`, () =>
        Effect.gen(function* () {
          const upstream = yield* fakeUpstream(address("192.0.2.1"))
          const server = yield* startListening(
            {
              DNS_SERVER_UPSTREAMS: upstream.address,
              DNS_SERVER_WORKERS: workers,
              DNS_SERVER_DATAGRAMS: datagrams
            },
            [],
            { descriptors: LIMIT }
          )
          assert.match(server.output(), /file descriptors may be needed .*may open 64: raise the limit/)
          yield* Effect.forEach(Array.from({ length: CONNECTIONS }), () => openTcp(server.port))
          for (let i = 0; i < QUESTIONS; i++) {
            const answer = yield* ask(server.port, { name: `n${i}.example.test` })
            assert.deepStrictEqual(addressesOf(answer), ["192.0.2.1"])
          }
          assert.isBelow(readdirSync(`/proc/${server.child.pid}/fd`).length, LIMIT)
          const byTcp = yield* ask(server.port, { name: "tcp.example.test", tcp: true })
          assert.deepStrictEqual(addressesOf(byTcp), ["192.0.2.1"])
        })
      )
    }
  }

  it.live("says nothing of it where it may open enough", () =>
    Effect.gen(function* () {
      const upstream = yield* fakeUpstream(address("192.0.2.1"))
      const settings = { DNS_SERVER_UPSTREAMS: upstream.address, DNS_SERVER_MAX_TCP_CONNECTIONS: "50" }
      const server = yield* startListening({ ...settings, DNS_SERVER_WORKERS: "1" }, [], { descriptors: 1024 })
      assert.notInclude(server.output(), "descriptors")
    })
  )
})
