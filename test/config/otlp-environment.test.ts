import { execFileSync } from "node:child_process"
import { join } from "node:path"
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { otlpEnvironmentWarnings, otlpFile } from "../../src/config/otlp-environment.ts"
import { fileWith } from "../support/machine/files.ts"
import { UPSTREAM, warningsOf } from "../support/servers/loading.ts"

const from = (environment: Record<string, string>) => (name: string) => environment[name]

describe("variables of OpenTelemetry that stand in the environment alone", () => {
  it.live("are warned of, each once, where they mean nothing, and what may be a key is not shown", () =>
    Effect.gen(function* () {
      for (const [variable, value, expected] of [
        ["OTEL_EXPORTER_OTLP_COMPRESSION", "zstd", "zstd: expected gzip or none; what goes by it goes uncompressed"],
        ["OTEL_EXPORTER_OTLP_TRACES_COMPRESSION", "GZIP", "GZIP: expected gzip or none"],
        ["OTEL_EXPORTER_OTLP_HEADERS", "authorization s3cret", "expected name=value"],
        ["OTEL_EXPORTER_OTLP_TRACES_HEADERS", "a=b,=s3cret", "expected name=value"],
        ["OTEL_RESOURCE_ATTRIBUTES", "a=b,s3cret", "expected name=value"],
        ["OTEL_EXPORTER_OTLP_CERTIFICATE", "/no/such.pem", "expected a readable file in PEM: ENOENT"],
        ["OTEL_EXPORTER_OTLP_TRACES_CLIENT_KEY", "/", "expected a readable file in PEM: it is a folder"]
      ] as const) {
        const said = yield* otlpEnvironmentWarnings(from({ [variable]: value }))
        assert.strictEqual(said.length, 1, variable)
        assert.match(said[0]!, new RegExp(`^${variable}: `))
        assert.include(said[0], expected)
        assert.notInclude(said[0], "s3cret")
      }
    })
  )

  it.live("are not warned of where they are right, or the one for traces comes before the wrong one", () =>
    Effect.gen(function* () {
      const pem = yield* fileWith("-----BEGIN CERTIFICATE-----\n", "ca.pem")
      const said = yield* otlpEnvironmentWarnings(
        from({
          OTEL_EXPORTER_OTLP_COMPRESSION: "zstd",
          OTEL_EXPORTER_OTLP_TRACES_COMPRESSION: "gzip",
          OTEL_EXPORTER_OTLP_HEADERS: "authorization=Basic dTpw==, x=,",
          OTEL_RESOURCE_ATTRIBUTES: "service.name=a,deployment.environment=b%20c",
          OTEL_EXPORTER_OTLP_CERTIFICATE: "/no/such.pem",
          OTEL_EXPORTER_OTLP_TRACES_CERTIFICATE: pem
        })
      )
      assert.deepStrictEqual(said, [])
    })
  )

  it.live("concern nobody without an endpoint", () =>
    Effect.gen(function* () {
      const wrong = { OTEL_EXPORTER_OTLP_COMPRESSION: "zstd" }
      const ours = (lines: ReadonlyArray<string>) => lines.filter((line) => line.includes("COMPRESSION")).length
      assert.strictEqual(ours(yield* warningsOf("retries: 1\n", { ...UPSTREAM, ...wrong })), 0)
      const endpoint = { OTEL_EXPORTER_OTLP_TRACES_ENDPOINT: "http://collector/v1/traces" }
      assert.strictEqual(ours(yield* warningsOf("retries: 1\n", { ...UPSTREAM, ...wrong, ...endpoint })), 1)
    })
  )

  it.live("name files that are read, and neither a pipe nor a device without an end", () =>
    Effect.gen(function* () {
      const pem = yield* fileWith("a certificate", "ca.pem")
      const pipe = join(pem, "../pipe")
      execFileSync("mkfifo", [pipe])
      const named = (path: string) => otlpFile("CERTIFICATE", from({ OTEL_EXPORTER_OTLP_CERTIFICATE: path }))
      assert.strictEqual(String(yield* named(pem)), "a certificate")
      for (const path of [pipe, "/dev/zero", "/no/such.pem"]) assert.isUndefined(yield* named(path), path)
    })
  )
})
