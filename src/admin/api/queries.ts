/** The last queries, the traces made of them, who asks most, and what would become of a question. */
import { Schema } from "effect"
import { HttpApiEndpoint, HttpApiGroup, HttpApiSchema, OpenApi } from "effect/http-api"
import { listenProtocols } from "../../io/protocols.ts"
import { queryOutcomes } from "../../telemetry/query-outcome.ts"
import { NotNow, NotThere, NotUnderstood } from "./errors.ts"

/** What is known of a query, in memory and in the log. */
const known = {
  atMs: Schema.Number.annotate({ description: "milliseconds since 1970" }),
  tookMs: Schema.Number,
  name: Schema.String,
  type: Schema.String,
  client: Schema.String,
  clientPort: Schema.Number,
  clientName: Schema.NullOr(Schema.String).annotate({ description: "what the client calls itself" }),
  protocol: Schema.Literals(listenProtocols),
  rcode: Schema.NullOr(Schema.String).annotate({ description: "null where it got no reply" }),
  octets: Schema.Number,
  upstream: Schema.NullOr(Schema.String).annotate({ description: "of the last attempt" }),
  attempts: Schema.Number,
  isCoalesced: Schema.Boolean,
  isShared: Schema.Boolean,
  worker: Schema.Number,
  error: Schema.NullOr(Schema.String)
}

export const Query = Schema.Struct({ id: Schema.String, ...known, outcome: Schema.Literals(queryOutcomes) })

/** Which of them; all that are given have to hold. */
export const filters = {
  name: Schema.optional(Schema.String).annotate({ description: "part of the name" }),
  suffix: Schema.optional(Schema.String).annotate({ description: "the name, or a name below it" }),
  client: Schema.optional(Schema.String).annotate({
    description: "an address, a network as 10.0.0.0/8, or what the client calls itself"
  }),
  type: Schema.optional(Schema.String),
  rcode: Schema.optional(Schema.String),
  outcome: Schema.optional(Schema.String),
  upstream: Schema.optional(Schema.String).annotate({ description: "part of the name of an upstream that was asked" }),
  slower_than_ms: Schema.optional(Schema.Number)
}

export const Step = Schema.Struct({
  name: Schema.String,
  fromMs: Schema.Number.annotate({ description: "milliseconds from the start of the query" }),
  toMs: Schema.Number,
  status: Schema.Literals(["ok", "error"]),
  detail: Schema.String,
  depth: Schema.Number
})

export const Trace = Schema.Struct({
  query: Query,
  steps: Schema.Array(Step)
})

export const TopEntry = Schema.Struct({
  key: Schema.String,
  count: Schema.Number.annotate({ description: "queries, estimated where many are asked" }),
  share: Schema.Number,
  error: Schema.Number.annotate({ description: "the count may be too high by so many" })
})

export const ExplainStep = Schema.Struct({
  step: Schema.String.annotate({
    description: "query, acl, local, special, any, rule, cache, group, upstream, time, asked"
  }),
  outcome: Schema.String,
  detail: Schema.String,
  isFinal: Schema.Boolean.annotate({ description: "whether the answer comes from here" })
})

export const Explanation = Schema.Struct({
  name: Schema.String,
  type: Schema.String,
  client: Schema.String,
  steps: Schema.Array(ExplainStep),
  answer: Schema.NullOr(
    Schema.Struct({
      rcode: Schema.String,
      tookMs: Schema.Number,
      records: Schema.Array(Schema.String),
      attempts: Schema.Array(Step)
    })
  ).annotate({ description: "where it was asked" })
})

export const LogPage = Schema.Struct({
  queries: Schema.Array(Schema.Struct({ ...known, outcome: Schema.String })).annotate({
    description: "the newest first"
  }),
  before: Schema.NullOr(Schema.Number).annotate({ description: "for the next page; null where this is the last" })
})

export class QueriesGroup extends HttpApiGroup.make("queries")
  .add(
    HttpApiEndpoint.get("list", "/queries", {
      query: { ...filters, limit: Schema.optional(Schema.Number) },
      success: Schema.Struct({
        queries: Schema.Array(Query).annotate({ description: "the newest first" }),
        examined: Schema.Number
      }),
      error: [NotUnderstood]
    }),
    HttpApiEndpoint.get("stream", "/queries/stream", {
      query: filters,
      success: Schema.String.pipe(HttpApiSchema.asText({ contentType: "text/event-stream" })),
      error: [NotUnderstood, NotNow]
    }).annotate(
      OpenApi.Description,
      "server-sent events: `query` (a list of queries), `dropped` (how many were not sent because there were too many)"
    ),
    HttpApiEndpoint.get("top", "/top", {
      query: {
        by: Schema.Literals(["name", "client", "type", "upstream", "limited"]).annotate({
          description: "limited: clients that send more than they may"
        }),
        window: Schema.optional(Schema.String).annotate({ description: "1m, 10m or 1h" }),
        limit: Schema.optional(Schema.Number)
      },
      success: Schema.Struct({ seconds: Schema.Number, total: Schema.Number, entries: Schema.Array(TopEntry) }),
      error: [NotUnderstood]
    }),
    HttpApiEndpoint.get("traces", "/traces", {
      query: { ...filters, limit: Schema.optional(Schema.Number) },
      success: Schema.Array(Query),
      error: [NotUnderstood]
    }).annotate(OpenApi.Description, "queries that failed, were slow, stale or shed: kept longer than the others"),
    HttpApiEndpoint.get("search", "/query-log", {
      query: {
        name: Schema.optional(Schema.String).annotate({ description: "exactly this name" }),
        suffix: filters.suffix,
        client: Schema.optional(Schema.String).annotate({
          description: "an address, what stands in the log for one, or what the client calls itself"
        }),
        type: filters.type,
        rcode: filters.rcode,
        outcome: filters.outcome,
        upstream: Schema.optional(Schema.String).annotate({
          description: "part of the name of the upstream that answered, or was asked last"
        }),
        slower_than_ms: filters.slower_than_ms,
        from: Schema.optional(Schema.String).annotate({ description: "RFC 3339: not before" }),
        to: Schema.optional(Schema.String).annotate({ description: "RFC 3339: before" }),
        limit: Schema.optional(Schema.Number).annotate({ description: "100; 1,000 at most" }),
        before: Schema.optional(Schema.Number).annotate({ description: "what `before` of the page before says" })
      },
      success: LogPage,
      error: [NotUnderstood, NotNow]
    }).annotate(OpenApi.Description, "searches the store of the query log (query_log_store), page by page"),
    HttpApiEndpoint.get("trace", "/traces/:id", { params: { id: Schema.String }, success: Trace, error: [NotThere] }),
    HttpApiEndpoint.post("explain", "/explain", {
      payload: Schema.Struct({
        name: Schema.String,
        type: Schema.optional(Schema.String),
        client: Schema.optional(Schema.String),
        clientName: Schema.optional(Schema.String).annotate({ description: "what the client calls itself" }),
        ask: Schema.optional(Schema.Boolean)
      }),
      success: Explanation,
      error: [NotUnderstood, NotNow]
    }).annotate(OpenApi.Description, "what happens to this question from this client, step by step")
  )
  .prefix("/api/v1") {}
