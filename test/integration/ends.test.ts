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
const NAMES = ["a", "b", "c", "d"].map((label) => `${label}.example.test`)

for (const workers of ["1", "2"]) {
  describe(`a server of ${workers} worker${workers === "1" ? "" : "s"} ends on SIGTERM`, () => {
    for (const [name, start] of behaviours) {
      it.live(`beside a Redis that ${name}, and beside upstreams that do, by TCP, TLS and HTTPS`, () =>
        Effect.gen(function* () {
          const { asked, url } = yield* start
          const bad = (protocol: string): string => url.replace("http:", `${protocol}:`)
          const good = yield* fakeUpstream(address("192.0.2.1"))
          const server = yield* startListening({
            DNS_SERVER_WORKERS: workers,
            DNS_SERVER_SHUTDOWN_TIMEOUT_SECS: "1",
            DNS_SERVER_QUERY_TIMEOUT_SECS: "1",
            DNS_SERVER_REDIS_URL: bad("redis"),
            DNS_SERVER_UPSTREAMS: [good.address, bad("tcp"), bad("tls"), `${bad("https")}/dns-query`].join(","),
            // Each is asked, in turn.
            DNS_SERVER_UPSTREAM_POLICY: "round-robin"
          })
          yield* Effect.forEach(NAMES, (name) => ask(server.port, { name }), { concurrency: "unbounded" })
          if (start !== refusingToAccept) assert.isAbove(asked(), 1)
          // In the middle of whatever it does with them.
          server.child.kill("SIGTERM")
          assert.strictEqual(yield* Effect.promise(() => server.exit).pipe(Effect.timeout(END_WITHIN_MS)), 0)
        })
      )
    }
  })
}
