import { execFileSync } from "node:child_process"
import { join } from "node:path"
import { assert, describe, it } from "@effect/vitest"
import { Effect, type Scope } from "effect"
import { collector } from "../support/external/otlp-collector.ts"
import { type BadServer, drippingServer, refusingToAccept, silentServer } from "../support/faults/bad-servers.ts"
import { fileWith } from "../support/machine/files.ts"
import { freePort } from "../support/machine/ports.ts"
import { untilSo } from "../support/machine/until.ts"
import { type Started, startListening } from "../support/servers/process.ts"
import { ask, rcodeOf } from "../support/servers/server.ts"
import { address, fakeUpstream } from "../support/upstreams/fake-upstream.ts"

const traced = (settings: Record<string, string>) =>
  Effect.gen(function* () {
    const upstream = yield* fakeUpstream(address("192.0.2.1"))
    return yield* startListening({
      DNS_SERVER_UPSTREAMS: upstream.address,
      DNS_SERVER_TRACE_SAMPLING: "always",
      OTEL_EXPORTER_OTLP_PROTOCOL: "http/json",
      ...settings
    })
  })

let asked = 0
const askSome = (server: Started, count = 10) =>
  Effect.gen(function* () {
    for (let i = 0; i < count; i++) {
      assert.strictEqual(rcodeOf(yield* ask(server.port, { name: `n${asked++}.example.test` })), "NOERROR")
    }
  })

/** Asks again and again until it is so. */
const askUntil = (server: Started, what: string, isSo: () => boolean) =>
  Effect.gen(function* () {
    yield* untilSo(
      what,
      Effect.map(
        Effect.suspend(() => (isSo() ? Effect.void : askSome(server, 1))),
        isSo
      )
    )
  })

const timesSaid = (server: Started, what: string): number => server.output().split(what).length - 1

const behaviours: ReadonlyArray<readonly [name: string, start: Effect.Effect<BadServer, never, Scope.Scope>]> = [
  ["drips its answer", drippingServer("body")],
  ["drips its headers", drippingServer("headers")],
  ["accepts and never answers", silentServer],
  ["accepts no connection", refusingToAccept]
]

/** Three seconds, and what a busy machine adds to the rest of the end: the collectors go on for minutes. */
const END_WITHIN_MS = 60_000
for (const workers of ["1", "2"]) {
  describe(`a server of ${workers} worker${workers === "1" ? "" : "s"} with a collector that`, () => {
    it.live("drips, stays silent or accepts nothing answers, and ends on SIGTERM all the same", () =>
      Effect.forEach(
        behaviours,
        ([name, start]) =>
          Effect.gen(function* () {
            const bad = yield* start
            const server = yield* traced({ DNS_SERVER_WORKERS: workers, OTEL_EXPORTER_OTLP_ENDPOINT: bad.url })
            yield* askSome(server)
            // In the middle of an export, and with more behind it.
            if (name !== "accepts no connection") yield* askUntil(server, "an export", () => bad.asked() > 0)
            server.child.kill("SIGTERM")
            const code = yield* Effect.promise(() => server.exit).pipe(Effect.timeout(END_WITHIN_MS))
            assert.strictEqual(code, 0, name)
            assert.isAbove(timesSaid(server, "did not take the last traces"), 0, name)
          }),
        { concurrency: "unbounded", discard: true }
      )
    )

    it.live("goes and comes back is spoken of in one line each, with the number of traces dropped meanwhile", () =>
      Effect.gen(function* () {
        const port = yield* freePort
        const server = yield* traced({
          DNS_SERVER_WORKERS: workers,
          OTEL_EXPORTER_OTLP_ENDPOINT: `http://user:secret@127.0.0.1:${port}`,
          OTEL_EXPORTER_OTLP_TIMEOUT: "300"
        })
        yield* askUntil(server, "that it is gone", () => timesSaid(server, "takes no traces") > 0)
        const { exports, spans } = yield* collector(false, port)
        yield* askUntil(server, "that it is back", () => timesSaid(server, "takes traces again") > 0)
        yield* askUntil(server, "whole traces", () => spans.some((span) => span.name === "dns.query"))
        // Of one that is slower than its time limit, as on a busy machine, it is said that it has gone once more.
        const said = Array.from(server.output().matchAll(/takes no traces|takes traces again/g), ([words]) => words)
        assert.deepStrictEqual(
          said,
          said.map((_, i) => (i % 2 === 0 ? "takes no traces" : "takes traces again"))
        )
        assert.match(server.output(), /takes no traces[^\n]*ECONNREFUSED/)
        assert.match(server.output(), /takes traces again","?[^\n]*"dropped":[1-9]/)
        assert.notInclude(server.output(), "secret")
        assert.strictEqual(exports[0]!.headers.authorization, `Basic ${btoa("user:secret")}`)
      })
    )
  })
}

