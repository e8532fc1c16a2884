/** The cache: how full it is, what it holds for a name, forgetting. */
import { Schema } from "effect"
import { HttpApiEndpoint, HttpApiGroup } from "effect/http-api"
import { NotNow, NotUnderstood } from "./errors.ts"

export const ResourceRecord = Schema.Struct({
  section: Schema.Literals(["answer", "authority", "additional"]),
  name: Schema.String,
  type: Schema.String,
  ttl: Schema.Number.annotate({ description: "seconds that are left; negative past its life" }),
  data: Schema.String
})

export const CacheEntry = Schema.Struct({
  name: Schema.String,
  type: Schema.String,
  dnssecOk: Schema.Boolean,
  checkingDisabled: Schema.Boolean,
  group: Schema.NullOr(Schema.String).annotate({ description: "the upstream group that it is kept for" }),
  rcode: Schema.String,
  ageSeconds: Schema.Number,
  remainingSeconds: Schema.Number.annotate({ description: "negative past its life" }),
  octets: Schema.Number,
  records: Schema.Array(ResourceRecord)
})

export const CacheState = Schema.Struct({
  entries: Schema.Number,
  bytes: Schema.Number,
  sizeBytes: Schema.Number,
  hits: Schema.Number,
  misses: Schema.Number,
  stored: Schema.Number,
  evictions: Schema.Number,
  isShared: Schema.Boolean.annotate({ description: "whether Redis is used" }),
  found: Schema.Array(CacheEntry).annotate({ description: "what is kept for the name and type, where a name is given" })
})

export class CacheGroup extends HttpApiGroup.make("cache")
  .add(
    HttpApiEndpoint.get("read", "/cache", {
      query: { name: Schema.optional(Schema.String), type: Schema.optional(Schema.String) },
      success: CacheState,
      error: [NotUnderstood]
    }),
    HttpApiEndpoint.delete("forget", "/cache", {
      query: {
        name: Schema.optional(Schema.String),
        type: Schema.optional(Schema.String),
        subtree: Schema.optional(Schema.Boolean).annotate({ description: "the name and all below it" }),
        all: Schema.optional(Schema.Boolean).annotate({ description: "everything, in the place of a name" })
      },
      success: Schema.Struct({
        forgotten: Schema.Number.annotate({ description: "answers that were kept on this server" }),
        isToldToOthers: Schema.Boolean.annotate({ description: "whether servers on the same Redis forget them too" })
      }),
      error: [NotUnderstood, NotNow]
    })
  )
  .prefix("/api/v1") {}
