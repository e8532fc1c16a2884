/** The tracer that the configuration asks for. */
import { Effect, Layer, Tracer } from "effect"
import { Configuration } from "../config/configuration.ts"
import { otlpOf } from "../config/otlp.ts"
import type { Counters } from "./counters.ts"

/** A tracer whose spans go to the collector, or, where none is configured, nowhere at no cost. */
export const layerTracer: Layer.Layer<never, never, Configuration | Counters> = Layer.unwrap(
  Effect.gen(function* () {
    const config = yield* Configuration
    const { target } = otlpOf(config)
    if (target === undefined || config.traceSampling.kind === "never") return layerNone
    // The SDK takes a tenth of a second to load: only for those who want it.
    const { layerExport } = yield* Effect.promise(() => import("./export.ts"))
    return layerExport(target, config.otelServiceName)
  })
)

const silent: Tracer.Tracer = Tracer.make({
  span: (options) => new Tracer.NativeSpan({ ...options, sampled: false })
})

const layerNone = Layer.succeed(Tracer.Tracer, silent)
