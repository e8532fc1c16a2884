/**
 * What programs made for AdGuard Home read: Home Assistant, Homepage and apps for telephones. Its shapes, our figures;
 * what this server does not do is said to be off.
 */
import { Effect, type Layer } from "effect"
import { HttpRouter, HttpServerRequest, HttpServerResponse } from "effect/http"
import { formatName } from "../../dns/name.ts"
import type { Endpoint } from "../../io/endpoint.ts"
import { rowsOf } from "../../process/metrics.ts"
import { formatClient } from "../../telemetry/client-address.ts"
import { queriesIn } from "../../telemetry/counters.ts"
import { HISTOGRAM_CELLS } from "../../telemetry/histogram.ts"
import { latencyNames } from "../../telemetry/latencies.ts"
import type { RecentQuery } from "../../telemetry/recent-queries/ring.ts"
import type { ClientProtocol } from "../../telemetry/record.ts"
import { type AdminSources, Sources } from "../sources.ts"
import type { RecentView } from "../views/recent-view.ts"
import type { TopKind, TopLists } from "../views/top-lists.ts"
import { Views } from "../views.ts"

/** Queries of the log at a time, at most. */
const MAX_LIMIT = 500
const TOP = 10
const DAY_HOURS = 24
const HOUR_MINUTES = 60

type Json = Effect.Effect<HttpServerResponse.HttpServerResponse, never, HttpServerRequest.HttpServerRequest>

const reply = (value: unknown): HttpServerResponse.HttpServerResponse => HttpServerResponse.jsonUnsafe(value)

const off = { enabled: false }

export const adguardRoutes = HttpRouter.use((router) =>
  Effect.gen(function* () {
    const sources = yield* Sources
    const { activity, recent } = yield* Views
    const routes: Readonly<Record<string, Json>> = {
      status: Effect.sync(() => reply(statusOf(sources))),
      stats: Effect.sync(() => reply(statsOf(sources, activity.top))),
      querylog: Effect.flatMap(HttpServerRequest.HttpServerRequest, ({ url }) => queryLogOf(recent, url)),
      querylog_info: Effect.sync(() => reply({ ...logOf(sources), interval: 1 })),
      "querylog/config": Effect.sync(() => reply({ ...logOf(sources), interval: 3_600_000, ignored: [] })),
      stats_info: Effect.succeed(reply({ interval: 1 })),
      "stats/config": Effect.succeed(reply({ enabled: true, interval: 86_400_000, ignored: [] })),
      "filtering/status": Effect.succeed(
        reply({ ...off, interval: DAY_HOURS, filters: [], whitelist_filters: [], user_rules: [] })
      ),
      "parental/status": Effect.succeed(reply(off)),
      "safebrowsing/status": Effect.succeed(reply(off)),
      "safesearch/status": Effect.succeed(reply(off))
    }
    for (const [path, handler] of Object.entries(routes)) yield* router.add("GET", `/control/${path}`, handler)
  })
) satisfies Layer.Layer<never, never, HttpRouter.HttpRouter | Sources | Views>

const statusOf = ({ configuration, supervisor, version }: AdminSources) => {
  const endpoints = supervisor.listening().map(({ endpoint }) => endpoint)
  const { admin } = configuration.current()
  return {
    version: `v${version}`,
    language: "en",
    dns_addresses: [...new Set(endpoints.map(({ address }) => address))],
    dns_port: endpoints[0]?.port ?? 53,
    http_port: admin === "off" ? 0 : (admin as Endpoint).port,
    protection_enabled: true,
    protection_disabled_duration: 0,
    protection_disabled_until: null,
    dhcp_available: false,
    running: true
  }
}

const logOf = ({ configuration }: AdminSources) => ({
  enabled: configuration.current().recentQueries,
  anonymize_client_ip: false
})

