/**
 * What people have a thread do: to ask a question, to try an upstream, to have all servers forget. The rooms that can do
 * it say how; the thread does it when the supervisor asks.
 */
import { Context, type Effect } from "effect"
import type { Question } from "../dns/question.ts"

/** One question to one upstream, as people are told of it; times are milliseconds from when it was asked. */
export interface ToldAttempt {
  readonly upstream: string
  readonly transport: "udp" | "tcp"
  readonly outcome: string
  readonly rcode: number
  readonly fromMs: number
  readonly toMs: number
}

/** What came of a question. */
export interface ToldAnswer {
  /** Undefined where it failed. */
  readonly wire: Uint8Array | undefined
  readonly error: string
  readonly tookMs: number
  readonly attempts: ReadonlyArray<ToldAttempt>
}

/** What an upstream said when it was tried. */
export interface ToldProbe {
  /** Undefined where it did not answer. */
  readonly rcode: number | undefined
  readonly tookMs: number
  readonly error: string | undefined
}

export interface Operations {
  /** Asks the upstreams, or joins those who ask; what is kept is not looked at. */
  resolve?: (question: Question) => Effect.Effect<ToldAnswer>
  /** Tries the upstream of this name; undefined where this thread has none. */
  probe?: (upstream: string) => Effect.Effect<ToldProbe | undefined>
  /** Has the servers on the same Redis forget, as `flush-log.ts` writes it; undefined where there is no Redis. */
  flushShared?: (flush: string) => Effect.Effect<string | undefined>
}

/** Filled by the rooms of a thread. */
export const Operations: Context.Reference<Operations> = Context.Reference("strand/runtime/Operations", {
  defaultValue: (): Operations => ({})
})
