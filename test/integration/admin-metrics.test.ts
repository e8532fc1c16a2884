/** What the admin side counts, read by Prometheus' own parsers: N queries that are sent are N that are counted. */
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { askMany } from "../support/clients/bulk-client.ts"
import { type ParsedFamily, parseMetrics } from "../support/external/prometheus.ts"
import { startWithAdmin } from "../support/servers/admin.ts"
import { encodeQuestion } from "../support/servers/server.ts"
import { address, failing, fakeUpstream, nameOf } from "../support/upstreams/fake-upstream.ts"

const OPENMETRICS = { headers: { accept: "application/openmetrics-text; version=1.0.0" } }

/** The sum of the samples of this name whose labels are these. */
const sumOf = (families: ReadonlyArray<ParsedFamily>, name: string, labels: Record<string, string> = {}): number => {
  const samples = families.flatMap((family) => family.samples.filter((sample) => sample.name === name))
  const wanted = samples.filter((sample) =>
    Object.entries(labels).every(([key, value]) => sample.labels[key] === value)
  )
  return wanted.reduce((sum, { value }) => sum + Number(value), 0)
}

describe.skipIf(parseMetrics === undefined)("metrics", () => {
  const parse = parseMetrics!

  for (const workers of [1, 2]) {
    it.live(`are exact: as many queries, replies and durations as were asked (${workers} workers)`, () =>
      Effect.gen(function* () {
        const upstream = yield* fakeUpstream((query, transport, count) =>
          (nameOf(query).startsWith("bad") ? failing(2) : address("192.0.2.1"))(query, transport, count)
        )
        const { admin, port } = yield* startWithAdmin({
          DNS_SERVER_UPSTREAMS: upstream.address,
          DNS_SERVER_WORKERS: String(workers),
          DNS_SERVER_RETRIES: "0",
          DNS_SERVER_LOCAL_ANSWERS: "nas.home A 192.0.2.9"
        })
        // Each name is asked twice: once it is asked for, once it is kept.
        const names = Array.from({ length: 200 }, (_, i) => (i % 10 === 0 ? "nas.home" : `n${i}.example.test`))
        const ask = (transport: "udp" | "tcp", from: number) =>
          askMany(
            port,
            names.map((name, i) => ({ wire: encodeQuestion({ name }, from + i), transport }))
          )
        yield* ask("udp", 0)
        yield* ask("tcp", 1_000)
        yield* askMany(port, [{ wire: encodeQuestion({ name: "bad.example.test" }, 9), transport: "tcp" }])
        const text = (yield* admin("/metrics")).text
        const found = parse(text, "prometheus")
        // By UDP a datagram may be sent again, and what comes late for who had this port before is no query; by TCP neither.
        const udp = sumOf(found, "strand_dns_requests_total", { proto: "udp", type: "A" })
        const all = sumOf(found, "strand_dns_requests_total")
        assert.isAtLeast(udp, 200)
        assert.strictEqual(sumOf(found, "strand_dns_requests_total", { proto: "tcp" }), 201)
        assert.strictEqual(sumOf(found, "strand_dns_requests_total", { type: "A", family: "1" }), udp + 201)
        assert.strictEqual(sumOf(found, "strand_dns_responses_total", { proto: "tcp", rcode: "NOERROR" }), 200)
        assert.strictEqual(sumOf(found, "strand_dns_responses_total", { rcode: "SERVFAIL" }), 1)
        assert.strictEqual(sumOf(found, "strand_dns_request_size_bytes_count"), all)
        assert.strictEqual(sumOf(found, "strand_dns_response_size_bytes_count"), udp + 201)
        assert.strictEqual(sumOf(found, "strand_dns_request_duration_seconds_count"), udp + 201)
        assert.strictEqual(sumOf(found, "strand_dns_request_duration_seconds_count", { outcome: "failure" }), 1)
        const kept = sumOf(found, "strand_cache_hits_total")
        assert.strictEqual(sumOf(found, "strand_dns_request_duration_seconds_count", { outcome: "hit" }), kept)
        assert.isAtLeast(kept, 180)
        assert.strictEqual(sumOf(found, "strand_cache_entries"), 180)
        assert.strictEqual(sumOf(found, "strand_workers"), workers)
        const [{ name }] = [
          ...found.filter((family) => family.name === "strand_upstream_request_duration_seconds")
        ] as [ParsedFamily]
        assert.isDefined(name)
        const asked = sumOf(found, "strand_upstream_attempts_total")
        assert.strictEqual(asked, upstream.queries())
        assert.strictEqual(
          sumOf(found, "strand_upstream_request_duration_seconds_count", { rcode: "NOERROR" }),
          asked - 1
        )
        assert.strictEqual(sumOf(found, "strand_upstream_failures_total", { kind: "servfail" }), 1)
      })
    )
  }

  it.live("are OpenMetrics with exemplars for who accepts that, of which the traces are found", () =>
    Effect.gen(function* () {
      const upstream = yield* fakeUpstream(address("192.0.2.1"))
      const { admin, port } = yield* startWithAdmin({ DNS_SERVER_UPSTREAMS: upstream.address })
      yield* askMany(
        port,
        Array.from({ length: 20 }, (_, i) => ({
          wire: encodeQuestion({ name: `n${i}.test` }, i),
          transport: "tcp" as const
        }))
      )
      let exemplars: ReadonlyArray<Readonly<Record<string, string>>> = []
      while (exemplars.length === 0) {
        const reply = yield* admin("/metrics", OPENMETRICS)
        assert.match(reply.headers.get("content-type")!, /^application\/openmetrics-text; version=1\.0\.0/)
        const families = parse(reply.text, "openmetrics")
        exemplars = families.flatMap(({ samples }) =>
          samples.flatMap(({ exemplar }) => (exemplar === null ? [] : [exemplar]))
        )
        yield* Effect.sleep(50)
      }
      const trace = yield* admin(`/api/v1/traces/${exemplars[0]!["trace_id"]}`)
      assert.strictEqual(trace.status, 200)
      assert.match((trace.json as { readonly query: { readonly name: string } }).query.name, /^n\d+\.test$/)
    })
  )

  it.live("have a name, a type and a help each, in the same form, and no client or name of a query in a label", () =>
    Effect.gen(function* () {
      const upstream = yield* fakeUpstream(address("192.0.2.1"))
      const { admin, port } = yield* startWithAdmin({ DNS_SERVER_UPSTREAMS: upstream.address })
      yield* askMany(port, [{ wire: encodeQuestion({ name: "secret.example.test" }, 1), transport: "tcp" }])
      const { text } = yield* admin("/metrics")
      const families = parse(text, "prometheus")
      assert.isAbove(families.length, 50)
      for (const { name, help, type, samples } of families) {
        assert.match(name, /^strand_[a-z0-9_]+$/)
        assert.isNotEmpty(help, name)
        assert.notStrictEqual(type, "unknown", name)
        for (const { labels } of samples) {
          for (const [label, value] of Object.entries(labels)) {
            assert.notMatch(value, /secret/, `${name} ${label}`)
            assert.notInclude(["client", "name", "qname"], label)
          }
        }
      }
    })
  )
})
