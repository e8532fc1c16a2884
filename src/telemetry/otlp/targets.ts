/** Where signals go by the settings. What sends them takes a tenth of a second to load: only for those who want it. */
import { Context, Effect, type Scope } from "effect"
import { otlpOf, otlpSettingsOf } from "../../config/otlp.ts"
import type { SettingName, Settings } from "../../config/schema/settings.ts"
import type { Counters } from "../counters.ts"
import type { Trace } from "../trace-tree.ts"

/** The settings that say where traces go, and whether any do. */
export const TRACE_SETTINGS = [
  "traceSampling",
  "otelServiceName",
  ...otlpSettingsOf("traces")
] as const satisfies ReadonlyArray<SettingName>

/** Sends a trace. */
export type SendTrace = (trace: Trace) => void

type MakeTraceSender = (
  settings: Pick<Settings, (typeof TRACE_SETTINGS)[number]>
) => Effect.Effect<SendTrace | undefined, never, Counters | Scope.Scope>

const toCollector: MakeTraceSender = (settings) =>
  Effect.gen(function* () {
    const { target } = otlpOf(settings, "traces")
    if (target === undefined || settings.traceSampling.kind === "never") return undefined
    const { sendTraces } = yield* Effect.promise(() => import("./traces.ts"))
    return yield* sendTraces(target, settings.otelServiceName)
  })

/** What takes traces by the settings, for as long as the scope lives; undefined where nobody does. */
export const TraceSender: Context.Reference<MakeTraceSender> = Context.Reference<MakeTraceSender>(
  "strand/telemetry/TraceSender",
  { defaultValue: () => toCollector }
)
