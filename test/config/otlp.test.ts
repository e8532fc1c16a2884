import { assert, describe, it } from "@effect/vitest"
import { ConfigProvider, Effect } from "effect"
import { shownUrl } from "../../src/config/codec/secrets.ts"
import { load } from "../../src/config/configuration.ts"
import { otlpOf } from "../../src/config/otlp.ts"
import { fileWith } from "../support/machine/files.ts"
import { loadedOf, settingsOf } from "../support/servers/settings.ts"

const urlOf = (environment: Record<string, string>): string | undefined =>
  otlpOf(settingsOf(environment), "traces").target?.url

describe("where traces go", () => {
  it("is nowhere unless an endpoint is given", () => {
    assert.strictEqual(urlOf({}), undefined)
    assert.strictEqual(urlOf({ OTEL_EXPORTER_OTLP_ENDPOINT: "" }), undefined)
  })

  it("is the path for traces below the endpoint for all signals, added once", () => {
    const cases = {
      "http://collector:4318": "http://collector:4318/v1/traces",
      "http://collector:4318/": "http://collector:4318/v1/traces",
      "https://collector/otlp": "https://collector/otlp/v1/traces",
      "https://collector/otlp/": "https://collector/otlp/v1/traces",
      "http://collector:4318/v1/traces": "http://collector:4318/v1/traces",
      "http://collector:4318/v1/traces/": "http://collector:4318/v1/traces",
      "http://[::1]:4318/a/v1/traces": "http://[::1]:4318/a/v1/traces",
      "https://collector/otlp?key=1": "https://collector/otlp/v1/traces?key=1"
    }
    for (const [endpoint, url] of Object.entries(cases)) {
      assert.strictEqual(urlOf({ OTEL_EXPORTER_OTLP_ENDPOINT: endpoint }), url)
    }
  })

  it("is the endpoint for traces as it is, where there is one", () => {
    const both = { OTEL_EXPORTER_OTLP_ENDPOINT: "http://all:4318" }
    const cases = {
      "http://own:4318": "http://own:4318/",
      "http://own:4318/v1/traces": "http://own:4318/v1/traces",
      "http://own/ingest": "http://own/ingest"
    }
    for (const [endpoint, url] of Object.entries(cases)) {
      assert.strictEqual(urlOf({ ...both, OTEL_EXPORTER_OTLP_TRACES_ENDPOINT: endpoint }), url)
      assert.strictEqual(urlOf({ OTEL_EXPORTER_OTLP_TRACES_ENDPOINT: endpoint }), url)
    }
  })

  it("is nowhere where the SDK is disabled or traces have no exporter", () => {
    const endpoint = { OTEL_EXPORTER_OTLP_ENDPOINT: "http://collector:4318" }
    assert.strictEqual(urlOf({ ...endpoint, OTEL_SDK_DISABLED: "true" }), undefined)
    assert.strictEqual(urlOf({ ...endpoint, OTEL_SDK_DISABLED: "TRUE" }), undefined)
    assert.strictEqual(urlOf({ ...endpoint, OTEL_TRACES_EXPORTER: "none" }), undefined)
    assert.isDefined(urlOf({ ...endpoint, OTEL_SDK_DISABLED: "false", OTEL_TRACES_EXPORTER: "otlp" }))
  })

  it("goes by what is said of traces alone before what is said of all signals", () => {
    const { target } = otlpOf(
      settingsOf({
        OTEL_EXPORTER_OTLP_ENDPOINT: "http://collector",
        OTEL_EXPORTER_OTLP_PROTOCOL: "http/protobuf",
        OTEL_EXPORTER_OTLP_TRACES_PROTOCOL: "http/json",
        OTEL_EXPORTER_OTLP_TIMEOUT: "9000",
        OTEL_EXPORTER_OTLP_TRACES_TIMEOUT: "700"
      }),
      "traces"
    )
    assert.strictEqual(target?.protocol, "http/json")
    assert.strictEqual(target?.timeoutMs, 700)
  })
})

