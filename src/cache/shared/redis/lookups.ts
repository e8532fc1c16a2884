/**
 * Asks Redis for answers, and waits for it no longer than a query can spare.
 *
 * The client writes all commands of a turn in one go: single reads cost no more than one MGET does, and go to a cluster
 * as they are. The lookups of one turn share one timer. No more of a value is read than an answer can be long: another
 * program that writes to Redis could fill the memory of all servers that read there.
 */
import { Context } from "effect"
import type { Counters } from "../../../telemetry/counters.ts"
import { MAX_ENTRY_SIZE } from "../shared-entry.ts"
import { NOTHING, type SharedFind, UNKNOWN } from "../shared-tier.ts"
import type { RedisBreaker } from "./breaker.ts"
import { isReply, type RedisConnection } from "./connection.ts"
import type { RedisRefusals } from "./refusals.ts"

/** Milliseconds that a query waits for Redis at most. Tests that are not about it give more: machines may be slow. */
export const RedisPatience: Context.Reference<number> = Context.Reference("strand/cache/RedisPatience", {
  defaultValue: () => 4
})

/** The last octet that is asked for: one more than an answer can have, so that what is longer is seen to be. */
const LAST_OCTET = String(MAX_ENTRY_SIZE)

/** Gets the value, where there is one. */
type Take = (value: Buffer | SharedFind) => void

export class RedisLookups {
  private readonly breaker: RedisBreaker
  private readonly counters: Counters["Service"]
  private readonly patienceMs: number
  private readonly refusals: RedisRefusals
  private batch: LookupBatch | undefined

  constructor(breaker: RedisBreaker, counters: Counters["Service"], patienceMs: number, refusals: RedisRefusals) {
    this.breaker = breaker
    this.counters = counters
    this.patienceMs = patienceMs
    this.refusals = refusals
  }

  /** @param take called once, in a later turn */
  find(connection: RedisConnection, key: Buffer, take: Take): void {
    this.batch ??= this.begin()
    this.batch.find(connection, key, take)
  }

  private begin(): LookupBatch {
    setImmediate(() => {
      this.batch = undefined
    })
    return new LookupBatch(this.breaker, this.counters, this.patienceMs, this.refusals)
  }
}

/** The lookups of one turn of the event loop. */
class LookupBatch {
  private readonly breaker: RedisBreaker
  private readonly counters: Counters["Service"]
  private readonly refusals: RedisRefusals
  private readonly waiting = new Set<Take>()
  private readonly timer: NodeJS.Timeout

  constructor(breaker: RedisBreaker, counters: Counters["Service"], patienceMs: number, refusals: RedisRefusals) {
    this.breaker = breaker
    this.counters = counters
    this.refusals = refusals
    // The wheel's ticks are longer than all that is waited for here.
    this.timer = setTimeout(() => this.looksLate(), patienceMs)
  }

  find(connection: RedisConnection, key: Buffer, take: Take): void {
    this.waiting.add(take)
    connection.send(["GETRANGE", key, "0", LAST_OCTET]).then(
      (value) => this.onReply(take, value),
      (error: unknown) => this.onError(take, error)
    )
  }

  private onReply(take: Take, value: unknown): void {
    if (!this.leaves(take)) return
    this.breaker.onAnswer()
    this.refusals.onTaken()
    if (value instanceof Buffer && value.length > 0) {
      take(value)
    } else {
      this.counters.add("shared.misses")
      take(NOTHING)
    }
  }

  private onError(take: Take, error: unknown): void {
    // What another program keeps under the key says nothing of Redis.
    if (isReply(error, "WRONGTYPE")) {
      if (!this.leaves(take)) return
      this.breaker.onAnswer()
      this.counters.add("shared.refused")
      take(NOTHING)
      return
    }
    this.refusals.onRefused(error)
    if (!this.leaves(take)) return
    this.counters.add("shared.errors")
    this.breaker.onFailure()
    take(UNKNOWN)
  }

  private leaves(take: Take): boolean {
    if (!this.waiting.delete(take)) return false
    if (this.waiting.size === 0) clearTimeout(this.timer)
    return true
  }

  /**
   * Where this thread itself was late, answers are there already and have not been read: they are, before it is said.
   */
  private looksLate(): void {
    setImmediate(() => {
      if (this.waiting.size === 0) return
      this.counters.add("shared.timeouts", this.waiting.size)
      this.breaker.onFailure()
      for (const take of this.waiting) {
        this.waiting.delete(take)
        take(UNKNOWN)
      }
    })
  }
}
