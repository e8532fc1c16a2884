/**
 * Log lines and metrics of the whole server, exported from the supervisor's thread where the configuration asks for it,
 * now and after each change of it. Queries are answered by other threads: a collector keeps none of them waiting.
 */
import { Effect, type Scope } from "effect"
import type { Configuration } from "../config/configuration.ts"
import { otlpOf, otlpSettingsOf } from "../config/otlp.ts"
import { LogOutput } from "./logging/logging.ts"
import { families, type MetricSources } from "./metrics.ts"

/** All that is logged while the scope is open. */
export const exportLogLines = (configuration: Configuration["Service"]): Effect.Effect<void, never, Scope.Scope> =>
  Effect.gen(function* () {
    const log = yield* LogOutput
    yield* configuration.derive(["otelServiceName", ...otlpSettingsOf("logs")], (settings) =>
      Effect.gen(function* () {
        const { target } = otlpOf(settings, "logs")
        if (target === undefined) return
        const { sendLogLines } = yield* Effect.promise(() => import("../telemetry/otlp/log-lines.ts"))
        yield* log.alsoTo(yield* sendLogLines(target, settings.otelServiceName))
      })
    )
  })

export const exportMetrics = (
  configuration: Configuration["Service"],
  sources: MetricSources
): Effect.Effect<void, never, Scope.Scope> =>
  Effect.gen(function* () {
    const { startedAtMs } = sources
    const names = ["otelServiceName", "otelMetricExportInterval", ...otlpSettingsOf("metrics")] as const
    yield* configuration.derive(names, (settings) =>
      Effect.gen(function* () {
        const { target } = otlpOf(settings, "metrics")
        if (target === undefined) return
        const { sendMetrics } = yield* Effect.promise(() => import("../telemetry/otlp/metrics.ts"))
        const read = () => families(sources, new Map(), isReady(sources))
        yield* sendMetrics(target, settings.otelServiceName, settings.otelMetricExportInterval, { read, startedAtMs })
      })
    )
  })

/** Whether a worker answers at some address. */
const isReady = ({ supervisor }: MetricSources): boolean =>
  supervisor.listening().length > 0 && supervisor.workers().some(({ state }) => state === "ready")
