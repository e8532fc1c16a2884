/**
 * Answers that are kept, as wire bytes ready to send, in one table for all threads (`table.ts`).
 *
 * Hot path: a lookup reads the name where it stands in the packet, and allocates nothing.
 */
import { Clock, Context, Effect, Layer, Schedule } from "effect"
import { Configuration } from "../config/configuration.ts"
import type { Query } from "../dns/query.ts"
import type { Question } from "../dns/question.ts"
import { Counters } from "../telemetry/counters.ts"
import { Key } from "./key.ts"
import { TableMemory } from "./memory.ts"
import { AnswerTable, type CachedAnswer, type TableStatistics } from "./table.ts"

export class AnswerCache extends Context.Service<
  AnswerCache,
  {
    /** The answer to the query, if one is kept and still lives. Valid until the next lookup. */
    readonly lookup: (query: Query) => CachedAnswer | undefined
    /** The same for a question that is no packet's. */
    readonly peek: (question: Question) => CachedAnswer | undefined
    /** Keeps an answer for `ttlSeconds`; 0 keeps nothing. */
    readonly store: (question: Question, wire: Uint8Array, ttlSeconds: number) => void
    /** Octets that answers take. */
    readonly size: () => number
    readonly tick: () => void
    readonly flushAll: () => void
    readonly statistics: () => TableStatistics
    readonly recover: (writer: number) => void
  }
>()("strand/cache/AnswerCache") {
  static readonly layer: Layer.Layer<AnswerCache, never, Configuration | Counters> = Layer.effect(
    AnswerCache,
    Effect.gen(function* () {
      const config = yield* Configuration
      const counters = yield* Counters
      const clock = yield* Clock.clockWith(Effect.succeed)
      if (!config.enableCaching) return disabled
      const memory = TableMemory.create(config.cacheSizeMb * 1024 * 1024, clock)
      const table = new AnswerTable(memory, 1, clock, () => counters.add("cache.evictions"))
      yield* Effect.forkScoped(
        Effect.repeat(
          Effect.sync(() => table.refresh()),
          Schedule.spaced("100 millis")
        )
      )
      const key = new Key()
      const living = (): CachedAnswer | undefined => {
        table.hash(key)
        const hit = table.lookup(key)
        return hit !== undefined && hit.remainingSeconds > 0 ? hit : undefined
      }
      return AnswerCache.of({
        lookup: (query) => {
          key.ofQuery(query, 0)
          return living()
        },
        peek: (question) => {
          table.refresh()
          key.ofQuestion(question, 0)
          return living()
        },
        store: (question, wire, ttlSeconds) => {
          key.ofQuestion(question, 0)
          table.hash(key)
          table.store(key, wire, ttlSeconds)
        },
        size: () => table.statistics().bytes,
        tick: () => table.tick(),
        flushAll: () => table.flushAll(),
        statistics: () => table.statistics(),
        recover: (writer) => table.recover(writer)
      })
    })
  )
}

const disabled: AnswerCache["Service"] = {
  lookup: () => undefined,
  peek: () => undefined,
  store: () => {},
  size: () => 0,
  tick: () => {},
  flushAll: () => {},
  statistics: () => ({
    hits: 0,
    misses: 0,
    stores: 0,
    unstored: 0,
    evictions: 0,
    entries: 0,
    bytes: 0,
    capacity: 0
  }),
  recover: () => {}
}
