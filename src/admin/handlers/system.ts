/** Health, metrics, status, and the end. */
import { memoryUsage } from "node:process"
import { Effect } from "effect"
import { HttpServerRequest, HttpServerResponse } from "effect/http"
import { HttpApiBuilder } from "effect/http-api"
import { formatEndpoint } from "../../io/endpoint.ts"
import { families } from "../../process/metrics.ts"
import { contentTypes, formatFamilies, formatFor } from "../../telemetry/metrics/text-format.ts"
import { AdminApi } from "../api/api.ts"
import { orNull } from "../or-null.ts"
import { type AdminSources, Sources } from "../sources.ts"
import { Views } from "../views.ts"

/** Seconds that a drain lasts where none are given: what watches readiness looks every few seconds. */
const DRAIN_SECONDS = 10
const LONGEST_DRAIN_SECONDS = 3_600

const text = { contentType: "text/plain; charset=utf-8" }

export const systemHandlers = HttpApiBuilder.group(
  AdminApi,
  "system",
  Effect.fnUntraced(function* (handlers) {
    const sources = yield* Sources
    const { activity, rates, readiness } = yield* Views
    const { cache, control, counters, supervisor } = sources
    return handlers.handleAll({
      healthz: () => Effect.succeed(HttpServerResponse.text("ok\n", text)),
      readyz: () =>
        Effect.sync(() => {
          const { missing } = readiness
          return missing.length === 0
            ? HttpServerResponse.text("ok\n", text)
            : HttpServerResponse.text(`${missing.join("\n")}\n`, { ...text, status: 503 })
        }),
      metrics: () =>
        Effect.map(HttpServerRequest.HttpServerRequest, ({ headers }) => {
          const format = formatFor(headers["accept"])
          const body = formatFamilies(families(sources, activity.exemplars, readiness.isReady), format)
          return HttpServerResponse.text(body, { contentType: contentTypes[format] })
        }),
      status: () =>
        Effect.sync(() => {
          const { heapUsed, rss } = memoryUsage()
          const workers = supervisor.workers()
          return {
            version: sources.version,
            node: process.versions.node,
            uptimeSeconds: Math.round((Date.now() - sources.startedAtMs) / 1000),
            generation: control.generation(),
            isReady: readiness.isReady,
            isDraining: readiness.isDraining,
            listening: supervisor
              .listening()
              .map(({ protocol, endpoint }) => `${protocol}://${formatEndpoint(endpoint)}`),
            sharedConfiguration: sharedOf(sources),
            workers: workers.map(({ number, state, replacements, gauges }) => ({
              number,
              state,
              replacements,
              queriesWaiting: gauges["queries.waiting"],
              permitsUsed: gauges["permits.used"],
              queueLength: gauges["queue.length"],
              resolvers: gauges.resolvers,
              tcpConnections: gauges["tcp.connections"],
              heapBytes: gauges["heap.used"],
              loopDelayMs: gauges["loop.delay.p99"]
            })),
            memory: {
              residentBytes: rss,
              cacheBytes: cache.memory().byteLength,
              heapBytes: workers.reduce((sum, { gauges }) => sum + gauges["heap.used"], heapUsed)
            },
            totals: counters.snapshot() as Record<string, number>,
            rates: { last10Seconds: rates.over(10), lastMinute: rates.over(60), last10Minutes: rates.over(600) }
          }
        }),
      seconds: ({ query }) => Effect.sync(() => rates.seconds(Math.max(1, Math.min(600, query.last ?? 60)))),
      drain: ({ payload }) =>
        Effect.gen(function* () {
          const seconds = Math.max(0, Math.min(LONGEST_DRAIN_SECONDS, payload.seconds ?? DRAIN_SECONDS))
          readiness.drain(seconds, sources.end)
          yield* Effect.logInfo("not ready any more: drained by the admin API", { ends_in_seconds: seconds })
          return { endsInSeconds: seconds }
        })
    })
  })
)

const sharedOf = ({ shared }: AdminSources) => {
  const state = shared()
  return state === undefined ? null : { ...state, error: orNull(state.error) }
}
