import { assert, describe, it } from "@effect/vitest"
import { Effect, Fiber } from "effect"
import { askMany } from "../support/clients/bulk-client.ts"
import { collector } from "../support/external/otlp-collector.ts"
import { until } from "../support/machine/until.ts"
import { start, startListening } from "../support/servers/process.ts"
import { addressesOf, ask, encodeQuestion } from "../support/servers/server.ts"
import { address, fakeUpstream, slow } from "../support/upstreams/fake-upstream.ts"
import { heldUpstream } from "../support/upstreams/held-upstream.ts"
import { deservedData } from "../support/upstreams/mirror.ts"

for (const datagrams of ["auto", "portable"]) {
  describe(`the process, with ${datagrams} datagrams`, () => {
    it.live("answers what is in flight on SIGTERM, and ends with 0", () =>
      Effect.gen(function* () {
        const upstream = yield* fakeUpstream(slow(600, address("192.0.2.1")))
        const server = yield* startListening({
          DNS_SERVER_UPSTREAMS: upstream.address,
          DNS_SERVER_DATAGRAMS: datagrams
        })
        const asking = yield* Effect.forkChild(ask(server.port, { name: "www.example.test" }), {
          startImmediately: true
        })
        yield* until("it is in flight", () => upstream.queries() > 0)
        server.child.kill("SIGTERM")
        assert.deepStrictEqual(addressesOf(yield* Fiber.join(asking)), ["192.0.2.1"])
        assert.strictEqual(yield* Effect.promise(() => server.exit), 0)
      })
    )

    it.live("on SIGTERM answers all that is in flight over UDP and TCP, and sends their traces last", () =>
      Effect.gen(function* () {
        const { url, spans } = yield* collector()
        const upstream = yield* heldUpstream(() => true)
        const server = yield* startListening({
          DNS_SERVER_UPSTREAMS: upstream.address,
          DNS_SERVER_DATAGRAMS: datagrams,
          DNS_SERVER_TRACE_SAMPLING: "always",
          DNS_SERVER_SHUTDOWN_TIMEOUT_SECS: "30",
          DNS_SERVER_QUERY_TIMEOUT_SECS: "30",
          DNS_SERVER_ATTEMPT_TIMEOUT_MS: "30000",
          OTEL_EXPORTER_OTLP_ENDPOINT: url,
          OTEL_EXPORTER_OTLP_PROTOCOL: "http/json"
        })
        const questions = Array.from({ length: 100 }, (_, i) => ({
          wire: encodeQuestion({ name: `n${i}.example.test` }, i),
          transport: i % 2 === 0 ? ("udp" as const) : ("tcp" as const)
        }))
        const asking = yield* Effect.forkChild(askMany(server.port, questions, 100), { startImmediately: true })
        yield* upstream.awaitNames(100)
        server.child.kill("SIGTERM")
        while (!server.output().includes("shutting down")) yield* Effect.sleep(20)
        assert.strictEqual(server.child.exitCode, null)
        yield* upstream.release
        const answers = yield* Fiber.join(asking)
        for (const answer of answers) assert.deepStrictEqual(answer!.subarray(-4), deservedData(answer!))
        assert.strictEqual(yield* Effect.promise(() => server.exit), 0)
        assert.strictEqual(spans.filter(({ name }) => name === "dns.query").length, 100)
      })
    )

    it.live("gives up what is still in flight when the time for it is over, and ends with 0", () =>
      Effect.gen(function* () {
        const upstream = yield* heldUpstream(() => true)
        const server = yield* startListening({
          DNS_SERVER_UPSTREAMS: upstream.address,
          DNS_SERVER_DATAGRAMS: datagrams,
          DNS_SERVER_SHUTDOWN_TIMEOUT_SECS: "0.3",
          DNS_SERVER_QUERY_TIMEOUT_SECS: "60",
          DNS_SERVER_ATTEMPT_TIMEOUT_MS: "60000"
        })
        yield* Effect.forkChild(Effect.ignoreCause(ask(server.port, { name: "www.example.test" })), {
          startImmediately: true
        })
        yield* upstream.awaitNames(1)
        server.child.kill("SIGTERM")
        assert.strictEqual(yield* Effect.promise(() => server.exit), 0)
      })
    )
  })
}

