/** All metrics of the server, from what its threads have counted. The names are CoreDNS's where it has one. */
import { memoryUsage } from "node:process"
import type { AnswerCache } from "../cache/answer-cache.ts"
import type { Counters } from "../telemetry/counters.ts"
import { HISTOGRAM_CELLS, middleOf } from "../telemetry/histogram.ts"
import { type Latencies, type LatencyName, latencyNames } from "../telemetry/latencies.ts"
import { queryDurationSteps, stepOfDuration } from "../telemetry/metrics/duration-steps.ts"
import type { Exemplar, Family, Labels, NumberSeries } from "../telemetry/metrics/family.ts"
import { type ListenerCounts, rcodeLabels, sizeSteps, typeLabels } from "../telemetry/traffic.ts"
import {
  attemptsOf,
  durationSteps,
  type OutcomeName,
  replyRcodes,
  type UpstreamSums
} from "../telemetry/upstream-counts.ts"
import type { ServerControl } from "./server-control.ts"
import type { Supervisor } from "./supervisor.ts"

/** What metrics are read from. */
export interface MetricSources {
  readonly version: string
  /** Milliseconds since 1970. */
  readonly startedAtMs: number
  readonly supervisor: Supervisor["Service"]
  readonly control: ServerControl["Service"]
  readonly counters: Counters["Service"]
  readonly latencies: Latencies["Service"]
  readonly cache: AnswerCache["Service"]
  /** Changes that were refused. */
  readonly refusals: () => number
}

/**
 * Rows of shared memory that threads have written: of as many workers as there ever were, for what they counted stays
 * counted. The supervisor's own behind them are not among them.
 */
export const rowsOf = ({ supervisor }: Pick<MetricSources, "supervisor">): number =>
  Math.max(1, ...supervisor.workers().map(({ number }) => number), ...supervisor.rings().keys())

/** The last query that was seen of each outcome and step. */
export type Exemplars = ReadonlyMap<LatencyName, ReadonlyMap<number, Exemplar>>

export const families = (sources: MetricSources, exemplars: Exemplars, isReady: boolean): ReadonlyArray<Family> => [
  ...ofTraffic(sources.counters.traffic()),
  ofDurations(sources, exemplars),
  ...ofQueries(sources),
  ...ofCache(sources),
  ...ofUpstreams(sources),
  ...ofThreads(sources),
  ...ofProcess(sources, isReady)
]

const counter = (name: string, help: string, series: ReadonlyArray<NumberSeries>): Family => ({
  kind: "counter",
  name: `strand_${name}`,
  help,
  series
})

const gauge = (
  name: string,
  help: string,
  series: ReadonlyArray<NumberSeries>,
  unit?: "seconds" | "bytes"
): Family => ({
  kind: "gauge",
  name: `strand_${name}`,
  help,
  series,
  ...(unit === undefined ? {} : { unit })
})

const one = (value: number, labels: Labels = {}): ReadonlyArray<NumberSeries> => [{ labels, value }]

const ofTraffic = (listeners: ReadonlyArray<ListenerCounts>): ReadonlyArray<Family> => {
  const labelsOf = ({ server, protocol, family }: ListenerCounts): Labels => ({
    server: `dns://${server}`,
    proto: protocol,
    family
  })
  const nonZero = (
    counts: ReadonlyArray<number>,
    labels: Labels,
    name: string,
    values: ReadonlyArray<string>
  ): ReadonlyArray<NumberSeries> =>
    counts.flatMap((value, i) => (value === 0 ? [] : [{ labels: { ...labels, [name]: values[i]! }, value }]))
  const sizes = (name: string, help: string, of: "querySizes" | "replySizes"): Family => ({
    kind: "histogram",
    name: `strand_dns_${name}_bytes`,
    unit: "bytes",
    help,
    series: listeners.map((listener) => ({
      labels: labelsOf(listener),
      bounds: sizeSteps,
      counts: [...listener[of].counts, 0],
      sum: listener[of].octets
    }))
  })
  return [
    counter(
      "dns_requests",
      "queries received, by listener, type and IP family (1 is IPv4, 2 IPv6)",
      listeners.flatMap((listener) => nonZero(listener.queries, labelsOf(listener), "type", typeLabels))
    ),
    counter(
      "dns_responses",
      "replies sent, by listener and rcode",
      listeners.flatMap((listener) => nonZero(listener.replies, labelsOf(listener), "rcode", rcodeLabels))
    ),
    sizes("request_size", "octets of queries", "querySizes"),
    sizes("response_size", "octets of replies", "replySizes")
  ]
}

