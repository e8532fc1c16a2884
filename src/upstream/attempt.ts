/** How one attempt at one upstream can end without a reply. */
import { Schema } from "effect"

/** The upstream, or the way to it, failed: a connection refused or reset, a socket that could not be opened. */
export class NetworkFailure extends Schema.TaggedError<NetworkFailure>()("NetworkFailure", {
  message: Schema.String
}) {}

/** A reply with the right id and question that cannot be read. */
export class GarbageReceived extends Schema.TaggedError<GarbageReceived>()("GarbageReceived", {}) {}

export type AttemptFailure = NetworkFailure | GarbageReceived
