/** The shared tier over Redis, put together from its parts. */
import { Effect, FiberSet, type Scope } from "effect"
import type { RedisAddress } from "../../../config/codec/redis-address.ts"
import { Configuration } from "../../../config/configuration.ts"
import { ofCurrent } from "../../../config/live-configuration.ts"
import type { Question } from "../../../dns/question.ts"
import { Counters } from "../../../telemetry/counters.ts"
import { AnswerCache } from "../../answer-cache.ts"
import { FailureCache } from "../../failure-cache.ts"
import { type Flush, FlushLog } from "../flush-log.ts"
import { fingerprintsOf } from "../group-fingerprint.ts"
import { decodeEntry, encodeEntry, encodeSuperseded } from "../shared-entry.ts"
import { LogsRedis, NOTHING, type SharedFind, type SharedPlace, type Tier, UNKNOWN } from "../shared-tier.ts"
import { RedisBreaker } from "./breaker.ts"
import { RedisClock } from "./clock.ts"
import { type RedisConnection, RedisUnreachable } from "./connection.ts"
import { keepConnected } from "./connection-manager.ts"
import { enterFlush } from "./flushes.ts"
import { redisKeyOf } from "./key.ts"
import { RedisLookups, RedisPatience } from "./lookups.ts"
import { RedisRefusals } from "./refusals.ts"
import { RedisWrites } from "./writes.ts"

/** The server starts without Redis when it has not come up by then. */
const START_MS = 250
/**
 * Seconds by which stamps of other servers may be ahead of Redis's clock as it is known here: this knowledge is late by
 * the time of a heartbeat, three seconds at most. The age of an entry that is further ahead cannot be known.
 */
const AHEAD_SECONDS = 5
/** What waits to be written when the server stops gets so long. */
const LAST_WRITES_MS = 300

/** @param authorities certificates in PEM, beside those that Node knows */
export const makeRedisTier = (
  address: RedisAddress,
  authorities: ReadonlyArray<string>
): Effect.Effect<Tier, never, Configuration | Counters | AnswerCache | FailureCache | Scope.Scope> =>
  Effect.gen(function* () {
    const configuration = yield* Configuration
    const counters = yield* Counters
    const cache = yield* AnswerCache
    const failures = yield* FailureCache
    const fingerprints = ofCurrent(configuration, fingerprintsOf)
    const patienceMs = yield* RedisPatience
    const breaker = new RedisBreaker()
    const clock = new RedisClock()
    const flushLog = new FlushLog()
    let connection: RedisConnection | undefined
    const usable = (): RedisConnection | undefined => (breaker.isClosed ? connection : undefined)
    const logs = yield* LogsRedis
    const run = yield* FiberSet.makeRuntime<never>()
    const log = (line: string, isOver: boolean): void => {
      if (logs) run(isOver ? Effect.logInfo(line) : Effect.logWarning(line))
    }
    const lookups = new RedisLookups(breaker, counters, patienceMs, new RedisRefusals("give answers", log))
    const writes = new RedisWrites(counters, usable, new RedisRefusals("take answers", log))

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
      authorities,
      breaker,
      patienceMs,
      clock,
      flushLog,
      forget,
      use: (made) => {
        connection = made
      }
    })
    yield* Effect.forkScoped(writes.work)
    yield* Effect.addFinalizer(() => Effect.ignore(Effect.timeout(writes.writeAll, LAST_WRITES_MS)))
    yield* Effect.ignore(Effect.timeout(firstTried, START_MS))

    const fingerprintOf = ({ view }: Question): Buffer | undefined => fingerprints()(view)

    /** What the value of a key says; nothing where it may not be used. */
    const read = (question: Question, value: Buffer): SharedFind => {
      const entry = decodeEntry(value)
      const ageSeconds = entry === undefined ? 0 : clock.nowSeconds() - entry.storedSeconds
      if (entry === undefined || ageSeconds < -AHEAD_SECONDS || flushLog.isVoid(entry.generation, question.name)) {
        counters.add("shared.refused")
        return NOTHING
      }
      const age = Math.max(0, ageSeconds)
      return entry.wire.length === 0
        ? { kind: "superseded", ageSeconds: age }
        : { kind: "answer", wire: entry.wire, ageSeconds: age }
    }

    const placeOf = (question: Question): SharedPlace | undefined => {
      const fingerprint = fingerprintOf(question)
      if (fingerprint === undefined) return undefined
      const key = redisKeyOf(question, fingerprint)
      /** Whether what its upstreams say now is what is kept there. */
      const isStill = (): boolean => fingerprintOf(question)?.equals(fingerprint) === true
      return {
        lookUp: (take) => {
          const open = usable()
          if (open === undefined) {
            take(UNKNOWN)
            return
          }
          lookups.find(open, key, (value) => take(Buffer.isBuffer(value) ? read(question, value) : value))
        },
        keep: (wire, ttlSeconds, generation) => {
          if (!isStill()) return true
          if (!writes.hasRoom()) {
            counters.add("shared.dropped")
            return false
          }
          const value = encodeEntry({ generation, storedSeconds: clock.nowSeconds(), wire })
          writes.add(key, value, (ttlSeconds + configuration.current().cacheStaleSecs) * 1000)
          return true
        },
        supersede: (generation) => {
          if (!isStill()) return
          if (!writes.hasRoom()) {
            writes.remove(key)
            return
          }
          // As long as any server may have what was superseded.
          const { cacheMaxTtlSecs, cacheStaleSecs } = configuration.current()
          const lifeMs = (cacheMaxTtlSecs + cacheStaleSecs) * 1000
          writes.add(key, encodeSuperseded(generation, clock.nowSeconds()), lifeMs)
        },
        forget: () => {
          if (isStill()) writes.remove(key)
        }
      }
    }

    return {
      placeOf,
      generation: () => flushLog.generation,
      flush: (flush) =>
        Effect.suspend(() =>
          connection === undefined
            ? Effect.fail(new RedisUnreachable({ message: "there is no connection to Redis" }))
            : enterFlush(connection, flush, flushLog.generation, false)
        )
    }
  })