describe("where logs and metrics go", () => {
  const urlsOf = (environment: Record<string, string>) => {
    const settings = settingsOf({ OTEL_EXPORTER_OTLP_ENDPOINT: "http://collector:4318", ...environment })
    return [otlpOf(settings, "logs").target?.url, otlpOf(settings, "metrics").target?.url]
  }

  it("is nowhere unless they are asked for, wherever traces go", () => {
    assert.deepStrictEqual(urlsOf({}), [undefined, undefined])
    assert.deepStrictEqual(urlsOf({ OTEL_LOGS_EXPORTER: "none,otlp", OTEL_METRICS_EXPORTER: "prometheus" }), [
      undefined,
      undefined
    ])
  })

  it("is a path of their own below the endpoint for all signals, or an endpoint of their own", () => {
    const both = { OTEL_LOGS_EXPORTER: "otlp", OTEL_METRICS_EXPORTER: "otlp" }
    assert.deepStrictEqual(urlsOf(both), ["http://collector:4318/v1/logs", "http://collector:4318/v1/metrics"])
    assert.deepStrictEqual(urlsOf({ ...both, OTEL_EXPORTER_OTLP_ENDPOINT: "https://all/otlp/v1/traces?k=1" }), [
      "https://all/otlp/v1/logs?k=1",
      "https://all/otlp/v1/metrics?k=1"
    ])
    assert.deepStrictEqual(
      urlsOf({
        ...both,
        OTEL_EXPORTER_OTLP_LOGS_ENDPOINT: "http://own/l",
        OTEL_EXPORTER_OTLP_METRICS_ENDPOINT: "http://own/m"
      }),
      ["http://own/l", "http://own/m"]
    )
    assert.deepStrictEqual(urlsOf({ ...both, OTEL_SDK_DISABLED: "true" }), [undefined, undefined])
  })

  it("an exporter that is not known is warned of, and nothing goes", () => {
    const loaded = loadedOf({ OTEL_EXPORTER_OTLP_ENDPOINT: "http://collector", OTEL_METRICS_EXPORTER: "prometheus" })
    const said = loaded.warnings.filter((warning) => warning.startsWith("OTEL_METRICS_EXPORTER"))
    assert.deepStrictEqual(said, ["OTEL_METRICS_EXPORTER: prometheus: expected otlp or none; no metrics go"])
  })
})

describe("a value for OpenTelemetry that means nothing here", () => {
  const endpoint = { OTEL_EXPORTER_OTLP_ENDPOINT: "http://collector:4318" }
  const cases: ReadonlyArray<readonly [variable: string, value: string, url: string | undefined]> = [
    ["OTEL_EXPORTER_OTLP_PROTOCOL", "grpc", "http://collector:4318/v1/traces"],
    ["OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "GRPC", "http://collector:4318/v1/traces"],
    ["OTEL_EXPORTER_OTLP_PROTOCOL", "http/xml", "http://collector:4318/v1/traces"],
    ["OTEL_EXPORTER_OTLP_ENDPOINT", "collector:4318", undefined],
    ["OTEL_EXPORTER_OTLP_ENDPOINT", "not a url", undefined],
    ["OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "grpc://collector:4317", "http://collector:4318/v1/traces"],
    ["OTEL_EXPORTER_OTLP_TIMEOUT", "soon", "http://collector:4318/v1/traces"],
    ["OTEL_EXPORTER_OTLP_TRACES_TIMEOUT", "0", "http://collector:4318/v1/traces"],
    ["OTEL_SDK_DISABLED", "1", "http://collector:4318/v1/traces"],
    ["OTEL_TRACES_EXPORTER", "zipkin", "http://collector:4318/v1/traces"]
  ]
  for (const [variable, value, url] of cases) {
    it(`is warned of in one line and stops nothing: ${variable}=${value}`, () => {
      const loaded = loadedOf({ ...endpoint, [variable]: value })
      const said = loaded.warnings.filter((warning) => warning.startsWith(variable))
      assert.strictEqual(said.length, 1)
      assert.include(said[0], value)
      const { target } = otlpOf(loaded.settings, "traces")
      assert.strictEqual(target?.url, url)
      assert.strictEqual(target?.protocol ?? "http/protobuf", "http/protobuf")
    })
  }

  it.effect("is a mistake in the server's own file", () =>
    Effect.gen(function* () {
      const file = yield* fileWith("upstreams: 192.0.2.1\notel_endpoint: collector:4318\notel_protocol: grpc\n")
      const error = yield* Effect.flip(
        load(file).pipe(Effect.provideService(ConfigProvider.ConfigProvider, ConfigProvider.fromEnv({ env: {} })))
      )
      assert.include(error.message, "otel_endpoint: collector:4318: expected an http:// or https:// URL")
      assert.include(error.message, "otel_protocol: grpc: expected http/protobuf or http/json")
    })
  )
})

describe("an endpoint as it is shown", () => {
  it("has no user, password or query", () => {
    assert.strictEqual(shownUrl("https://user:s%40cret@collector/otlp?api-key=s3cret"), "https://…@collector/otlp?…")
    assert.strictEqual(shownUrl("http://collector:4318/v1/traces"), "http://collector:4318/v1/traces")
    assert.strictEqual(shownUrl("user:secret@collector:4318"), "…@collector:4318")
  })
})
