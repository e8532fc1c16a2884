/** The upstreams: how they do, and taking one out of use. */
import { Schema } from "effect"
import { HttpApiEndpoint, HttpApiGroup, OpenApi } from "effect/http-api"
import { NotNow, NotThere } from "./errors.ts"

export const Upstream = Schema.Struct({
  id: Schema.String.annotate({ description: "its name, or its address; secrets in it are hidden" }),
  state: Schema.Literals(["closed", "open", "half_open"]).annotate({ description: "of its circuit breaker" }),
  isDrained: Schema.Boolean,
  groups: Schema.Array(Schema.String),
  latencyMs: Schema.NullOr(Schema.Number).annotate({ description: "smoothed; null where nothing is known" }),
  variationMs: Schema.NullOr(Schema.Number),
  inFlight: Schema.Number,
  attempts: Schema.Number,
  retries: Schema.Number,
  hedges: Schema.Number,
  failures: Schema.Record(Schema.String, Schema.Number).annotate({ description: "by kind" }),
  rcodes: Schema.Record(Schema.String, Schema.Number),
  share: Schema.Number.annotate({ description: "of all attempts since the start, 0 to 1" }),
  p50Ms: Schema.Number,
  p99Ms: Schema.Number
})

const byId = { id: Schema.String }
const Done = Schema.Struct({ id: Schema.String, isDrained: Schema.Boolean })

export class UpstreamsGroup extends HttpApiGroup.make("upstreams")
  .add(
    HttpApiEndpoint.get("list", "/upstreams", { success: Schema.Array(Upstream) }),
    HttpApiEndpoint.post("drain", "/upstreams/:id/drain", { params: byId, success: Done, error: [NotThere] }).annotate(
      OpenApi.Description,
      "asks it no more questions while others can be asked; those under way end as they would"
    ),
    HttpApiEndpoint.post("enable", "/upstreams/:id/enable", { params: byId, success: Done, error: [NotThere] }),
    HttpApiEndpoint.post("probe", "/upstreams/:id/probe", {
      params: byId,
      success: Schema.Struct({
        id: Schema.String,
        answered: Schema.Boolean,
        rcode: Schema.NullOr(Schema.String),
        tookMs: Schema.Number,
        error: Schema.NullOr(Schema.String)
      }),
      error: [NotThere, NotNow]
    }).annotate(OpenApi.Description, "asks it a question now")
  )
  .prefix("/api/v1") {}