const ofDurations = (sources: MetricSources, exemplars: Exemplars): Family => ({
  kind: "histogram",
  name: "strand_dns_request_duration_seconds",
  unit: "seconds",
  help: "from when a query was taken in until its reply was handed over, by how it was answered",
  series: latencyNames.map((name) => {
    const cells = sources.latencies.cells(name, rowsOf(sources))
    const counts = new Array<number>(queryDurationSteps.length + 1).fill(0)
    for (let cell = 0; cell < HISTOGRAM_CELLS; cell++) {
      if (cells[cell] !== 0) counts[stepOfDuration(middleOf(cell) / 1e6)]! += cells[cell]!
    }
    return {
      labels: { outcome: name },
      bounds: queryDurationSteps,
      counts,
      sum: cells[HISTOGRAM_CELLS]! / 1000,
      exemplars: exemplars.get(name)
    }
  })
})

const ofQueries = ({ counters }: MetricSources): ReadonlyArray<Family> => [
  counter(
    "queries_shed",
    "queries answered SERVFAIL because too many were waiting",
    one(counters.read("answers.shed"))
  ),
  counter("queries_late", "queries whose deadline passed", one(counters.read("answers.late"))),
  counter(
    "queries_failed",
    "queries answered SERVFAIL because no upstream answered well",
    one(counters.read("answers.failed"))
  ),
  counter("queries_denied", "queries of clients that may not ask", one(counters.read("queries.denied"))),
  counter(
    "queries_malformed",
    "queries answered by an error for what they are",
    one(counters.read("queries.malformed"))
  ),
  counter("queries_looped", "queries that came back to this server", one(counters.read("queries.looped"))),
  counter(
    "queries_limited",
    "queries of client networks that send more than they may",
    one(counters.read("queries.limited"))
  ),
  counter(
    "floods",
    "times that the kernel was told to drop most of what a client sends, a flood",
    one(counters.read("queries.floods"))
  ),
  counter("responses_limited", "replies that were too many for a client's network, by what became of them", [
    { labels: { action: "dropped" }, value: counters.read("answers.limited") },
    { labels: { action: "truncated" }, value: counters.read("answers.slipped") }
  ]),
  counter(
    "responses_rebound",
    "answers that private addresses were taken out of",
    one(counters.read("answers.rebound"))
  ),
  counter(
    "cookies",
    "queries with a DNS cookie, by what it is",
    (["new", "valid", "invalid"] as const).map((state) => ({
      labels: { state },
      value: counters.read(`cookies.${state}`)
    }))
  ),
  counter(
    "queries_dropped",
    "packets that were no query, or cannot be answered",
    one(counters.read("queries.dropped"))
  ),
  counter(
    "queries_coalesced",
    "queries that shared the exchange of an equal one",
    one(counters.read("upstream.coalesced"))
  ),
  counter("responses_unsent", "replies that the kernel did not take", one(counters.read("answers.unsent"))),
  counter("tcp_connections_accepted", "connections accepted", one(counters.read("tcp.accepted"))),
  counter(
    "tcp_connections_refused",
    "connections closed because there were too many",
    one(counters.read("tcp.refused"))
  ),
  counter(
    "tcp_connections_expired",
    "connections closed because they were idle or did not read",
    one(counters.read("tcp.expired"))
  ),
  counter(
    "tcp_connections_limited",
    "connections closed because their client opened too many a second",
    one(counters.read("tcp.limited"))
  ),
  counter(
    "tcp_connections_worn",
    "connections closed because they had lived, or asked, as long as they may",
    one(counters.read("tcp.worn"))
  ),
  counter("panics", "faults of this server's own", one(counters.read("defects") + counters.read("process.defects"))),
  counter(
    "descriptors_exhausted",
    "connections and sockets for which no file descriptor was left",
    one(counters.read("descriptors.exhausted"))
  )
]

