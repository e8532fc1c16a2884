/**
 * Traces on their way to a collector: OTLP over HTTP through the OpenTelemetry SDK.
 *
 * A collector that is slow or gone costs traces, counted, never a query: what waits is bounded, one export is under way
 * at a time, and each has a time limit.
 */
import { OtelTracer, Resource } from "@effect/opentelemetry"
import { type ExportResult, ExportResultCode } from "@opentelemetry/core"
import { OTLPTraceExporter as JsonExporter } from "@opentelemetry/exporter-trace-otlp-http"
import { OTLPTraceExporter as ProtobufExporter } from "@opentelemetry/exporter-trace-otlp-proto"
import type { ReadableSpan, SpanExporter, SpanProcessor } from "@opentelemetry/sdk-trace-base"
import { NodeTracerProvider } from "@opentelemetry/sdk-trace-node"
import { Effect, Layer, Tracer } from "effect"
import { Configuration } from "../config/configuration.ts"
import { Counters } from "./counters.ts"

const MAX_WAITING_SPANS = 8192
const MAX_EXPORT_SPANS = 512
const EXPORT_EVERY_MS = 1_000
const EXPORT_TIMEOUT_MS = 3_000
const FLUSH_TIMEOUT_MS = 3_000

/** Holds ended spans and exports them batch by batch. */
export class BoundedProcessor implements SpanProcessor {
  private readonly exporter: SpanExporter
  private readonly onDropped: (spans: number) => void
  private readonly waiting: Array<ReadableSpan> = []
  private underWay: Promise<void> | undefined
  private readonly timer: NodeJS.Timeout

  constructor(exporter: SpanExporter, onDropped: (spans: number) => void) {
    this.exporter = exporter
    this.onDropped = onDropped
    this.timer = setInterval(() => void this.exportOnce(), EXPORT_EVERY_MS)
    this.timer.unref()
  }

  onStart(): void {}

  onEnd(span: ReadableSpan): void {
    if (this.waiting.length >= MAX_WAITING_SPANS) this.onDropped(1)
    else this.waiting.push(span)
  }

  async forceFlush(): Promise<void> {
    const until = performance.now() + FLUSH_TIMEOUT_MS
    while ((this.waiting.length > 0 || this.underWay !== undefined) && performance.now() < until)
      await this.exportOnce()
  }

  async shutdown(): Promise<void> {
    clearInterval(this.timer)
    await this.forceFlush()
    this.onDropped(this.waiting.length)
    this.waiting.length = 0
    await this.exporter.shutdown()
  }

  private exportOnce(): Promise<void> {
    if (this.underWay !== undefined) return this.underWay
    if (this.waiting.length === 0) return Promise.resolve()
    const batch = this.waiting.splice(0, MAX_EXPORT_SPANS)
    this.underWay = new Promise<void>((resolve) => {
      const timer = setTimeout(() => settle({ code: ExportResultCode.FAILED }), EXPORT_TIMEOUT_MS)
      let isSettled = false
      const settle = (result: ExportResult): void => {
        if (isSettled) return
        isSettled = true
        clearTimeout(timer)
        if (result.code !== ExportResultCode.SUCCESS) this.onDropped(batch.length)
        this.underWay = undefined
        resolve()
      }
      this.exporter.export(batch, settle)
    })
    return this.underWay
  }
}

/** A tracer whose spans go to the collector, or, where none is configured, nowhere at no cost. */
export const layerTracer: Layer.Layer<never, never, Configuration | Counters> = Layer.unwrap(
  Effect.gen(function* () {
    const config = yield* Configuration
    const counters = yield* Counters
    if (config.otelEndpoint === undefined || config.traceSampling.kind === "never") return layerNone
    const url = `${config.otelEndpoint.replace(/\/$/, "")}/v1/traces`
    const options = { url, timeoutMillis: EXPORT_TIMEOUT_MS }
    const exporter = config.otelProtocol === "http/json" ? new JsonExporter(options) : new ProtobufExporter(options)
    const processor = new BoundedProcessor(exporter, (spans) => {
      for (let i = 0; i < spans; i++) counters.add("traces.dropped")
    })
    const provider = Layer.effect(
      OtelTracer.OtelTracerProvider,
      Effect.gen(function* () {
        const resource = yield* Resource.Resource
        return yield* Effect.acquireRelease(
          Effect.sync(() => new NodeTracerProvider({ resource, spanProcessors: [processor] })),
          (made) => Effect.ignore(Effect.promise(() => made.shutdown()))
        )
      })
    )
    return OtelTracer.layer.pipe(
      Layer.provide(provider),
      Layer.provide(Resource.layerFromEnv(Resource.configToAttributes({ serviceName: config.otelServiceName })))
    )
  })
)

const silent: Tracer.Tracer = Tracer.make({
  span: (options) => new Tracer.NativeSpan({ ...options, sampled: false })
})

const layerNone = Layer.succeed(Tracer.Tracer, silent)
