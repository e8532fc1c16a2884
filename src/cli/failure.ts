/** Why a command could not do what was asked. */
import { Schema } from "effect"

/** Said as it is, on standard error; the process ends with 1. */
export class CommandFailed extends Schema.TaggedError<CommandFailed>()("CommandFailed", {
  message: Schema.String
}) {}