const ofCache = ({ cache, counters }: MetricSources): ReadonlyArray<Family> => {
  const { entries, bytes } = cache.statistics()
  return [
    gauge("cache_entries", "answers that are kept", one(entries)),
    gauge("cache_bytes", "octets that they take", one(bytes), "bytes"),
    counter("cache_hits", "queries answered from the cache", one(counters.read("cache.hits"))),
    counter("cache_misses", "queries that had to ask", one(counters.read("cache.misses"))),
    counter("cache_failures", "queries answered from a failure that is kept", one(counters.read("cache.failures"))),
    counter("cache_evictions", "answers that left before their time, for room", one(counters.read("cache.evictions"))),
    counter("cache_prefetch", "answers fetched anew before they expired", one(counters.read("cache.prefetches"))),
    counter("cache_served_stale", "queries answered with an answer past its life", one(counters.read("cache.stale"))),
    counter("redis_hits", "answers taken from Redis", one(counters.read("shared.hits"))),
    counter("redis_misses", "questions whose answer Redis did not have", one(counters.read("shared.misses"))),
    counter("redis_timeouts", "questions that Redis did not answer in time", one(counters.read("shared.timeouts"))),
    counter("redis_errors", "commands that Redis failed", one(counters.read("shared.errors"))),
    counter("redis_writes", "answers given to Redis", one(counters.read("shared.writes"))),
    counter(
      "redis_dropped",
      "answers not given to Redis because it was slow, full or gone",
      one(counters.read("shared.dropped"))
    )
  ]
}

/** Outcomes of attempts that are failures of the upstream, and the kind that each is called. */
const failureKinds: Partial<Record<OutcomeName, string>> = {
  timeout: "timeout",
  "network-error": "network",
  garbage: "garbage",
  FORMERR: "formerr",
  SERVFAIL: "servfail",
  NOTIMP: "notimp",
  REFUSED: "refused",
  "other-error": "other_rcode",
  unusable: "unusable"
}

const STATES = ["closed", "open", "half_open"] as const

const ofUpstreams = ({ counters, supervisor }: MetricSources): ReadonlyArray<Family> => {
  const sums = counters.upstreams()
  const by = (value: (of: UpstreamSums) => number): ReadonlyArray<NumberSeries> =>
    sums.map((of) => ({ labels: { upstream: of.upstream }, value: value(of) }))
  return [
    {
      kind: "histogram",
      name: "strand_upstream_request_duration_seconds",
      unit: "seconds",
      help: "from when an upstream was asked until it replied, by rcode",
      series: sums.flatMap(({ upstream, durations }) =>
        durations
          .filter(({ rcode, counts }) => rcode === replyRcodes[0] || counts.some((count) => count > 0))
          .map(({ rcode, counts, seconds }) => ({
            labels: { upstream, rcode },
            bounds: durationSteps,
            counts,
            sum: seconds
          }))
      )
    },
    gauge(
      "upstream_state",
      "1 for the state in which the circuit breaker is",
      supervisor.upstreams().flatMap(({ name, state }) =>
        STATES.map((candidate) => ({
          labels: { upstream: name, state: candidate },
          value: candidate === state ? 1 : 0
        }))
      )
    ),
    gauge(
      "upstream_in_flight",
      "exchanges under way",
      by(({ inFlight }) => inFlight)
    ),
    counter("upstream_attempts", "questions sent that have ended", by(attemptsOf)),
    counter(
      "upstream_retries",
      "attempts after the first of a question",
      by(({ retries }) => retries)
    ),
    counter(
      "upstream_hedges",
      "attempts that began before the one before was overdue",
      by(({ hedges }) => hedges)
    ),
    counter(
      "upstream_failures",
      "attempts that failed, by kind",
      sums.flatMap(({ upstream, outcomes }) =>
        Object.entries(failureKinds).flatMap(([outcome, kind]) => {
          const value = outcomes[outcome as OutcomeName] ?? 0
          return value === 0 ? [] : [{ labels: { upstream, kind }, value }]
        })
      )
    ),
    counter(
      "upstream_probes",
      "questions sent to find out whether an upstream answers",
      one(counters.read("upstream.probes"))
    ),
    counter(
      "upstream_mismatches",
      "messages that were no reply to what was asked",
      one(counters.read("upstream.strangers"))
    ),
    counter(
      "upstream_unproven",
      "replies by UDP without the letters or the cookie that were sent, asked for again by TCP",
      one(counters.read("upstream.unproven"))
    ),
    counter(
      "upstream_spoofed",
      "times that so many forged replies came that an upstream was asked by TCP for a while",
      one(counters.read("upstream.spoofed"))
    ),
    counter("upstream_truncated", "replies that were asked for again by TCP", one(counters.read("upstream.truncated")))
  ]
}

