/** The shared tier over Redis, put together from its parts. */
import { Effect, type Scope } from "effect"
import { Configuration } from "../config/configuration.ts"
import type { RedisAddress } from "../config/redis-address.ts"
import type { Question } from "../dns/question.ts"
import { Counters } from "../telemetry/counters.ts"
import { AnswerCache } from "./answer-cache.ts"
import { FailureCache } from "./failure-cache.ts"
import { type Flush, FlushLog } from "./flush-log.ts"
import { fingerprintsOf } from "./group-fingerprint.ts"
import { RedisBreaker } from "./redis-breaker.ts"
import { RedisClock } from "./redis-clock.ts"
import { type RedisConnection, RedisUnreachable } from "./redis-connection.ts"
import { enterFlush } from "./redis-flushes.ts"
import { redisKeyOf } from "./redis-key.ts"
import { keepConnected } from "./redis-life.ts"
import { RedisLookups, RedisPatience } from "./redis-lookups.ts"
import { RedisWrites } from "./redis-writes.ts"
import { decodeEntry, encodeEntry } from "./shared-entry.ts"
import type { SharedAnswer, Tier } from "./shared-tier.ts"

/** The server starts without Redis when it has not come up by then. */
const START_MS = 250
/** What waits to be written when the server stops gets so long. */
const LAST_WRITES_MS = 300

export const makeRedisTier = (
  address: RedisAddress
): Effect.Effect<Tier, never, Configuration | Counters | AnswerCache | FailureCache | Scope.Scope> =>
  Effect.gen(function* () {
    const config = yield* Configuration
    const counters = yield* Counters
    const cache = yield* AnswerCache
    const failures = yield* FailureCache
    const fingerprintOf = fingerprintsOf(config)
    const patienceMs = yield* RedisPatience
    const breaker = new RedisBreaker()
    const clock = new RedisClock()
    const log = new FlushLog()
    let connection: RedisConnection | undefined
    const usable = (): RedisConnection | undefined => (breaker.isClosed ? connection : undefined)
    const lookups = new RedisLookups(breaker, counters, patienceMs)
    const writes = new RedisWrites(counters, usable)

    const forgetAnswers = (flush: Flush): Effect.Effect<unknown> => {
      switch (flush.kind) {
        case "name":
          return cache.flushName(flush.name)
        case "tree":
          return cache.flushTree(flush.name)
        case "all":
          return cache.flushAll
      }
    }
    const forget = (flush: Flush): Effect.Effect<void> => {
      failures.forgetAll()
      return Effect.map(forgetAnswers(flush), () => counters.add("shared.flushes"))
    }
    const { firstTried } = yield* keepConnected({
      address,
      authorities: config.tlsCaFile?.certificates ?? [],
      breaker,
      patienceMs,
      clock,
      log,
      forget,
      use: (made) => {
        connection = made
      }
    })
    yield* Effect.forkScoped(writes.work)
    yield* Effect.addFinalizer(() => Effect.ignore(Effect.timeout(writes.writeAll, LAST_WRITES_MS)))
    yield* Effect.ignore(Effect.timeout(firstTried, START_MS))

    /** What the value of a key says; undefined where it may not be used. */
    const read = (question: Question, value: Buffer | undefined): SharedAnswer | undefined => {
      if (value === undefined) return undefined
      const entry = decodeEntry(value)
      if (entry === undefined || log.isVoid(entry.generation, question.name)) {
        counters.add("shared.refused")
        return undefined
      }
      return { wire: entry.wire, ageSeconds: Math.max(0, clock.nowSeconds() - entry.storedSeconds) }
    }

    return {
      find: (question, take) => {
        const open = usable()
        if (open === undefined) {
          take(undefined)
          return
        }
        const key = redisKeyOf(question, fingerprintOf(question.view))
        lookups.find(open, key, (value) => take(read(question, value)))
      },
      generation: () => log.generation,
      keep: (question, wire, ttlSeconds, generation) => {
        if (ttlSeconds <= 0) return
        if (!writes.hasRoom()) {
          counters.add("shared.dropped")
          return
        }
        const key = redisKeyOf(question, fingerprintOf(question.view))
        const value = encodeEntry({ generation, storedSeconds: clock.nowSeconds(), wire })
        writes.add(key, value, (ttlSeconds + config.cacheStaleSecs) * 1000)
      },
      flush: (flush) =>
        Effect.suspend(() =>
          connection === undefined
            ? Effect.fail(new RedisUnreachable({ message: "there is no connection to Redis" }))
            : enterFlush(connection, flush, log.generation, false)
        )
    }
  })
