/**
 * Asks Redis for answers, and waits for it no longer than a query can spare.
 *
 * The client writes all commands of a turn in one go: single GETs cost no more than one MGET does, and go to a cluster as
 * they are. What is asked for in one turn has one timer.
 */
import { Context } from "effect"
import type { Counters } from "../telemetry/counters.ts"
import type { RedisBreaker } from "./redis-breaker.ts"
import type { RedisConnection } from "./redis-connection.ts"

/** Milliseconds that a query waits for Redis at most. Tests that are not about it give more: machines may be slow. */
export const RedisPatience: Context.Reference<number> = Context.Reference("strand/cache/RedisPatience", {
  defaultValue: () => 4
})

type Take = (value: Buffer | undefined) => void

export class RedisLookups {
  private readonly breaker: RedisBreaker
  private readonly counters: Counters["Service"]
  private readonly patienceMs: number
  private open: Turn | undefined

  constructor(breaker: RedisBreaker, counters: Counters["Service"], patienceMs: number) {
    this.breaker = breaker
    this.counters = counters
    this.patienceMs = patienceMs
  }

  /** @param take gets the value, or undefined where there is none, or none in time; called once, in a later turn */
  find(connection: RedisConnection, key: Buffer, take: Take): void {
    this.open ??= this.begin()
    this.open.find(connection, key, take)
  }

  private begin(): Turn {
    setImmediate(() => {
      this.open = undefined
    })
    return new Turn(this.breaker, this.counters, this.patienceMs)
  }
}

/** The lookups of one turn. */
class Turn {
  private readonly breaker: RedisBreaker
  private readonly counters: Counters["Service"]
  private readonly waiting = new Set<Take>()
  private readonly timer: NodeJS.Timeout

  constructor(breaker: RedisBreaker, counters: Counters["Service"], patienceMs: number) {
    this.breaker = breaker
    this.counters = counters
    // The wheel's ticks are longer than all that is waited for here.
    this.timer = setTimeout(() => this.looksLate(), patienceMs)
  }

  find(connection: RedisConnection, key: Buffer, take: Take): void {
    this.waiting.add(take)
    connection.send(["GET", key]).then(
      (value) => this.onReply(take, value),
      () => this.onError(take)
    )
  }

  private onReply(take: Take, value: unknown): void {
    if (!this.leaves(take)) return
    this.breaker.onAnswer()
    if (value instanceof Buffer) {
      take(value)
    } else {
      this.counters.add("shared.misses")
      take(undefined)
    }
  }

  private onError(take: Take): void {
    if (!this.leaves(take)) return
    this.counters.add("shared.errors")
    this.breaker.onFailure()
    take(undefined)
  }

  private leaves(take: Take): boolean {
    if (!this.waiting.delete(take)) return false
    if (this.waiting.size === 0) clearTimeout(this.timer)
    return true
  }

  /** Where this thread itself was late, answers are there already and have not been read: they are, before it is said. */
  private looksLate(): void {
    setImmediate(() => {
      if (this.waiting.size === 0) return
      this.counters.add("shared.timeouts", this.waiting.size)
      this.breaker.onFailure()
      for (const take of this.waiting) {
        this.waiting.delete(take)
        take(undefined)
      }
    })
  }
}
