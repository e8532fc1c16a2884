/** The metrics that the server exports: dashboards and alerts ask for these, and for no others. */

type Kind = "counter" | "gauge" | "histogram"

interface Metric {
  readonly kind: Kind
  readonly labels: ReadonlyArray<string>
}

const of = (kind: Kind, ...labels: ReadonlyArray<string>): Metric => ({ kind, labels })

export const metrics: Readonly<Record<string, Metric>> = {
  strand_dns_requests_total: of("counter", "server", "proto", "family", "type"),
  strand_dns_responses_total: of("counter", "server", "proto", "family", "rcode"),
  strand_dns_request_duration_seconds: of("histogram", "outcome"),
  strand_dns_request_size_bytes: of("histogram", "server", "proto", "family"),
  strand_dns_response_size_bytes: of("histogram", "server", "proto", "family"),
  strand_cache_entries: of("gauge"),
  strand_cache_bytes: of("gauge"),
  strand_cache_hits_total: of("counter"),
  strand_cache_misses_total: of("counter"),
  strand_cache_evictions_total: of("counter"),
  strand_cache_prefetch_total: of("counter"),
  strand_cache_served_stale_total: of("counter"),
  strand_upstream_request_duration_seconds: of("histogram", "upstream", "rcode"),
  strand_upstream_state: of("gauge", "upstream", "state"),
  strand_upstream_in_flight: of("gauge", "upstream"),
  strand_upstream_attempts_total: of("counter", "upstream"),
  strand_upstream_retries_total: of("counter", "upstream"),
  strand_upstream_hedges_total: of("counter", "upstream"),
  strand_upstream_failures_total: of("counter", "upstream", "kind"),
  strand_queries_waiting: of("gauge", "worker"),
  strand_permits_used: of("gauge", "worker"),
  strand_queue_length: of("gauge", "worker"),
  strand_queries_shed_total: of("counter"),
  strand_workers: of("gauge"),
  strand_worker_replacements_total: of("counter"),
  strand_event_loop_delay_seconds: of("gauge", "worker", "quantile"),
  strand_memory_bytes: of("gauge", "kind"),
  strand_traces_dropped_total: of("counter"),
  strand_build_info: of("gauge", "version", "node"),
  strand_config_generation: of("gauge"),
  strand_config_reload_failures_total: of("counter"),
  strand_ready: of("gauge")
}

/** Labels that Prometheus adds to all, and that of a histogram's buckets. */
const EVERYWHERE = ["instance", "job"]

interface Series {
  readonly name: string
  /** Labels that are asked for. */
  readonly labels: ReadonlyArray<string>
}

/** The series of the server that an expression asks for. */
export const seriesIn = (expression: string): ReadonlyArray<Series> =>
  [...expression.matchAll(/\b(strand_\w+)(?:\{([^}]*)\})?/g)].map(([, name, matchers = ""]) => ({
    name: name!,
    labels: [...matchers.matchAll(/(\w+)\s*(?:=~|!~|!=|=)/g)].map(([, label]) => label!)
  }))

/** Labels that the expression groups by: those of any of its series. */
const groupedBy = (expression: string): ReadonlyArray<string> =>
  [...expression.matchAll(/\b(?:by|on)\s*\(([^)]*)\)/g)].flatMap(([, labels]) =>
    labels!.split(",").map((l) => l.trim())
  )

/** The metric that a series belongs to: a histogram has three kinds of them. */
export const metricOf = (series: string): string | undefined => {
  if (metrics[series] !== undefined) return metrics[series].kind === "histogram" ? undefined : series
  const [, base] = /^(.*)_(?:bucket|count|sum)$/.exec(series) ?? []
  return base !== undefined && metrics[base]?.kind === "histogram" ? base : undefined
}

/** What an expression asks for that there is not. */
export const unknownIn = (expression: string): ReadonlyArray<string> => {
  const series = seriesIn(expression)
  const labelsOf = (name: string): ReadonlyArray<string> => [
    ...EVERYWHERE,
    ...(name.endsWith("_bucket") ? ["le"] : []),
    ...(metrics[metricOf(name) ?? ""]?.labels ?? [])
  ]
  const all = series.flatMap(({ name }) => labelsOf(name))
  return [
    ...series.filter(({ name }) => metricOf(name) === undefined).map(({ name }) => name),
    ...series.flatMap(({ name, labels }) =>
      labels.filter((label) => !labelsOf(name).includes(label)).map((label) => `${name}{${label}}`)
    ),
    ...groupedBy(expression).filter((label) => !all.includes(label))
  ]
}
