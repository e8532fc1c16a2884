import { hostname } from "node:os"
import { assert, describe, it } from "@effect/vitest"
import packet from "dns-packet"
import { Effect } from "effect"
import { attribute, collector } from "../support/external/otlp-collector.ts"
import { untilSo } from "../support/machine/until.ts"
import { startListening } from "../support/servers/process.ts"
import { ask, startServer } from "../support/servers/server.ts"
import { address, type Behaviour, fakeUpstream, reply, silent, slow } from "../support/upstreams/fake-upstream.ts"

/** Of OTLP. */
const UNSET = 0
const ERROR = 2
const SERVER = 2

/** Truncated by UDP. */
const byTcpAlone: Behaviour = (query, transport, count) =>
  transport === "tcp"
    ? address("192.0.2.1")(query, transport, count)
    : [{ reply: reply(query, { flags: packet.TRUNCATED_RESPONSE }) }]

describe("a trace", () => {
  it.live("shows the whole way of a query: lookup, both attempts, each under its parent", () =>
    Effect.gen(function* () {
      const { url, spans } = yield* collector()
      const first = yield* fakeUpstream(silent)
      // Late enough for the first to be overdue, however its time was spread.
      const second = yield* fakeUpstream(slow(30, address("192.0.2.2")))
      yield* Effect.scoped(
        Effect.gen(function* () {
          const server = yield* startServer({
            DNS_SERVER_UPSTREAMS: `${first.address},${second.address}`,
            DNS_SERVER_UPSTREAM_POLICY: "ordered",
            DNS_SERVER_ATTEMPT_TIMEOUT_MS: "50",
            DNS_SERVER_TRACE_SAMPLING: "always",
            OTEL_EXPORTER_OTLP_ENDPOINT: url,
            OTEL_EXPORTER_OTLP_PROTOCOL: "http/json"
          })
          yield* server.ask({ name: "www.example.test" })
        })
      )
      const root = spans.find((span) => span.name === "dns.query")!
      const resolve = spans.find((span) => span.name === "upstream.resolve")!
      const attempts = spans.filter((span) => span.name === "upstream.attempt")
      assert.strictEqual(attribute(root, "dns.question.name"), "www.example.test")
      assert.strictEqual(spans.find((span) => span.name === "cache.lookup")?.parentSpanId, root.spanId)
      assert.strictEqual(resolve.parentSpanId, root.spanId)
      assert.deepStrictEqual(
        attempts.map((attempt) => [attempt.parentSpanId, attribute(attempt, "strand.outcome")]).sort(),
        [
          [resolve.spanId, "answered"],
          [resolve.spanId, "timeout"]
        ]
      )
      assert.isTrue(spans.every((span) => span.traceId === root.traceId))
      assert.isTrue(spans.every((span) => BigInt(span.startTimeUnixNano) <= BigInt(span.endTimeUnixNano)))
    })
  )

  it.live("of a query that never came to the cache says why, and has no more spans", () =>
    Effect.gen(function* () {
      const { url, spans } = yield* collector()
      const upstream = yield* fakeUpstream(address("192.0.2.1"))
      yield* Effect.scoped(
        Effect.gen(function* () {
          const server = yield* startServer({
            DNS_SERVER_UPSTREAMS: upstream.address,
            DNS_SERVER_LOCAL_ANSWERS: "nas.home A 192.0.2.7",
            DNS_SERVER_TRACE_SAMPLING: "always",
            OTEL_EXPORTER_OTLP_ENDPOINT: url,
            OTEL_EXPORTER_OTLP_PROTOCOL: "http/json"
          })
          yield* server.ask({ name: "nas.home" })
          yield* server.ask({ name: "nothing.invalid" })
        })
      )
      assert.deepStrictEqual(
        spans.map((span) => [
          span.name,
          attribute(span, "dns.question.name"),
          attribute(span, "dns.response_code"),
          attribute(span, "strand.outcome")
        ]),
        [
          ["dns.query", "nas.home", "NOERROR", "local"],
          ["dns.query", "nothing.invalid", "NXDOMAIN", "special"]
        ]
      )
    })
  )

  it.live(
    "of a question asked again by TCP says when, on the one attempt; a success has no status, a failure no exception",
    () =>
      Effect.gen(function* () {
        const { url, spans } = yield* collector()
        const upstream = yield* fakeUpstream(byTcpAlone)
        const gone = yield* Effect.scoped(fakeUpstream(silent))
        const ask = (upstreams: string) =>
          Effect.scoped(
            Effect.gen(function* () {
              const server = yield* startServer({
                DNS_SERVER_UPSTREAMS: upstreams,
                DNS_SERVER_TRACE_SAMPLING: "always",
                OTEL_EXPORTER_OTLP_ENDPOINT: url,
                OTEL_EXPORTER_OTLP_PROTOCOL: "http/json"
              })
              yield* server.ask({ name: "www.example.test" })
            })
          )
        yield* ask(upstream.address)
        const [attempt, ...others] = spans.filter((span) => span.name === "upstream.attempt")
        assert.deepStrictEqual(others, [])
        assert.strictEqual(attribute(attempt!, "network.transport"), "tcp")
        const [event] = attempt!.events
        assert.strictEqual(event!.name, "tcp.fallback")
        assert.isTrue(BigInt(event!.timeUnixNano) >= BigInt(attempt!.startTimeUnixNano))
        assert.isTrue(BigInt(event!.timeUnixNano) <= BigInt(attempt!.endTimeUnixNano))
        assert.deepStrictEqual([...new Set(spans.map(({ status }) => status.code))], [UNSET])
        spans.length = 0
        yield* ask(gone.address)
        const root = spans.find((span) => span.name === "dns.query")!
        assert.strictEqual(root.status.code, ERROR)
        assert.isNotEmpty(root.status.message)
        assert.strictEqual(attribute(root, "error.type"), "upstreams_failed")
        assert.isTrue(spans.every(({ events }) => events.length === 0))
      })
  )

  it.live("comes from a service with a version, a machine and an instance that is the same in all workers", () =>
    Effect.gen(function* () {
      const { url, spans, exports } = yield* collector()
      const upstream = yield* fakeUpstream(address("192.0.2.1"))
      const server = yield* startListening({
        DNS_SERVER_UPSTREAMS: upstream.address,
        DNS_SERVER_TRACE_SAMPLING: "always",
        DNS_SERVER_WORKERS: "2",
        OTEL_EXPORTER_OTLP_ENDPOINT: url,
        OTEL_EXPORTER_OTLP_PROTOCOL: "http/json"
      })
      const workers = () => new Set(spans.map((span) => attribute(span, "strand.worker")).filter((name) => name))
      let asked = 0
      yield* untilSo(
        "traces of both workers",
        Effect.map(
          Effect.forEach([1, 2, 3], () => ask(server.port, { name: `n${asked++}.example.test` })),
          () => workers().size === 2
        )
      )
      assert.deepStrictEqual([...workers()].sort(), ["1", "2"])
      assert.strictEqual(new Set(exports.map(({ resource }) => resource["service.instance.id"])).size, 1)
      const { resource, scope } = exports[0]!
      assert.match(resource["service.instance.id"]!, /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/)
      assert.strictEqual(resource["service.name"], "strand")
      assert.strictEqual(resource["service.version"], scope.version)
      assert.strictEqual(resource["host.name"], hostname())
      assert.strictEqual(resource["process.pid"], String(server.child.pid))
      assert.strictEqual(scope.name, "strand")
      assert.strictEqual(attribute(spans.find(({ kind }) => kind === SERVER)!, "server.port"), String(server.port))
    })
  )

  it.live("that a hanging collector does not take is dropped and counted; queries do not wait for it", () =>
    Effect.gen(function* () {
      const { url } = yield* collector(true)
      const upstream = yield* fakeUpstream(address("192.0.2.1"))
      const counters = yield* Effect.scoped(
        Effect.gen(function* () {
          const server = yield* startServer({
            DNS_SERVER_UPSTREAMS: upstream.address,
            DNS_SERVER_TRACE_SAMPLING: "always",
            OTEL_EXPORTER_OTLP_ENDPOINT: url
          })
          for (let i = 0; i < 20; i++) yield* server.ask({ name: `n${i}.example.test`, timeoutMs: 2500 })
          return server.counters
        })
      )
      assert.isAbove(counters.read("traces.dropped"), 0)
    })
  )

  it.live("of a failed query is kept whatever the ratio", () =>
    Effect.gen(function* () {
      const { url, spans } = yield* collector()
      const gone = yield* Effect.scoped(fakeUpstream(silent))
      yield* Effect.scoped(
        Effect.gen(function* () {
          const server = yield* startServer({
            DNS_SERVER_UPSTREAMS: gone.address,
            DNS_SERVER_TRACE_SAMPLING: "ratio:0",
            OTEL_EXPORTER_OTLP_ENDPOINT: url,
            OTEL_EXPORTER_OTLP_PROTOCOL: "http/json"
          })
          yield* server.ask({ name: "www.example.test" })
        })
      )
      assert.strictEqual(attribute(spans.find((span) => span.name === "dns.query")!, "dns.response_code"), "SERVFAIL")
    })
  )
})
