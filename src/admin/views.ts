/** What the admin side makes of what the threads write, for as long as it is there. */
import { Context, Effect, Layer } from "effect"
import { rowsOf } from "../process/metrics.ts"
import { queriesIn } from "../telemetry/counters.ts"
import { rcodeLabels } from "../telemetry/traffic.ts"
import type { UpstreamSums } from "../telemetry/upstream-counts.ts"
import { Readiness } from "./readiness.ts"
import { type AdminSources, Sources } from "./sources.ts"
import { Activity } from "./views/activity.ts"
import { Rates, type Totals } from "./views/rates.ts"
import { RecentView } from "./views/recent-view.ts"

export class Views extends Context.Service<
  Views,
  {
    readonly recent: RecentView
    readonly activity: Activity
    readonly rates: Rates
    readonly readiness: Readiness
  }
>()("strand/admin/Views") {
  static readonly layer: Layer.Layer<Views, never, Sources> = Layer.effect(
    Views,
    Effect.gen(function* () {
      const sources = yield* Sources
      const { configuration, counters, supervisor } = sources
      const isShown = (): boolean => configuration.current().recentQueries
      const recent = new RecentView(supervisor.rings, upstreamNames(counters.upstreams), isShown)
      return Views.of({
        recent,
        activity: yield* Activity.make(recent),
        rates: yield* Rates.make(() => totalsOf(sources)),
        readiness: new Readiness(supervisor)
      })
    })
  )
}

const totalsOf = (sources: AdminSources): Totals => {
  const { counters, latencies, supervisor } = sources
  const { read } = counters
  const rows = rowsOf(sources)
  const rcodes = new Array<number>(rcodeLabels.length).fill(0)
  for (const { replies } of counters.traffic()) for (const [cell, count] of replies.entries()) rcodes[cell]! += count
  const workers = supervisor.workers()
  const hits = read("cache.hits")
  const stale = read("cache.stale")
  const local = read("answers.local")
  return {
    counts: {
      queries: queriesIn(read),
      hits,
      stale,
      misses: read("answers.sent") - hits - stale - local,
      local,
      failures: read("answers.failed") + read("answers.late") + read("cache.failures"),
      shed: read("answers.shed")
    },
    rcodes,
    latencies: (name) => latencies.cells(name, rows),
    waiting: workers.reduce((sum, { gauges }) => sum + gauges["queries.waiting"], 0),
    queued: workers.reduce((sum, { gauges }) => sum + gauges["queue.length"], 0)
  }
}

/** The names of upstreams by their slots, read anew where one is not known, at most so often. */
const upstreamNames = (read: () => ReadonlyArray<UpstreamSums>): ((slot: number) => string) => {
  let names = new Map<number, string>()
  let readMs = Number.NEGATIVE_INFINITY
  return (slot) => {
    const nowMs = performance.now()
    if (nowMs - readMs > (names.has(slot) ? NAMES_STAND_MS : UNKNOWN_STANDS_MS)) {
      names = new Map(read().map((of) => [of.slot, of.upstream]))
      readMs = nowMs
    }
    return names.get(slot) ?? ""
  }
}

const NAMES_STAND_MS = 2_000
const UNKNOWN_STANDS_MS = 20
