/** What the admin API fails with, each with its HTTP status. */
import { Schema } from "effect"
import { HttpApiSchema } from "effect/http-api"

/** Settings that are wrong, all of them; nothing has changed. */
export class WrongSettings extends Schema.TaggedError<WrongSettings>()(
  "WrongSettings",
  {
    mistakes: Schema.Array(
      Schema.Struct({
        path: Schema.String.annotate({ description: "the setting's name, or where in a file it stands" }),
        value: Schema.NullOr(Schema.String),
        expected: Schema.String
      })
    )
  },
  { httpApiStatus: 422 }
) {}

/** The change cannot be made on this machine, such as a port that is taken; nothing has changed. */
export class ChangeNotMade extends Schema.TaggedError<ChangeNotMade>()(
  "ChangeNotMade",
  { message: Schema.String },
  { httpApiStatus: 409 }
) {}

/** The configuration is not the one that `If-Match` names. */
export class StaleGeneration extends Schema.TaggedError<StaleGeneration>()(
  "StaleGeneration",
  { generation: Schema.Number },
  { httpApiStatus: 412 }
) {}

export class NotThere extends Schema.TaggedError<NotThere>()(
  "NotThere",
  { message: Schema.String },
  { httpApiStatus: 404 }
) {}

/** A part of the request cannot be read. */
export class NotUnderstood extends Schema.TaggedError<NotUnderstood>()(
  "NotUnderstood",
  { message: Schema.String },
  { httpApiStatus: 400 }
) {}

/** Not now: a thread did not answer in time, or the server is about to end. */
export class NotNow extends Schema.TaggedError<NotNow>()(
  "NotNow",
  { message: Schema.String },
  { httpApiStatus: 503 }
) {}

/** Text in place of JSON. */
export const plainText = Schema.String.pipe(HttpApiSchema.asText())
