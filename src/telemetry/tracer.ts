/** The tracer that the configuration asks for. */
import { Context, Effect, Layer, type Scope, Tracer } from "effect"
import { otlpOf } from "../config/otlp.ts"
import type { SettingName, Settings } from "../config/schema/settings.ts"
import type { Counters } from "./counters.ts"

/** The settings that say where spans go, and whether any do. */
export const TRACER_SETTINGS = [
  "traceSampling",
  "otelSdkDisabled",
  "otelTracesExporter",
  "otelEndpoint",
  "otelTracesEndpoint",
  "otelProtocol",
  "otelTracesProtocol",
  "otelTimeout",
  "otelTracesTimeout",
  "otelServiceName"
] as const satisfies ReadonlyArray<SettingName>

/** A tracer whose spans go to the collector for as long as the scope lives; undefined where none is to leave. */
export const tracerFor = (
  settings: Pick<Settings, (typeof TRACER_SETTINGS)[number]>
): Effect.Effect<Tracer.Tracer | undefined, never, Counters | Scope.Scope> =>
  Effect.gen(function* () {
    const { target } = otlpOf(settings)
    if (target === undefined || settings.traceSampling.kind === "never") return undefined
    // The SDK takes a tenth of a second to load: only for those who want it.
    const { layerExport } = yield* Effect.promise(() => import("./export.ts"))
    return Context.get(yield* Layer.build(layerExport(target, settings.otelServiceName)), Tracer.Tracer)
  })
