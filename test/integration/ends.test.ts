import { assert, describe, it } from "@effect/vitest"
import { Effect, type Scope } from "effect"
import { type BadServer, drippingServer, refusingToAccept, silentServer } from "../support/faults/bad-servers.ts"
import { startListening } from "../support/servers/process.ts"
import { ask } from "../support/servers/server.ts"
import { address, fakeUpstream } from "../support/upstreams/fake-upstream.ts"

const behaviours: ReadonlyArray<readonly [name: string, start: Effect.Effect<BadServer, never, Scope.Scope>]> = [
  ["accepts and says nothing", silentServer],
  ["drips what means nothing", drippingServer("headers")],
  ["accepts no connection", refusingToAccept]
]

/** The time for queries, and what a busy machine adds; the servers go on for minutes. */
const END_WITHIN_MS = 60_000
const ends = (settings: Record<string, string>) =>
  Effect.gen(function* () {
    const server = yield* startListening({
      DNS_SERVER_SHUTDOWN_TIMEOUT_SECS: "1",
      DNS_SERVER_QUERY_TIMEOUT_SECS: "1",
      ...settings
    })
    // In the middle of whatever it does with that server.
    yield* ask(server.port, { name: "www.example.test" })
    server.child.kill("SIGTERM")
    assert.strictEqual(yield* Effect.promise(() => server.exit).pipe(Effect.timeout(END_WITHIN_MS)), 0)
  })

for (const workers of ["1", "2"]) {
  describe(`a server of ${workers} worker${workers === "1" ? "" : "s"} ends on SIGTERM`, () => {
    for (const [name, start] of behaviours) {
      it.live(`beside a Redis that ${name}, and beside upstreams that do, by TCP, TLS and HTTPS`, () =>
        Effect.gen(function* () {
          const { url } = yield* start
          const good = yield* fakeUpstream(address("192.0.2.1"))
          const beside = [
            { DNS_SERVER_UPSTREAMS: good.address, DNS_SERVER_REDIS_URL: url.replace("http:", "redis:") },
            { DNS_SERVER_UPSTREAMS: url.replace("http:", "tcp:") },
            { DNS_SERVER_UPSTREAMS: url.replace("http:", "tls:") },
            { DNS_SERVER_UPSTREAMS: `${url.replace("http:", "https:")}/dns-query` }
          ]
          const all = { DNS_SERVER_WORKERS: workers }
          yield* Effect.forEach(beside, (settings) => ends({ ...all, ...settings }), {
            concurrency: 2,
            discard: true
          })
        })
      )
    }
  })
}
