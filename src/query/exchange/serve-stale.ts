/**
 * Serve-stale: expired answers, and when they may be given (RFC 8767 §5).
 *
 * They are given only when no fresh answer came, or none within 1.8 seconds. After that the question is deferred: for
 * half a minute the stale answer is given at once, without asking.
 */
import type { AnswerCache } from "../../cache/answer-cache.ts"
import type { CachedAnswer } from "../../cache/table/table.ts"
import type { Configuration } from "../../config/configuration.ts"
import { type Question, questionKey } from "../../dns/question.ts"
import type { LoopClock } from "../../runtime/loop-clock.ts"

/** How long a query waits for a fresh answer where there is a stale one (RFC 8767 §5, client response timer). */
export const STALE_AFTER_MS = 1_800
/** RFC 8767 §5, failure recheck timer. */
const RECHECK_MS = 30_000
const MAX_DEFERRED = 10_000

export class ServeStale {
  private readonly cache: AnswerCache["Service"]
  private readonly clock: LoopClock["Service"]
  private readonly configuration: Configuration["Service"]
  /** Questions for which no fresh answer came, and when that was. */
  private readonly deferred = new Map<string, number>()

  constructor(cache: AnswerCache["Service"], clock: LoopClock["Service"], configuration: Configuration["Service"]) {
    this.cache = cache
    this.clock = clock
    this.configuration = configuration
  }

  /** Whether a stale answer is given without waiting for a fresh one. */
  get isAtOnce(): boolean {
    return this.configuration.current().staleAnswer === "at-once"
  }

  /** Whether a cached answer may be given if no fresh one comes: it has not expired for too long. */
  isUsable(found: CachedAnswer | undefined): boolean {
    return found !== undefined && found.remainingSeconds > -this.configuration.current().cacheStaleSecs
  }

  /** The stale answer, if it is still there. Valid until the next lookup. */
  find(question: Question): CachedAnswer | undefined {
    const found = this.cache.peekStale(question)
    return this.isUsable(found) ? found : undefined
  }

  /** Whether the question was asked in vain a moment ago, and no answer has come since, late or to another thread. */
  isDeferred(question: Question): boolean {
    if (this.deferred.size === 0) return false
    const deferredMs = this.clock.nowMs() - (this.deferred.get(questionKey(question)) ?? Number.NEGATIVE_INFINITY)
    if (deferredMs >= RECHECK_MS) return false
    const found = this.cache.peekStale(question)
    return found === undefined || found.ageSeconds * 1000 >= deferredMs
  }

  defer(question: Question): void {
    const key = questionKey(question)
    this.deferred.delete(key)
    this.deferred.set(key, this.clock.nowMs())
    if (this.deferred.size > MAX_DEFERRED) this.deferred.delete(this.deferred.keys().next().value!)
  }
}