const ofThreads = ({ counters, supervisor }: MetricSources): ReadonlyArray<Family> => {
  const all = supervisor.workers()
  const by = (name: keyof (typeof all)[number]["gauges"], factor = 1): ReadonlyArray<NumberSeries> =>
    all.map(({ number, gauges }) => ({ labels: { worker: String(number) }, value: gauges[name] * factor }))
  const late = (["p50", "p99", "max"] as const).flatMap((quantile) =>
    all.map(({ number, gauges }) => ({
      labels: { worker: String(number), quantile },
      value: gauges[`loop.delay.${quantile}`] / 1000
    }))
  )
  return [
    gauge("workers", "worker threads that answer", one(all.filter(({ state }) => state === "ready").length)),
    counter("worker_replacements", "worker threads that ended and were replaced", one(counters.read("workers.ended"))),
    gauge("queries_waiting", "queries under way: one fiber each", by("queries.waiting")),
    gauge("permits_used", "queries that wait for the network", by("permits.used")),
    gauge("queue_length", "queries that wait for a permit", by("queue.length")),
    gauge("resolvers", "resolvers in the pool", by("resolvers")),
    gauge("resolvers_busy", "resolvers with an exchange under way", by("resolvers.busy")),
    gauge("exchanges", "exchanges with upstreams under way", by("exchanges")),
    gauge("tcp_connections", "connections of clients", by("tcp.connections")),
    gauge("event_loop_delay_seconds", "how late the event loop was in the last second", late, "seconds"),
    counter("gc_seconds", "seconds spent collecting garbage", by("gc.seconds")),
    counter("gc_runs", "collections of garbage", by("gc.runs")),
    gauge("worker_heap_bytes", "octets of JavaScript objects", by("heap.used"), "bytes")
  ]
}

const ofProcess = (sources: MetricSources, isReady: boolean): ReadonlyArray<Family> => {
  const { cache, control, counters, refusals, startedAtMs, supervisor, version } = sources
  const workers = supervisor.workers()
  const { rss, heapUsed, external } = memoryUsage()
  const waiting = workers.reduce((sum, { gauges }) => sum + gauges["queries.waiting"], 0)
  const heaps = workers.reduce((sum, { gauges }) => sum + gauges["heap.used"], heapUsed)
  const memory = (kind: string, value: number): NumberSeries => ({ labels: { kind }, value })
  return [
    gauge(
      "memory_bytes",
      "octets of memory: resident, of JavaScript objects, of buffers beside them, of the cache, and per waiting query",
      [
        memory("resident", rss),
        memory("heap", heaps),
        memory("external", external),
        memory("cache", cache.memory().byteLength),
        memory("per_waiting_query", waiting === 0 ? 0 : heaps / waiting)
      ],
      "bytes"
    ),
    counter("traces_sampled", "traces that the collector took", one(counters.read("traces.sampled"))),
    counter("traces_dropped", "traces that the collector did not take", one(counters.read("traces.dropped"))),
    gauge("build_info", "1, with the version", one(1, { version, node: process.versions.node })),
    gauge("start_time_seconds", "when the server started, in seconds since 1970", one(startedAtMs / 1000), "seconds"),
    gauge("config_generation", "counts the changes of the configuration", one(control.generation())),
    counter("config_reload_failures", "changes of the configuration that were refused", one(refusals())),
    gauge("ready", "1 when queries are answered", one(isReady ? 1 : 0))
  ]
}