/** Since the start of the server; lists by the hour cover the last day, of which only the last hour is known apart. */
const statsOf = (sources: AdminSources, top: TopLists) => {
  const { counters, latencies } = sources
  const queries = queriesIn(counters.read)
  const denied = counters.read("queries.denied")
  const sums = latencyNames.map((name) => latencies.cells(name, rowsOf(sources)))
  const totalMs = sums.reduce((sum, cells) => sum + cells[HISTOGRAM_CELLS]!, 0)
  const counted = sums.reduce((sum, cells) => sum + cells.subarray(0, HISTOGRAM_CELLS).reduce((a, b) => a + b, 0), 0)
  const list = (kind: TopKind): ReadonlyArray<Record<string, number>> =>
    top.read(kind, HOUR_MINUTES, TOP).entries.map(({ key, count }) => ({ [key]: Math.round(count) }))
  const lastHour = Math.round(top.read("client", HOUR_MINUTES, 1).total)
  const hours = (now: number): ReadonlyArray<number> => [...new Array<number>(DAY_HOURS - 1).fill(0), now]
  const upstreams = counters.upstreams().map(({ upstream, durations }) => ({
    upstream,
    count: durations.reduce((sum, { counts }) => sum + counts.reduce((a, b) => a + b, 0), 0),
    seconds: durations.reduce((sum, { seconds }) => sum + seconds, 0)
  }))
  return {
    time_units: "hours",
    num_dns_queries: queries,
    num_blocked_filtering: denied,
    num_replaced_safebrowsing: 0,
    num_replaced_safesearch: 0,
    num_replaced_parental: 0,
    avg_processing_time: counted === 0 ? 0 : totalMs / counted / 1000,
    top_queried_domains: list("name"),
    top_clients: list("client"),
    top_blocked_domains: [],
    top_upstreams_responses: upstreams.map(({ upstream, count }) => ({ [upstream]: count })),
    top_upstreams_avg_time: upstreams.map(({ upstream, count, seconds }) => ({
      [upstream]: count === 0 ? 0 : seconds / count
    })),
    dns_queries: hours(lastHour),
    blocked_filtering: hours(0),
    replaced_safebrowsing: hours(0),
    replaced_parental: hours(0)
  }
}

const queryLogOf = (recent: RecentView, url: string): Json =>
  Effect.gen(function* () {
    const parameters = new URL(url, "http://localhost").searchParams
    const limit = Math.max(1, Math.min(MAX_LIMIT, Number(parameters.get("limit") ?? 100) || 100))
    const search = (parameters.get("search") ?? "").toLowerCase()
    const olderThanMs = Date.parse(parameters.get("older_than") ?? "")
    const isSearched = ({ address, clientName, isIPv4, name }: RecentQuery): boolean =>
      search === "" ||
      clientName.includes(search) ||
      (name.length > 0 && formatName(name).toLowerCase().includes(search)) ||
      formatClient(address, isIPv4).includes(search)
    const { found } = yield* recent.latest(
      limit,
      (query) => (Number.isNaN(olderThanMs) || query.startedAtMs < olderThanMs) && isSearched(query)
    )
    const data = found
      .map((one) => recent.shown(one))
      .map(({ atMs, client, clientName, name, outcome, protocol, rcode, tookMs, type, upstream }) => ({
        answer: [],
        answer_dnssec: false,
        cached: outcome === "hit" || outcome === "stale",
        client,
        client_id: clientName ?? "",
        client_info: { whois: {}, name: clientName ?? "", disallowed: outcome === "denied", disallowed_rule: "" },
        client_proto: protocolNames[protocol],
        elapsedMs: String(tookMs),
        question: { class: "IN", name, type },
        reason: "NotFilteredNotFound",
        rules: [],
        status: rcode ?? "",
        time: new Date(atMs).toISOString(),
        upstream: upstream ?? ""
      }))
    return reply({ data, oldest: data.at(-1)?.time ?? "" })
  })

/** As AdGuard Home calls what is not plain DNS. */
const protocolNames: Record<ClientProtocol, string> = { udp: "", tcp: "tcp", tls: "dot", https: "doh", http: "doh" }
