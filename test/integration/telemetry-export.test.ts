import { writeFileSync } from "node:fs"
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { attribute, type Collector, collector, type Metric } from "../support/external/otlp-collector.ts"
import { silentServer } from "../support/faults/bad-servers.ts"
import { fileWith } from "../support/machine/files.ts"
import { until, untilSo } from "../support/machine/until.ts"
import { startListening } from "../support/servers/process.ts"
import { ask } from "../support/servers/server.ts"
import { address, fakeUpstream } from "../support/upstreams/fake-upstream.ts"

const PROTOCOL = { OTEL_EXPORTER_OTLP_PROTOCOL: "http/json", DNS_SERVER_TRACE_SAMPLING: "never" }
const both = { OTEL_LOGS_EXPORTER: "otlp", OTEL_METRICS_EXPORTER: "otlp", OTEL_METRIC_EXPORT_INTERVAL: "100" }
/** Of OTLP. */
const CUMULATIVE = 2
const INFO = 9
/** Three seconds for what waits to be sent, and what a busy machine adds to the rest of the end. */
const END_WITHIN_MS = 60_000

const serverWith = (settings: Record<string, string>, args: ReadonlyArray<string> = []) =>
  Effect.gen(function* () {
    const upstream = yield* fakeUpstream(address("192.0.2.1"))
    return yield* startListening({ DNS_SERVER_UPSTREAMS: upstream.address, ...PROTOCOL, ...settings }, args)
  })

const latest = ({ metrics }: Collector, name: string): Metric | undefined =>
  metrics.at(-1)?.find((metric) => metric.name === name)

const pathsOf = ({ exports }: Collector): ReadonlyArray<string | undefined> => [
  ...new Set(exports.map(({ path }) => path))
]

describe("metrics by OTLP", () => {
  it.live("are those of /metrics, of all workers, the admin side being off; and once more at the end", () =>
    Effect.gen(function* () {
      const to = yield* collector()
      const server = yield* serverWith({
        OTEL_EXPORTER_OTLP_ENDPOINT: to.url,
        OTEL_METRICS_EXPORTER: "otlp",
        OTEL_METRIC_EXPORT_INTERVAL: "100",
        DNS_SERVER_WORKERS: "2"
      })
      const requests = (): number =>
        latest(to, "strand_dns_requests")?.sum?.dataPoints.reduce((sum, { asDouble = 0 }) => sum + asDouble, 0) ?? 0
      for (let i = 0; i < 10; i++) yield* ask(server.port, { name: `n${i}.example.test` })
      yield* until("ten queries", () => requests() === 10)
      const counted = latest(to, "strand_dns_requests")!.sum!
      assert.isTrue(counted.isMonotonic)
      assert.strictEqual(counted.aggregationTemporality, CUMULATIVE)
      assert.isTrue(BigInt(counted.dataPoints[0]!.startTimeUnixNano) <= BigInt(Date.now()) * 1_000_000n)
      assert.strictEqual(latest(to, "strand_memory_bytes")!.unit, "By")
      assert.strictEqual(latest(to, "strand_ready")!.gauge!.dataPoints[0]!.asDouble, 1)
      const durations = latest(to, "strand_dns_request_duration_seconds")!
      assert.strictEqual(durations.unit, "s")
      const point = durations.histogram!.dataPoints.find((one) => attribute(one, "outcome") === "miss")!
      assert.strictEqual(Number(point.count), 10)
      assert.strictEqual(point.bucketCounts!.length, point.explicitBounds!.length + 1)
      assert.strictEqual(
        point.bucketCounts!.reduce((sum, count) => sum + Number(count), 0),
        10
      )
      yield* ask(server.port, { name: "last.example.test" })
      server.child.kill("SIGTERM")
      assert.strictEqual(yield* Effect.promise(() => server.exit), 0)
      assert.strictEqual(requests(), 11)
      assert.deepStrictEqual(pathsOf(to), ["/v1/metrics"])
    })
  )
})

describe("log lines by OTLP", () => {
  it.live("are those that are written, of the supervisor and of workers, with level, time and fields", () =>
    Effect.gen(function* () {
      const to = yield* collector()
      const server = yield* serverWith({
        OTEL_EXPORTER_OTLP_LOGS_ENDPOINT: `${to.url}/ingest`,
        OTEL_EXPORTER_OTLP_LOGS_HEADERS: "x-key=1",
        OTEL_LOGS_EXPORTER: "otlp",
        DNS_SERVER_LOG_LEVEL: "trace"
      })
      yield* ask(server.port, { name: "www.example.test" })
      yield* until("the worker's line", () => to.logs.some(({ body }) => body.stringValue.includes("www.example.test")))
      const line = to.logs.find(({ body }) => body.stringValue.includes("www.example.test"))!
      assert.strictEqual(attribute(line, "worker"), "1")
      assert.strictEqual(line.severityText, "TRACE")
      const began = to.logs.find(({ body }) => /^strand .* answers$/.test(body.stringValue))
      assert.strictEqual(began!.severityNumber, INFO)
      server.child.kill("SIGTERM")
      yield* Effect.promise(() => server.exit)
      assert.isTrue(to.logs.some(({ body }) => body.stringValue.includes("shutting down")))
      assert.deepStrictEqual(pathsOf(to), ["/ingest"])
      const [first] = to.exports
      assert.strictEqual(first!.headers["x-key"], "1")
      assert.strictEqual(first!.scope.name, "strand")
      assert.strictEqual(first!.resource["process.pid"], String(server.child.pid))
    })
  )
})

describe("logs and metrics by OTLP", () => {
  it.live("go nowhere unless they are asked for, and begin and end with a change of the file", () =>
    Effect.gen(function* () {
      const to = yield* collector()
      const text = (exporter: string): string =>
        `otel_endpoint: ${to.url}\notel_metrics_exporter: ${exporter}\notel_metric_export_interval: 100\n`
      const file = yield* fileWith(text("none"), "strand.yaml")
      const server = yield* serverWith({}, ["--config", file])
      yield* ask(server.port, { name: "www.example.test" })
      assert.strictEqual(to.metrics.length, 0)
      writeFileSync(file, text("otlp"))
      yield* until("metrics", () => to.metrics.length > 1)
      writeFileSync(file, text("none"))
      yield* untilSo(
        "that they end",
        Effect.gen(function* () {
          const before = to.metrics.length
          yield* Effect.sleep(500)
          return to.metrics.length === before
        })
      )
      assert.strictEqual(to.logs.length, 0)
    })
  )

  it.live("that nobody takes are spoken of in a line each, cost no answer, and the server ends in time", () =>
    Effect.gen(function* () {
      const silent = yield* silentServer
      for (const url of ["http://127.0.0.1:9", silent.url]) {
        const server = yield* serverWith({
          ...both,
          OTEL_EXPORTER_OTLP_ENDPOINT: url,
          OTEL_EXPORTER_OTLP_TIMEOUT: "200"
        })
        const times = (what: string): number => server.output().split(what).length - 1
        yield* untilSo(
          "both lines",
          Effect.map(
            ask(server.port, { name: "www.example.test" }),
            () => times("takes no metrics") > 0 && times("takes no log lines") > 0
          )
        )
        for (let i = 0; i < 20; i++) yield* ask(server.port, { name: `n${i}.example.test` })
        assert.strictEqual(times("takes no metrics"), 1)
        assert.strictEqual(times("takes no log lines"), 1)
        server.child.kill("SIGTERM")
        const code = yield* Effect.promise(() => server.exit).pipe(Effect.timeout(END_WITHIN_MS))
        assert.strictEqual(code, 0)
      }
    })
  )
})
