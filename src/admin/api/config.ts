/** The configuration: as it is, changed, given back, rolled back, saved. */
import { Schema } from "effect"
import { HttpApiEndpoint, HttpApiGroup, HttpApiSchema, OpenApi } from "effect/http-api"
import { ChangeNotMade, NotThere, StaleGeneration, WrongSettings } from "./errors.ts"

/** Of lists and maps: settings need five. */
const MAX_DEPTH = 8

const isShallow = (value: unknown, depth = 0): boolean =>
  typeof value !== "object" ||
  value === null ||
  (depth < MAX_DEPTH && Object.values(value).every((inner) => isShallow(inner, depth + 1)))

/** A file's lists and maps. What is parsed is JSON already, and what is nested without end is not looked at to its end. */
const Nested = Schema.Unknown.check(
  Schema.makeFilter((value) => isShallow(value) || `lists and maps at most ${MAX_DEPTH} deep`)
) as unknown as Schema.Codec<Schema.JsonObject | Schema.JsonArray>

/** A setting as it is written: text, or a list of texts. Numbers and truths, lists and maps may be given as such. */
export const SettingValue = Schema.Union([Schema.String, Schema.Number, Schema.Boolean, Nested])

export const Setting = Schema.Struct({
  value: Schema.NullOr(Schema.Union([Schema.String, Schema.Array(Schema.String)])).annotate({
    description: "secrets are hidden"
  }),
  source: Schema.Literals(["default", "file", "environment", "program"]),
  place: Schema.String.annotate({ description: "where it was set" }),
  touches: Schema.Array(Schema.String),
  section: Schema.String,
  meaning: Schema.String,
  kind: Schema.Literals(["text", "number", "truth", "word", "list"]),
  words: Schema.Array(Schema.String).annotate({ description: "what it may be, where that is a choice" })
})

export const Configuration = Schema.Struct({
  generation: Schema.Number,
  file: Schema.NullOr(Schema.String),
  settings: Schema.Record(Schema.String, Setting)
})

export const Change = Schema.Struct({
  name: Schema.String,
  before: Schema.NullOr(Schema.String),
  after: Schema.NullOr(Schema.String),
  touches: Schema.Array(Schema.String)
})

export const Changed = Schema.Struct({
  generation: Schema.Number,
  changed: Schema.Array(Change),
  touches: Schema.Array(Schema.String)
})

export const HistoryEntry = Schema.Struct({
  generation: Schema.Number,
  atMs: Schema.Number,
  by: Schema.String,
  changed: Schema.Array(Change)
})

export const Saved = Schema.Struct({
  file: Schema.String,
  saved: Schema.Array(Schema.String),
  skipped: Schema.Array(Schema.String).annotate({
    description: "what was changed here and is set by the environment, which wins over the file"
  })
})

const ifMatch = { "if-match": Schema.optional(Schema.String) }
const dryRun = { dry_run: Schema.optional(Schema.Boolean) }
const etag = { etag: Schema.String }

export class ConfigGroup extends HttpApiGroup.make("config")
  .add(
    HttpApiEndpoint.get("read", "/config", { success: HttpApiSchema.WithHeaders(Configuration, etag) }),
    HttpApiEndpoint.patch("change", "/config", {
      query: dryRun,
      headers: ifMatch,
      payload: Schema.Record(Schema.String, Schema.NullOr(SettingValue)).annotate({
        description:
          "settings by their names in the file; null gives one back to the file, the environment or its default"
      }),
      success: HttpApiSchema.WithHeaders(Changed, etag),
      error: [WrongSettings, ChangeNotMade, StaleGeneration]
    }),
    HttpApiEndpoint.delete("giveBack", "/config/:name", {
      params: { name: Schema.String },
      headers: ifMatch,
      success: HttpApiSchema.WithHeaders(Changed, etag),
      error: [WrongSettings, ChangeNotMade, StaleGeneration, NotThere]
    }),
    HttpApiEndpoint.get("history", "/config/history", { success: Schema.Array(HistoryEntry) }),
    HttpApiEndpoint.post("rollBack", "/config/rollback", {
      headers: ifMatch,
      payload: Schema.Struct({ generation: Schema.optional(Schema.Number) }),
      success: HttpApiSchema.WithHeaders(Changed, etag),
      error: [ChangeNotMade, StaleGeneration, NotThere]
    }).annotate(OpenApi.Description, "to the configuration before, or to the one of a generation"),
    HttpApiEndpoint.post("reload", "/config/reload", {
      success: HttpApiSchema.WithHeaders(Changed, etag),
      error: [WrongSettings, ChangeNotMade]
    }).annotate(OpenApi.Description, "reads file and environment again"),
    HttpApiEndpoint.post("save", "/config/save", {
      success: Saved,
      error: [ChangeNotMade, NotThere]
    }).annotate(
      OpenApi.Description,
      "writes what was changed here into the file; its order stays, and its comments but those within a value that changes"
    )
  )
  .prefix("/api/v1") {}
