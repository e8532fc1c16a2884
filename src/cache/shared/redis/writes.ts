/**
 * Gives answers to Redis behind the queries' backs: gathered for some milliseconds, a batch at a time, bounded.
 *
 * A batch is sent when the one before it was answered. What finds no room, or no Redis, is dropped and counted: it
 * costs a later query a hit. Where Redis refuses an answer, being full, what stands there is deleted: it is older.
 */
import { Effect, Latch, Semaphore } from "effect"
import type { Counters } from "../../../telemetry/counters.ts"
import { isReply, type RedisConnection } from "./connection.ts"
import type { RedisRefusals } from "./refusals.ts"

const GATHER_MS = 10
const BATCH = 128
const MAX_ENTRIES = 8_192
const MAX_OCTETS = 4 << 20
/** A Redis that has taken nothing of a batch (it is full, or read-only) is left alone for so long. */
const REST_MS = 1_000

interface Write {
  readonly key: Buffer
  /** Undefined where what is there is to go. */
  readonly value: Buffer | undefined
  readonly lifeMs: number
}

const octetsOf = ({ key, value }: Write): number => key.length + (value?.length ?? 0)

export class RedisWrites {
  private readonly counters: Counters["Service"]
  private readonly connection: () => RedisConnection | undefined
  private readonly refusals: RedisRefusals
  private readonly some = Latch.makeUnsafe(false)
  private readonly turn = Semaphore.makeUnsafe(1)
  private waiting: Array<Write> = []
  private octets = 0
  private restsUntilMs = 0

  /** @param connection the one to write to; undefined while there is none that answers in time */
  constructor(counters: Counters["Service"], connection: () => RedisConnection | undefined, refusals: RedisRefusals) {
    this.counters = counters
    this.connection = connection
    this.refusals = refusals
  }

  /** Whether one more would be taken now. */
  hasRoom(): boolean {
    return this.isOpen && performance.now() >= this.restsUntilMs
  }

  /** @param lifeMs after which Redis forgets it */
  add(key: Buffer, value: Buffer, lifeMs: number): void {
    this.push({ key, value, lifeMs })
  }

  /** Deletes what is there: a Redis that is full does that too. */
  remove(key: Buffer): void {
    if (this.isOpen) this.push({ key, value: undefined, lifeMs: 0 })
    else this.counters.add("shared.dropped")
  }

  private get isOpen(): boolean {
    const isFull = this.waiting.length >= MAX_ENTRIES || this.octets >= MAX_OCTETS
    return !isFull && this.connection() !== undefined
  }

  private push(write: Write): void {
    this.octets += octetsOf(write)
    if (this.waiting.push(write) === 1) this.some.openUnsafe()
  }

  /** Writes as answers come, without end. */
  readonly work: Effect.Effect<never> = Effect.forever(
    Effect.suspend(() => Effect.andThen(this.some.await, Effect.andThen(Effect.sleep(GATHER_MS), this.writeAll)))
  )

  /** Writes all that waits; it is over when what was sent before is answered too. */
  get writeAll(): Effect.Effect<void> {
    return this.turn.withPermit(this.writeBatches)
  }

  private get writeBatches(): Effect.Effect<void> {
    return Effect.suspend(() => {
      const batch = this.waiting.splice(0, BATCH)
      for (const write of batch) this.octets -= octetsOf(write)
      if (this.waiting.length === 0) this.some.closeUnsafe()
      return batch.length === 0 ? Effect.void : Effect.andThen(this.write(batch), this.writeBatches)
    })
  }

  private write(batch: ReadonlyArray<Write>): Effect.Effect<void> {
    const connection = this.connection()
    if (connection === undefined) {
      return Effect.sync(() => this.counters.add("shared.dropped", batch.length))
    }
    return Effect.flatMap(
      Effect.promise(() => Promise.all(batch.map((each) => this.send(connection, each)))),
      (taken) => Effect.sync(() => this.onAnswered(taken))
    )
  }

  private onAnswered(taken: ReadonlyArray<boolean>): void {
    const count = taken.filter((isTaken) => isTaken).length
    this.counters.add("shared.writes", count)
    this.counters.add("shared.dropped", taken.length - count)
    if (count === 0) this.restsUntilMs = performance.now() + REST_MS
    else if (count === taken.length) this.refusals.onTaken()
  }

  /** Whether it was taken; whatever becomes of it, it does not fail. */
  private async send(connection: RedisConnection, { key, value, lifeMs }: Write): Promise<boolean> {
    try {
      await connection.send(value === undefined ? ["DEL", key] : ["SET", key, value, "PX", String(lifeMs)])
      return true
    } catch (error) {
      this.counters.add("shared.errors")
      this.refusals.onRefused(error)
      if (value !== undefined && isReply(error)) await connection.send(["DEL", key]).catch(() => undefined)
      return false
    }
  }
}
