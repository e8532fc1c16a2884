/**
 * The second tier: answers in Redis, shared by many servers.
 *
 * It may be slow, full, restarting or gone: that costs hits, never an answer, and no query more than a few milliseconds.
 * What is found there is as good as what an upstream says: whoever asks checks it the same way.
 */
import { Context, type Effect, type Option } from "effect"
import type { Question } from "../dns/question.ts"
import type { Flush } from "./flush-log.ts"
import type { RedisUnreachable } from "./redis-connection.ts"

/** An answer from the shared tier, not looked at yet. */
export interface SharedAnswer {
  readonly wire: Uint8Array
  /** Seconds since it was stored. */
  readonly ageSeconds: number
}

export interface Tier {
  /**
   * Gives the answer to the question; undefined where there is none, or none in time: after some milliseconds at the
   * latest, or before this returns.
   *
   * @param take must not throw
   */
  readonly find: (question: Question, take: (found: SharedAnswer | undefined) => void) => void
  /** What is asked for from now on belongs to this generation: to be taken before asking, for `keep`. */
  readonly generation: () => number
  /** Keeps an answer that was just asked for, behind the query's back. */
  readonly keep: (question: Question, wire: Uint8Array, ttlSeconds: number, generation: number) => void
  /** Has all servers forget, this one and the tier included. Done when Redis knows of it; the servers hear of it then. */
  readonly flush: (flush: Flush) => Effect.Effect<void, RedisUnreachable>
}

/** Whether this thread says how Redis is, for others of the process have their own connections to it. */
export const SpeaksOfRedis: Context.Reference<boolean> = Context.Reference("strand/cache/SpeaksOfRedis", {
  defaultValue: () => true
})

/** None where no Redis is configured, or nothing is kept at all. */
export class SharedTier extends Context.Service<SharedTier, Option.Option<Tier>>()("strand/cache/SharedTier") {}
