/**
 * What is recorded of a query on its way: a few times and numbers, no spans.
 *
 * Written for every pending query; when it is over, the sampler decides whether a trace is built from it. Times are
 * milliseconds of the loop clock (`runtime/loop-clock.ts`): exact for a query that is picked to be traced, else when
 * the turn began.
 */

import type { Question } from "../dns/question.ts"
import type { Endpoint } from "../io/endpoint.ts"

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
  endedMs: number
  outcome: AttemptOutcome
  rcode: number
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
}

/** By what queries come. */
export type ClientProtocol = "udp" | "tcp"

/** What the cache had. */
export type CacheOutcome = "hit" | "miss" | "stale" | "failure"

/** Why a query never came to the cache: it was answered here, or got an error at once, or nothing. */
export type EarlyOutcome =
  /** A local answer. */
  | "local"
  /** A special name. */
  | "special"
  /** Of a client that may not ask. */
  | "denied"
  /** It came from this server itself. */
  | "looped"
  /** What its rcode says was wrong with it. */
  | "malformed"

/** The rcode of a query that got no answer. */
export const NO_RCODE = -1

export interface QueryRecord {
  readonly question: Question
  readonly client: Endpoint
  readonly transport: ClientProtocol
  readonly startedMs: number
  lookedUpMs: number
  outcome: CacheOutcome | EarlyOutcome
  /** Whether it had a fresh answer fetched, for those who come later. */
  refreshes: boolean
  /** When the query was let in to wait for the network; 0 where it did not wait in line. */
  admittedMs: number
  coalesced: boolean
  resolution: ResolutionRecord | undefined
  endedMs: number
  rcode: number
  /** Why it failed, for people; empty where it did not. */
  error: string
}
