/**
 * Traces on their way to a collector: OTLP over HTTP through the OpenTelemetry SDK.
 *
 * A collector that is slow or gone costs traces, which are counted, and never a query. The log says once that it is
 * gone, for all threads together, and once that it is back.
 */
import * as http from "node:http"
import * as https from "node:https"
import { Socket } from "node:net"
import * as OtelTracer from "@effect/opentelemetry/OtelTracer"
import * as Resource from "@effect/opentelemetry/Resource"
import { OTLPTraceExporter as JsonExporter } from "@opentelemetry/exporter-trace-otlp-http"
import { OTLPTraceExporter as ProtobufExporter } from "@opentelemetry/exporter-trace-otlp-proto"
import { resourceFromAttributes } from "@opentelemetry/resources"
import { AlwaysOnSampler } from "@opentelemetry/sdk-trace-base"
import { NodeTracerProvider } from "@opentelemetry/sdk-trace-node"
import { Effect, Layer } from "effect"
import { shownUrl } from "../config/codec/secrets.ts"
import type { OtlpTarget } from "../config/otlp.ts"
import { otlpFile, otlpFileVariables } from "../config/otlp-environment.ts"
import { Counters } from "./counters.ts"
import { TraceProcessor } from "./trace-processor.ts"

const SERVICE_NAME = "strand"

/**
 * A tracer whose spans go to the collector.
 *
 * @param serviceName what the environment says instead where it is undefined
 */
export const layerExport = (
  target: OtlpTarget,
  serviceName: string | undefined
): Layer.Layer<OtelTracer.OtelTracer, never, Counters> =>
  OtelTracer.layer.pipe(
    Layer.provide(layerProvider(target)),
    Layer.provide(layerNamed),
    Layer.provide(Resource.layerFromEnv(serviceName === undefined ? undefined : { "service.name": serviceName }))
  )

/** The service has a name, where the environment gives it none. */
const layerNamed = Layer.effect(
  Resource.Resource,
  Effect.map(Resource.Resource, ({ attributes }) =>
    resourceFromAttributes({ "service.name": SERVICE_NAME, ...attributes })
  )
)

const layerProvider = (target: OtlpTarget) =>
  Layer.effect(
    OtelTracer.OtelTracerProvider,
    Effect.gen(function* () {
      const resource = yield* Resource.Resource
      const counters = yield* Counters
      const log = Effect.runForkWith(yield* Effect.context<never>())
      const to = `the collector at ${shownUrl(target.url)}`
      const agent = yield* agentFor(target.url)
      let isEnding = false
      let droppedAtTheEnd = 0
      const options = { url: target.url, timeoutMillis: target.timeoutMs, httpAgentOptions: () => agent }
      const processor = new TraceProcessor({
        exporter: withoutFiles(() =>
          target.protocol === "http/json" ? new JsonExporter(options) : new ProtobufExporter(options)
        ),
        timeoutMs: target.timeoutMs,
        abort: () => agent.destroy(),
        onSent: (traces) => {
          counters.add("traces.sampled", traces)
          const dropped = counters.collectorReturned()
          if (dropped !== undefined) log(Effect.logInfo(`${to} takes traces again`, { dropped }))
        },
        onDropped: (traces, reason) => {
          if (reason !== "" && counters.collectorWent()) {
            log(Effect.logWarning(`${to} takes no traces; they are dropped until it does: ${reason}`))
          }
          counters.add("traces.dropped", traces)
          if (isEnding) droppedAtTheEnd += traces
        }
      })
      return yield* Effect.acquireRelease(
        Effect.sync(
          // What is picked has been picked: the sampler of the environment has no say.
          () => new NodeTracerProvider({ resource, sampler: new AlwaysOnSampler(), spanProcessors: [processor] })
        ),
        (made) =>
          Effect.gen(function* () {
            isEnding = true
            yield* Effect.promise(() => made.shutdown().catch(() => {}))
            // What would be tried again later keeps no process.
            agent.createConnection = () => new Socket().destroy()
            agent.destroy()
            if (droppedAtTheEnd > 0)
              yield* Effect.logWarning(`${to} did not take the last traces`, { dropped: droppedAtTheEnd })
          })
      )
    })
  )

/**
 * Connections that can be ended, with the certificates that the environment names for them. What cannot be read is as
 * if it were not there: the connection then fails, and that is said.
 */
const agentFor = Effect.fnUntraced(function* (url: string) {
  const options = { keepAlive: true, maxSockets: 2 }
  if (!url.startsWith("https:")) return new http.Agent(options)
  const read = (name: string): string | undefined => process.env[name]?.trim() || undefined
  const files = {
    ca: yield* otlpFile("CERTIFICATE", read),
    cert: yield* otlpFile("CLIENT_CERTIFICATE", read),
    key: yield* otlpFile("CLIENT_KEY", read)
  }
  const given = Object.fromEntries(Object.entries(files).filter(([, octets]) => octets !== undefined))
  return new https.Agent({ ...options, ...given })
})

/** The SDK would read files that the environment names itself, a pipe or a device without an end: it hears of none. */
const withoutFiles = <A>(make: () => A): A => {
  const hidden = otlpFileVariables.map((name) => [name, process.env[name]] as const)
  for (const [name] of hidden) delete process.env[name]
  try {
    return make()
  } finally {
    for (const [name, value] of hidden) if (value !== undefined) process.env[name] = value
  }
}
