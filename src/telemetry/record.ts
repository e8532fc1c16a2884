/**
 * What is recorded of a query on its way: a few times and numbers, no spans.
 *
 * Written for every pending query; when it is over, the sampler decides whether a trace is built from it. Times are
 * milliseconds of the loop clock (`runtime/loop-clock.ts`): exact for a query that is picked to be traced, else when
 * the turn began.
 */

import type { Rule } from "../config/codec/rule.ts"
import type { Question } from "../dns/question.ts"
import type { ErrorReason } from "../dns/reply.ts"
import type { Endpoint } from "../io/endpoint.ts"
import type { ListenProtocol } from "../io/protocols.ts"
import type { QueryOutcome } from "./query-outcome.ts"
import type { QueryTrace } from "./query-trace.ts"

export type AttemptOutcome =
  | "waiting"
  | "answered"
  | "timeout"
  /** Another attempt's answer came first. */
  | "overtaken"
  | "network-error"
  | "error-response"
  | "garbage"

/** One question sent to one upstream. */
export interface AttemptRecord {
  /** Its slot is the one at which it is counted. */
  readonly upstream: { readonly name: string; readonly endpoint: Endpoint; readonly slot: number }
  readonly startedMs: number
  transport: "udp" | "tcp"
  /** When it left UDP for TCP: the reply came truncated, or did not show that it is not forged. */
  tcpSinceMs?: number
  endedMs: number
  outcome: AttemptOutcome
  rcode: number
  /** The span that its upstream was told of. */
  spanId?: string
}

/**
 * The way from a miss to its answer; shared by the queries that were coalesced.
 *
 * **When to use**
 *
 * Use in a step around the upstreams: pass it on. What is in it becomes the trace.
 */
export interface ResolutionRecord {
  readonly startedMs: number
  endedMs: number
  attempts: Array<AttemptRecord>
  /** The answer came from the shared tier: no upstream was asked. */
  isShared?: true
  /** The query that asked, of those who wait: the attempts stand in its trace. */
  leader?: QueryRecord | undefined
}

/** By what queries come. */
export type ClientProtocol = ListenProtocol

/** Why a query failed, in one word of few. */
export type ErrorType =
  /** Too many were waiting. */
  | "shed"
  | "timeout"
  /** None could be asked. */
  | "no_upstream"
  | "upstreams_failed"
  /** It failed a moment ago, and was not asked again. */
  | "cached_failure"
  /** A fault of this server. */
  | "internal"

/** The rcode of a query that got no answer. */
export const NO_RCODE = -1

/** Who asked. */
export interface Client extends Endpoint {
  /** What the client calls itself; undefined where it does not. */
  readonly clientName?: string | undefined
}

export interface QueryRecord {
  readonly question: Question
  readonly client: Client
  readonly transport: ClientProtocol
  /** Where it came in, as `127.0.0.1:53`; empty where no listener says. */
  readonly server: string
  /** The rule by which it was sent to a group. */
  readonly rule: Rule | undefined
  readonly startedMs: number
  lookedUpMs: number
  outcome: QueryOutcome
  /** Whether it had a fresh answer fetched, for those who come later. */
  refreshes: boolean
  /** When the query was let in to wait for the network; 0 where it did not wait in line. */
  admittedMs: number
  coalesced: boolean
  resolution: ResolutionRecord | undefined
  endedMs: number
  rcode: number
  /** The second word of the reply's header; 0 where there was no reply. */
  flags: number
  /** The Extended DNS Error, for clients that take one. */
  reason: ErrorReason | undefined
  /** Why it failed, for people; empty where it did not. */
  error: string
  errorType: ErrorType | undefined
  /** Where it is known to be traced. */
  trace: QueryTrace | undefined
}
