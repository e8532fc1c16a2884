/**
 * The second tier: answers in Redis, shared by many servers.
 *
 * It may be slow, full, restarting or gone: that costs hits, never an answer, and no query more than a few
 * milliseconds. What is found there is as good as what an upstream says: whoever asks checks it the same way.
 */
import { Context, type Effect, type Option } from "effect"
import type { Derived } from "../../config/live-configuration.ts"
import type { Question } from "../../dns/question.ts"
import type { Flush } from "./flush-log.ts"
import type { RedisUnreachable } from "./redis/connection.ts"

/** What the shared tier has for a question. */
export type SharedFind =
  /** An answer, not looked at yet. */
  | { readonly kind: "answer"; readonly wire: Uint8Array; readonly ageSeconds: number }
  /** A note that so long ago an answer superseded what there was, and might not be kept itself. */
  | { readonly kind: "superseded"; readonly ageSeconds: number }
  /** Nothing, or nothing that may be used. */
  | { readonly kind: "nothing" }
  /** It is not known: it did not say, or not in time. */
  | { readonly kind: "unknown" }

export const NOTHING: SharedFind = { kind: "nothing" }
export const UNKNOWN: SharedFind = { kind: "unknown" }

/**
 * The place of one question's answer, as it was when the question began: where its upstreams are others by the time that
 * they have answered, nothing is written there.
 */
export interface SharedPlace {
  /**
   * Says what there is: after some milliseconds at the latest, or before this returns.
   *
   * @param take must not throw
   */
  readonly lookUp: (take: (found: SharedFind) => void) => void
  /** Keeps an answer that was just asked for, behind the query's back; says whether it is going to try. */
  readonly keep: (wire: Uint8Array, ttlSeconds: number, generation: number) => boolean
  /** Replaces an answer that is there by a note that it was superseded, for other servers. The query does not wait. */
  readonly supersede: (generation: number) => void
  /** Deletes what is there, if anything is. */
  readonly forget: () => void
}

export interface Tier {
  /** Undefined where the configuration has no upstreams for the question's view any more. */
  readonly placeOf: (question: Question) => SharedPlace | undefined
  /** What is asked for from now on belongs to this generation: to be taken before asking, for `keep`. */
  readonly generation: () => number
  /**
   * Has all servers forget, this one and the tier included. Done when Redis knows of it; the servers hear of it then.
   */
  readonly flush: (flush: Flush) => Effect.Effect<void, RedisUnreachable>
}

/** Whether this thread logs how Redis is: each thread of the process has a connection of its own, one of them logs. */
export const LogsRedis: Context.Reference<boolean> = Context.Reference("strand/cache/LogsRedis", {
  defaultValue: () => true
})

/** None where no Redis is configured, or nothing is kept at all. */
export class SharedTier extends Context.Service<SharedTier, Derived<Option.Option<Tier>>>()(
  "strand/cache/SharedTier"
) {}