describe("the process", () => {
  it.live("ends at once on a second signal", () =>
    Effect.gen(function* () {
      const upstream = yield* heldUpstream(() => true)
      const server = yield* startListening({
        DNS_SERVER_UPSTREAMS: upstream.address,
        DNS_SERVER_SHUTDOWN_TIMEOUT_SECS: "300",
        DNS_SERVER_QUERY_TIMEOUT_SECS: "60",
        DNS_SERVER_ATTEMPT_TIMEOUT_MS: "60000"
      })
      yield* Effect.forkChild(ask(server.port, { name: "www.example.test" }), { startImmediately: true })
      yield* upstream.awaitNames(1)
      server.child.kill("SIGINT")
      yield* until("the first is heard", () => server.output().includes("shutting down"))
      server.child.kill("SIGINT")
      assert.strictEqual(yield* Effect.promise(() => server.exit), 130)
    })
  )

  it.live("says every mistake of its configuration, and does not start", () =>
    Effect.gen(function* () {
      const server = yield* start({
        DNS_SERVER_RETRIES: "99",
        DNS_SERVER_LISTEN: "nowhere",
        DNS_SERVER_UPSTREAMS: "192.0.2.1"
      })
      assert.strictEqual(yield* Effect.promise(() => server.exit), 1)
      assert.include(server.output(), "2 mistakes")
      assert.include(server.output(), "DNS_SERVER_RETRIES: 99: expected an integer from 0 to 10")
      assert.include(server.output(), "DNS_SERVER_LISTEN: nowhere: expected an IP address")
    })
  )

  it.live("refuses at start to forward to itself", () =>
    Effect.gen(function* () {
      const server = yield* start({ DNS_SERVER_LISTEN: "0.0.0.0:5399", DNS_SERVER_UPSTREAMS: "127.0.0.1:5399" })
      assert.strictEqual(yield* Effect.promise(() => server.exit), 1)
      assert.include(server.output(), "this one listens on 0.0.0.0:5399 itself")
    })
  )

  it.live("prints the effective configuration with the source of each value on `check`", () =>
    Effect.gen(function* () {
      const server = yield* start({ DNS_SERVER_RETRIES: "1", DNS_SERVER_UPSTREAMS: "192.0.2.1" }, ["check"])
      assert.strictEqual(yield* Effect.promise(() => server.exit), 0)
      assert.include(server.output(), "retries: 1  # DNS_SERVER_RETRIES")
      assert.include(server.output(), "actor_pool_size: 20  # default")
    })
  )

  it.live("ends at a file without an end, warns of what is suspicious, and shows no secret on `check`", () =>
    Effect.gen(function* () {
      const server = yield* start(
        {
          DNS_SERVER_RETIRES: "1",
          DNS_SERVER_REDIS_URL: "redis://strand:hunter2@192.0.2.2",
          OTEL_EXPORTER_OTLP_ENDPOINT: "http://strand:hunter2@192.0.2.3:4318/?key=hunter2"
        },
        ["check", "--config", "/dev/zero"]
      )
      assert.strictEqual(yield* Effect.promise(() => server.exit), 1)
      assert.match(server.output(), /\/dev\/zero: expected a readable YAML file: it has more than 4 MiB/)
      const checked = yield* start(
        {
          DNS_SERVER_UPSTREAMS: "https://192.0.2.1/d2a9c1",
          DNS_SERVER_RETIRES: "1",
          DNS_SERVER_REDIS_URL: "redis://strand:hunter2@192.0.2.2",
          OTEL_EXPORTER_OTLP_ENDPOINT: "http://strand:hunter2@192.0.2.3:4318/?key=hunter2"
        },
        ["check"]
      )
      assert.strictEqual(yield* Effect.promise(() => checked.exit), 0)
      assert.include(checked.output(), "warning: DNS_SERVER_RETIRES is not a setting")
      assert.include(checked.output(), "otel_endpoint: http://…@192.0.2.3:4318/?…  # OTEL_EXPORTER_OTLP_ENDPOINT")
      assert.include(checked.output(), "redis_url: redis://…@192.0.2.2  # DNS_SERVER_REDIS_URL")
      assert.notMatch(checked.output() + server.output(), /hunter2|d2a9c1/)
    })
  )
})
