/** Health, metrics, status, and the end. */
import { Schema } from "effect"
import { HttpApiEndpoint, HttpApiGroup, HttpApiSchema, OpenApi } from "effect/http-api"
import { plainText } from "./errors.ts"

/** How fast, and how well, in a span of time. */
export const Rates = Schema.Struct({
  seconds: Schema.Number.annotate({
    description: "how long the span was; less than its name where the server is young"
  }),
  queriesPerSecond: Schema.Number,
  hitRatio: Schema.NullOr(Schema.Number).annotate({ description: "answers from the cache, of all that were answered" }),
  failedPerSecond: Schema.Number,
  shedPerSecond: Schema.Number,
  p50Ms: Schema.Number,
  p95Ms: Schema.Number,
  p99Ms: Schema.Number
})

export const Status = Schema.Struct({
  version: Schema.String,
  node: Schema.String,
  uptimeSeconds: Schema.Number,
  generation: Schema.Number,
  isReady: Schema.Boolean,
  isDraining: Schema.Boolean,
  listening: Schema.Array(Schema.String),
  sharedConfiguration: Schema.NullOr(
    Schema.Struct({ generation: Schema.Number, author: Schema.String, error: Schema.NullOr(Schema.String) })
  ).annotate({ description: "where it is kept in step with other servers; an error where this one is not" }),
  workers: Schema.Array(
    Schema.Struct({
      number: Schema.Number,
      state: Schema.String,
      replacements: Schema.Number,
      queriesWaiting: Schema.Number,
      permitsUsed: Schema.Number,
      queueLength: Schema.Number,
      resolvers: Schema.Number,
      tcpConnections: Schema.Number,
      heapBytes: Schema.Number,
      loopDelayMs: Schema.Number
    })
  ),
  memory: Schema.Struct({ residentBytes: Schema.Number, cacheBytes: Schema.Number, heapBytes: Schema.Number }),
  totals: Schema.Record(Schema.String, Schema.Number).annotate({ description: "all counters that are not zero" }),
  rates: Schema.Struct({ last10Seconds: Rates, lastMinute: Rates, last10Minutes: Rates })
})

/** Once a second: what the charts of the page are drawn from. */
export const Second = Schema.Struct({
  atMs: Schema.Number.annotate({ description: "milliseconds since 1970" }),
  queries: Schema.Number,
  hits: Schema.Number,
  stale: Schema.Number,
  misses: Schema.Number,
  local: Schema.Number,
  failures: Schema.Number,
  shed: Schema.Number,
  p50Ms: Schema.Number,
  p99Ms: Schema.Number,
  waiting: Schema.Number,
  queued: Schema.Number,
  rcodes: Schema.Record(Schema.String, Schema.Number)
})

export class SystemGroup extends HttpApiGroup.make("system", { topLevel: true }).add(
  HttpApiEndpoint.get("healthz", "/healthz", { success: plainText }).annotate(
    OpenApi.Description,
    "200 while the process lives"
  ),
  HttpApiEndpoint.get("readyz", "/readyz", {
    success: [plainText, plainText.pipe(HttpApiSchema.status(503))]
  }).annotate(OpenApi.Description, "200 when queries are answered, else 503 with what is missing"),
  HttpApiEndpoint.get("metrics", "/metrics", { success: plainText }).annotate(
    OpenApi.Description,
    "Prometheus' text format; OpenMetrics, with exemplars, where the client accepts it"
  ),
  HttpApiEndpoint.get("status", "/api/v1/status", { success: Status }),
  HttpApiEndpoint.get("seconds", "/api/v1/seconds", {
    query: { last: Schema.optional(Schema.Number) },
    success: Schema.Array(Second)
  }).annotate(OpenApi.Description, "what happened in each of the last seconds, 600 at most, the oldest first"),
  HttpApiEndpoint.post("drain", "/api/v1/drain", {
    payload: Schema.Struct({ seconds: Schema.optional(Schema.Number) }),
    success: Schema.Struct({ endsInSeconds: Schema.Number })
  }).annotate(OpenApi.Description, "not ready from now on; goes on answering for so many seconds, then ends")
) {}
