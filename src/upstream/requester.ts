/** The contract between an attempt and the transports: what is asked, and what the one that asks is told. */
import { Schema } from "effect"
import type { Question } from "../dns/question.ts"
import type { Response } from "../dns/response.ts"
import type { AttemptRecord, ResolutionRecord } from "../telemetry/record.ts"
import type { Upstream } from "./upstream.ts"

/** The upstream, or the way to it, failed: a connection refused or reset, a socket that could not be opened. */
export class NetworkFailure extends Schema.TaggedError<NetworkFailure>()("NetworkFailure", {
  message: Schema.String,
  /** Nothing was sent: there is no way to the upstream, or nobody took the connection. */
  isUnsent: Schema.optionalKey(Schema.Boolean)
}) {}

/** A reply with the right id and question that cannot be read. */
export class GarbageReceived extends Schema.TaggedError<GarbageReceived>()("GarbageReceived", {}) {}

export type AttemptFailure = NetworkFailure | GarbageReceived

/**
 * The one that asks a question over a transport. Of `onResponse` and `onFailure` one is called, once; neither after it
 * is abandoned.
 */
export interface Requester {
  readonly question: Question
  readonly onResponse: (response: Response) => void
  readonly onFailure: (failure: AttemptFailure) => void
  /** An ICMP error came: it can be forged (RFC 5927), so the exchange goes on. */
  readonly onTrouble: (message: string) => void
  /** The question was not sent yet: the upstream wants to be asked less. Its silence says nothing. */
  readonly onHeld: () => void
}

/** One attempt at one upstream, over whatever transports it takes; it is its own record for telemetry. */
export interface Attempt extends Requester, AttemptRecord {
  readonly upstream: Upstream
  /** What it is for; none of a probe. */
  readonly resolution?: ResolutionRecord
  /** Earlier attempts for the same question that this upstream has not answered, or answered by an error. */
  readonly failures: number
}
