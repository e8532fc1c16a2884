/**
 * Answers that are kept, as wire bytes ready to send, in one table for all threads (`table.ts`).
 *
 * Hot path: a lookup reads the name where it stands in the packet, and allocates nothing.
 */
import { Clock, Context, Effect, FiberSet, Layer, Schedule, type Scope, Semaphore } from "effect"
import { Configuration } from "../config/configuration.ts"
import { lowerCased, MAX_NAME_LENGTH } from "../dns/name.ts"
import type { Query } from "../dns/query.ts"
import { type Question, writeQuestion } from "../dns/question.ts"
import type { Subnet } from "../dns/subnet.ts"
import { HEADER_SIZE } from "../dns/wire.ts"
import { inSlices } from "../runtime/slices.ts"
import { Counters } from "../telemetry/counters.ts"
import { EcsAnswers } from "./ecs-answers.ts"
import { isAtOrBelow, isName, type NameTest } from "./table/flush.ts"
import { Key } from "./table/key.ts"
import { MIN_OCTETS, TableMemory } from "./table/memory.ts"
import { AnswerTable, type CachedAnswer, type TableStatistics } from "./table/table.ts"

const MIB = 1024 * 1024
/** How often time is moved on when no packets come. */
const REFRESH = Schedule.spaced("100 millis")
/**
 * A writer that holds a shard is done within microseconds; one that died there is replaced within seconds. Until then
 * the removal of an answer is tried again.
 */
const INSIST = { schedule: Schedule.spaced("10 millis"), times: 1_000, until: (isGone: boolean) => isGone }

/**
 * The answers that are kept.
 *
 * **When to use**
 *
 * Use to forget answers when those of a step of one's own have changed: `flushName`, `flushTree`, `flushAll`.
 *
 * **Example** (Forgetting a zone)
 *
 * ```ts
 * import { Effect } from "effect"
 * import { AnswerCache, parseName } from "strand-dns"
 *
 * const forgotten = Effect.flatMap(AnswerCache, ({ flushTree }) => flushTree(parseName("corp.example.com")!))
 * ```
 */
export class AnswerCache extends Context.Service<
  AnswerCache,
  {
    /**
     * What the query is looked up by, its hash taken. Valid until the next key is made.
     */
    readonly keyOf: (query: Query, view?: number) => Key
    /** The answer for the key, alive or past its life: look at `remainingSeconds`. Valid until the next lookup. */
    readonly find: (key: Key) => CachedAnswer | undefined
    /**
     * The same for clients of one network: the answer with the longest scope that holds it, else the one for everybody
     * (RFC 7871 §7.3.1). The key's hash is the network's own then.
     */
    readonly findFor: (key: Key, subnet: Subnet) => CachedAnswer | undefined
    /** The hash of the question's key, as `keyOf` and `findFor` leave it in the key of its query. */
    readonly hashOf: (question: Question) => number
    /** The answer to the question even if its life is over, as long as nothing needed its place. */
    readonly peekStale: (question: Question) => CachedAnswer | undefined
    /**
     * Caches an answer for `ttlSeconds`, of which `ageSeconds` have passed already; 0 caches nothing. An answer older
     * than its TTL is cached as a stale one. One that cannot be stored supersedes the present one.
     *
     * @param scope for how wide a part of the question's network it is good (RFC 7871 §7.3.1)
     * @param ageSeconds counts only for an answer that is for all clients
     */
    readonly store: (
      question: Question,
      wire: Uint8Array,
      ttlSeconds: number,
      scope?: number,
      ageSeconds?: number
    ) => void
    /**
     * Forgets what is kept for the question: there is a newer answer, which may not be kept (RFC 8767 §4). Of what is
     * kept for client networks, all that is older and for the question's own.
     *
     * @param scope that came with the newer answer
     */
    readonly supersede: (question: Question, scope?: number) => void
    /** How many flushes have begun: what was asked for before the last one may not be kept after it. */
    readonly flushes: () => number
    /** Moves the cache's time on: to be called once for each batch of packets. A timer does when none come. */
    readonly tick: () => void
    /** Forgets the answers to a name; says how many. */
    readonly flushName: (name: Uint8Array) => Effect.Effect<number>
    /** Forgets the answers to a name and to all below it; says how many. */
    readonly flushTree: (name: Uint8Array) => Effect.Effect<number>
    readonly flushAll: Effect.Effect<void>
    /**
     * Moves to memory of so many octets, with the answers kept; says what memory, for the other threads to `adopt`.
     */
    readonly resize: (octets: number) => Effect.Effect<SharedArrayBuffer>
    readonly adopt: (memory: SharedArrayBuffer) => void
    readonly memory: () => SharedArrayBuffer
    /** Frees what a thread held that has died, before its number is given to another. */
    readonly recover: (writer: number) => void
    /** Of all threads together. */
    readonly statistics: () => TableStatistics
  }
