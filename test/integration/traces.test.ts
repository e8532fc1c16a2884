import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { attribute, collector } from "../support/external/otlp-collector.ts"
import { startServer } from "../support/servers/server.ts"
import { address, fakeUpstream, silent, slow } from "../support/upstreams/fake-upstream.ts"

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
