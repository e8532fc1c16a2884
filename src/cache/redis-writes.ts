/**
 * Gives answers to Redis behind the queries' backs: gathered for some milliseconds, a batch at a time, bounded.
 *
 * A batch is sent when the one before it was answered. What finds no room, or no Redis, is dropped and counted: it costs
 * a later query a hit.
 */
import { Effect, Latch } from "effect"
import type { Counters } from "../telemetry/counters.ts"
import type { RedisArgument, RedisConnection } from "./redis-connection.ts"

const GATHER_MS = 10
const BATCH = 128
const MAX_ENTRIES = 8_192
const MAX_OCTETS = 4 << 20
/** A Redis that has taken nothing of a batch (it is full, or read-only) is left alone for so long. */
const REST_MS = 1_000

interface Write {
  readonly key: Buffer
  readonly value: Buffer
  readonly lifeMs: number
}

export class RedisWrites {
  private readonly counters: Counters["Service"]
  private readonly connection: () => RedisConnection | undefined
  private readonly some = Latch.makeUnsafe(false)
  private waiting: Array<Write> = []
  private octets = 0
  private restsUntilMs = 0

  /** @param connection the one to write to; undefined while there is none that answers in time */
  constructor(counters: Counters["Service"], connection: () => RedisConnection | undefined) {
    this.counters = counters
    this.connection = connection
  }

  /** Whether one more would be taken now. */
  hasRoom(): boolean {
    const isFull = this.waiting.length >= MAX_ENTRIES || this.octets >= MAX_OCTETS
    return !isFull && this.connection() !== undefined && performance.now() >= this.restsUntilMs
  }

  /** @param lifeMs after which Redis forgets it */
  add(key: Buffer, value: Buffer, lifeMs: number): void {
    this.octets += key.length + value.length
    if (this.waiting.push({ key, value, lifeMs }) === 1) this.some.openUnsafe()
  }

  /** Writes as answers come, without end. */
  readonly work: Effect.Effect<never> = Effect.forever(
    Effect.suspend(() => Effect.andThen(this.some.await, Effect.andThen(Effect.sleep(GATHER_MS), this.writeAll)))
  )

  /** Writes all that waits. */
  get writeAll(): Effect.Effect<void> {
    return Effect.suspend(() => {
      const batch = this.waiting.splice(0, BATCH)
      for (const { key, value } of batch) this.octets -= key.length + value.length
      if (this.waiting.length === 0) this.some.closeUnsafe()
      return batch.length === 0 ? Effect.void : Effect.andThen(this.write(batch), this.writeAll)
    })
  }

  private write(batch: ReadonlyArray<Write>): Effect.Effect<void> {
    const connection = this.connection()
    if (connection === undefined) {
      return Effect.sync(() => this.counters.add("shared.dropped", batch.length))
    }
    return Effect.callback((resume) => {
      let left = batch.length
      let taken = 0
      const end = (): void => {
        if (--left > 0) return
        this.counters.add("shared.writes", taken)
        this.counters.add("shared.dropped", batch.length - taken)
        if (taken === 0) this.restsUntilMs = performance.now() + REST_MS
        resume(Effect.void)
      }
      const onTaken = (): void => {
        taken++
        end()
      }
      for (const { key, value, lifeMs } of batch) {
        const command: Array<RedisArgument> = ["SET", key, value, "PX", String(lifeMs)]
        connection.send(command).then(onTaken, end)
      }
    })
  }
}