>()("strand/cache/AnswerCache") {
  /** A table of its own, for a server of one thread. */
  static readonly layer: Layer.Layer<AnswerCache, never, Configuration | Counters> = Layer.effect(
    AnswerCache,
    Effect.gen(function* () {
      const config = (yield* Configuration).current()
      const clock = yield* Clock.clockWith(Effect.succeed)
      const octets = config.enableCaching ? config.cacheSizeMb * MIB : MIN_OCTETS
      return yield* make(() => TableMemory.create(octets, clock), 1)
    })
  )

  /**
   * A table that is there.
   *
   * @param take gives its memory, which the cache alone keeps then: until it moves to another
   * @param writer this thread's number, from 1: no other living thread has it
   */
  static readonly layerOver = (
    take: () => SharedArrayBuffer,
    writer: number
  ): Layer.Layer<AnswerCache, never, Configuration | Counters> =>
    Layer.effect(
      AnswerCache,
      make(() => new TableMemory(take()), writer)
    )
}

/** @param first gives the memory to begin with, which nothing here keeps once the table has moved */
const make = (
  first: () => TableMemory,
  writer: number
): Effect.Effect<AnswerCache["Service"], never, Configuration | Counters | Scope.Scope> =>
  Effect.gen(function* () {
    const configuration = yield* Configuration
    const counters = yield* Counters
    const clock = yield* Clock.clockWith(Effect.succeed)
    const table = new AnswerTable(first(), writer, clock, () => counters.add("cache.evictions"))
    // A flush while entries migrate would miss those that migrated already.
    const alone = yield* Semaphore.make(1)
    const refresh = Effect.sync(() => table.refresh())
    yield* Effect.forkScoped(Effect.repeat(refresh, REFRESH))
    // What was kept before may not be found while nothing is kept, nor afterwards.
    yield* configuration.follow(["enableCaching"], () => table.flushAll())

    const key = new Key()
    const keyOf = (query: Query, view = 0): Key => {
      key.ofQuery(query, view)
      table.hash(key)
      return key
    }
    const keyOfQuestion = (question: Question): Key => {
      key.ofQuestion(question)
      table.hash(key)
      return key
    }
    const ecsAnswers = new EcsAnswers(table)
    const run = yield* FiberSet.makeRuntime<never>()
    /** A header and a question. */
    const message = new Uint8Array(HEADER_SIZE + MAX_NAME_LENGTH + 4)
    /** Forgets what was stored before; returns whether it is gone. */
    const forget = (question: Question, scope: number, before: number): boolean => {
      const key = keyOfQuestion(question)
      const bare = message.subarray(0, writeQuestion(message, question, HEADER_SIZE))
      const subnet = question.clientContext?.subnet
      return subnet === undefined ? table.remove(key, bare, before) : ecsAnswers.mark(key, subnet, bare, scope)
    }
    const forgetOlder = (question: Question, scope: number, before: number): void => {
      if (!configuration.current().enableCaching || forget(question, scope, before)) return
      const again = Effect.sync(() => forget(question, scope, before))
      run(Effect.repeat(again, INSIST))
    }
    const flush = (test: NameTest): Effect.Effect<number> => alone.withPermits(1)(inSlices(() => table.flush(test)))

    return AnswerCache.of({
      keyOf,
      find: (key) => table.lookup(key),
      findFor: (key, subnet) => ecsAnswers.find(key, subnet),
      hashOf: (question) => {
        const key = keyOfQuestion(question)
        const subnet = question.clientContext?.subnet
        if (subnet !== undefined) ecsAnswers.find(key, subnet)
        return key.hash
      },
      peekStale: (question) => {
        const key = keyOfQuestion(question)
        const subnet = question.clientContext?.subnet
        return subnet === undefined ? table.lookup(key) : ecsAnswers.find(key, subnet)
      },
      store: (question, wire, ttlSeconds, scope = 0, ageSeconds = 0) => {
        if (!configuration.current().enableCaching) return
        const key = keyOfQuestion(question)
        const subnet = question.clientContext?.subnet
        const isKept =
          subnet === undefined
            ? table.store(key, wire, ttlSeconds, 0, ageSeconds)
            : ecsAnswers.store(key, subnet, wire, ttlSeconds, scope)
        if (isKept && subnet !== undefined) {
          const bare = message.subarray(0, writeQuestion(message, question, HEADER_SIZE))
          ecsAnswers.removeNarrower(keyOfQuestion(question), subnet, bare, scope)
        }
        // What another thread has stored in the same moment is as new as the answer that found no room.
        if (!isKept && ttlSeconds > 0) forgetOlder(question, scope, table.now)
      },
      supersede: (question, scope = 0) => forgetOlder(question, scope, table.now + 1),
      flushes: () => table.flushes,
      tick: () => table.tick(),
      flushName: (name) => flush(isName(lowerCased(name, 0, name.length))),
      flushTree: (name) => flush(isAtOrBelow(lowerCased(name, 0, name.length))),
      flushAll: alone.withPermits(1)(Effect.sync(() => table.flushAll())),
      resize: (octets) =>
        alone.withPermits(1)(
          Effect.map(
            inSlices(() => table.resized(octets)),
            (resized) => {
              table.adopt(resized)
              return resized.buffer
            }
          )
        ),
      adopt: (buffer) => table.adopt(new TableMemory(buffer)),
      memory: () => table.memory.buffer,
      recover: (writer) => table.recover(writer),
      statistics: () => table.statistics()
    })
  })
