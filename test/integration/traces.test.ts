import { createServer, type Server } from "node:http"
import type { AddressInfo } from "node:net"
import { assert, describe, it } from "@effect/vitest"
import { Effect, type Scope } from "effect"
import { address, fakeUpstream, silent } from "../support/fake-upstream.ts"
import { startServer } from "../support/server.ts"

interface Span {
  readonly name: string
  readonly spanId: string
  readonly parentSpanId?: string
  readonly traceId: string
  readonly startTimeUnixNano: string
  readonly endTimeUnixNano: string
  readonly attributes: ReadonlyArray<{ readonly key: string; readonly value: { readonly stringValue?: string } }>
}

/** A collector that takes OTLP as JSON and keeps the spans; with `hangs` it takes and never answers. */
const collector = (
  hangs = false
): Effect.Effect<{ readonly url: string; readonly spans: Array<Span> }, never, Scope.Scope> =>
  Effect.acquireRelease(
    Effect.callback<{ server: Server; url: string; spans: Array<Span> }>((resume) => {
      const spans: Array<Span> = []
      const server = createServer((request, response) => {
        const chunks: Array<Buffer> = []
        request.on("data", (chunk: Buffer) => chunks.push(chunk))
        request.on("end", () => {
          if (hangs) return
          const body = JSON.parse(Buffer.concat(chunks).toString())
          for (const resource of body.resourceSpans) {
            for (const scope of resource.scopeSpans) spans.push(...scope.spans)
          }
          response.setHeader("content-type", "application/json").end("{}")
        })
      })
      server.listen(0, "127.0.0.1", () => {
        const { port } = server.address() as AddressInfo
        resume(Effect.succeed({ server, url: `http://127.0.0.1:${port}`, spans }))
      })
    }),
    ({ server }) =>
      Effect.sync(() => {
        server.closeAllConnections()
        server.close()
      })
  )

const attribute = (span: Span, key: string): string | undefined =>
  span.attributes.find((entry) => entry.key === key)?.value.stringValue

describe("a trace", () => {
  it.live("shows the whole way of a query: lookup, both attempts, each under its parent", () =>
    Effect.gen(function* () {
      const { url, spans } = yield* collector()
      const first = yield* fakeUpstream(silent)
      const second = yield* fakeUpstream(address("192.0.2.2"))
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