describe("what OpenTelemetry's variables say", () => {
  it.live("is heeded: endpoint for traces, headers, resource", () =>
    Effect.gen(function* () {
      const { exports, url } = yield* collector()
      const server = yield* traced({
        OTEL_EXPORTER_OTLP_ENDPOINT: "http://127.0.0.1:9",
        OTEL_EXPORTER_OTLP_TRACES_ENDPOINT: `${url}/ingest`,
        OTEL_EXPORTER_OTLP_HEADERS: "x-all=for%20all,x-both=1",
        OTEL_EXPORTER_OTLP_TRACES_HEADERS: "x-both=2",
        OTEL_RESOURCE_ATTRIBUTES: "service.name=named-there,deployment.environment.name=a%2Cb"
      })
      yield* askUntil(server, "an export", () => exports.length > 0)
      const { path, headers, resource } = exports[0]!
      assert.strictEqual(path, "/ingest")
      assert.strictEqual(headers["x-all"], "for all")
      assert.strictEqual(headers["x-both"], "2")
      assert.strictEqual(resource["service.name"], "named-there")
      assert.strictEqual(resource["deployment.environment.name"], "a,b")
    })
  )

  it.live("of the service's name comes first, and without any it is strand", () =>
    Effect.gen(function* () {
      for (const [settings, name] of [
        [{ OTEL_SERVICE_NAME: "mine", OTEL_RESOURCE_ATTRIBUTES: "service.name=other" }, "mine"],
        [{ OTEL_RESOURCE_ATTRIBUTES: "%%%=broken" }, "strand"],
        [{}, "strand"]
      ] as const) {
        const { exports, url } = yield* collector()
        const server = yield* traced({ OTEL_EXPORTER_OTLP_ENDPOINT: `${url}/v1/traces`, ...settings })
        yield* askUntil(server, "an export", () => exports.length > 0)
        assert.strictEqual(exports[0]!.resource["service.name"], name)
        assert.strictEqual(exports[0]!.path, "/v1/traces")
      }
    })
  )

  it.live("that is not spoken here is warned of, and traces go by HTTP", () =>
    Effect.gen(function* () {
      const { exports, url } = yield* collector()
      const server = yield* traced({
        OTEL_EXPORTER_OTLP_ENDPOINT: url,
        OTEL_EXPORTER_OTLP_PROTOCOL: "http/json",
        OTEL_TRACES_EXPORTER: "otlp,console"
      })
      yield* askUntil(server, "an export", () => exports.length > 0)
      assert.strictEqual(timesSaid(server, "OTEL_TRACES_EXPORTER: otlp,console: expected otlp or none"), 1)
      const other = yield* traced({ OTEL_EXPORTER_OTLP_ENDPOINT: url, OTEL_EXPORTER_OTLP_PROTOCOL: "grpc" })
      yield* askSome(other, 1)
      assert.strictEqual(timesSaid(other, "OTEL_EXPORTER_OTLP_PROTOCOL: grpc"), 1)
    })
  )

  it.live(
    "certificates that are a pipe, a device without an end or nowhere keep nobody from an answer, nor a trace",
    () =>
      Effect.gen(function* () {
        const { exports, url } = yield* collector()
        const pipe = join(yield* fileWith("", "beside"), "../pipe")
        execFileSync("mkfifo", [pipe])
        for (const file of [pipe, "/dev/zero", "/no/such.pem"]) {
          const server = yield* traced({
            DNS_SERVER_WORKERS: "2",
            OTEL_EXPORTER_OTLP_ENDPOINT: url,
            OTEL_EXPORTER_OTLP_CERTIFICATE: file,
            OTEL_EXPORTER_OTLP_TRACES_CLIENT_KEY: file
          })
          const before = exports.length
          yield* askUntil(server, "an export", () => exports.length > before)
          assert.strictEqual(timesSaid(server, "it is as if it were not there"), 2)
        }
      })
  )

  it.live("OTEL_TRACES_SAMPLER has no say: what trace_sampling picks leaves", () =>
    Effect.gen(function* () {
      const { exports, url } = yield* collector()
      const server = yield* traced({ OTEL_EXPORTER_OTLP_ENDPOINT: url, OTEL_TRACES_SAMPLER: "always_off" })
      yield* askUntil(server, "an export", () => exports.length > 0)
    })
  )

  it.live("OTEL_SDK_DISABLED sends nothing", () =>
    Effect.gen(function* () {
      const { exports, url } = yield* collector()
      const server = yield* traced({ OTEL_EXPORTER_OTLP_ENDPOINT: url, OTEL_SDK_DISABLED: "true" })
      yield* askSome(server, 1)
      server.child.kill("SIGTERM")
      yield* Effect.promise(() => server.exit)
      assert.strictEqual(exports.length, 0)
    })
  )
})
