/**
 * The connection manager: it keeps a connection to Redis. It makes one, catches up on flushes, checks it by heartbeats,
 * and makes the next one when it has ended.
 *
 * No query waits for any of it. Each change is logged once: that Redis is used, that it cannot be reached, that it is
 * too slow to be used.
 */
import { Deferred, Effect, Queue, type Scope } from "effect"
import { formatRedis, type RedisAddress } from "../../../config/codec/redis-address.ts"
import { type Flush, type FlushLog, type NumberedFlush, readFlush, readNumberedFlush } from "../flush-log.ts"
import { LogsRedis } from "../shared-tier.ts"
import type { RedisBreaker } from "./breaker.ts"
import type { RedisClock } from "./clock.ts"
import { isClusterNode, throughCluster } from "./cluster.ts"
import { clientOptions, connect, type RedisConnection, RedisUnreachable, unreachable } from "./connection.ts"
import { askForCount, enterFlush, FLUSH_REQUESTS, FLUSHES, MAX_FLUSH_TEXT, readFlushes } from "./flushes.ts"

const HEARTBEAT_MS = 1_000
/** The time between two trials, while queries do not ask Redis. */
const TRIAL_MS = 100
/** A heartbeat that is not answered for so long: the connection is left. */
const DEAD_MS = 3_000
/** How long queries have not asked Redis before that is logged. */
const SLOW_MS = 5_000
const FIRST_PAUSE_MS = 100
const LONGEST_PAUSE_MS = 2_000
/** Flushes, or requests for them, that wait at most; what comes past this is dropped, and seen later by the count. */
const MAX_WAITING = 1_000
/** Flushes that wait are carried out one by one up to this number; more of them become one flush of everything. */
const MAX_WALKS = 16

export interface ConnectionOptions {
  readonly address: RedisAddress
  readonly authorities: ReadonlyArray<string>
  readonly breaker: RedisBreaker
  /** Milliseconds in which it has to answer to be used. */
  readonly patienceMs: number
  readonly clock: RedisClock
  readonly flushLog: FlushLog
  /** Forgets what this server keeps. */
  readonly forget: (flush: Flush) => Effect.Effect<void>
  /** Told of the connection that there is, undefined where there is none. */
  readonly use: (connection: RedisConnection | undefined) => void
}

/** Connects for as long as the scope lives; `firstTried` is over when the first connection is in use, or has failed. */
export const keepConnected = (
  options: ConnectionOptions
): Effect.Effect<{ readonly firstTried: Effect.Effect<void> }, never, Scope.Scope> =>
  Effect.gen(function* () {
    const tried = yield* Deferred.make<void>()
    const manager = new ConnectionManager(options, yield* LogsRedis, () => Deferred.doneUnsafe(tried, Effect.void))
    yield* Effect.forkScoped(manager.untilClosed)
    return { firstTried: Deferred.await(tried) }
  })

/** A flush that was numbered, or the news that some were missed. */
type News = NumberedFlush | "missed"

class ConnectionManager {
  private readonly options: ConnectionOptions
  private readonly logs: boolean
  private readonly onTried: () => void
  private logged: "nothing" | "used" | "unreachable" | "slow" = "nothing"
  private pauseMs = FIRST_PAUSE_MS

  constructor(options: ConnectionOptions, logs: boolean, onTried: () => void) {
    this.options = options
    this.logs = logs
    this.onTried = onTried
  }

  /** One connection after the other. */
  readonly untilClosed: Effect.Effect<never> = Effect.forever(
    Effect.suspend(() =>
      Effect.scoped(this.one).pipe(
        Effect.catchDefect((defect) => Effect.fail(new RedisUnreachable({ message: String(defect) }))),
        Effect.catch((error) =>
          Effect.andThen(
            this.log("unreachable", `Redis cannot be reached, and is done without: ${error.message}`),
            () => this.pause()
          )
        )
      )
    )
  )

  /** One connection, until it ends. */
  private get one(): Effect.Effect<never, RedisUnreachable, Scope.Scope> {
    const { options } = this
    return Effect.gen({ self: this }, function* () {
      const client = clientOptions(options.address, options.authorities)
      const node = yield* connect(client)
      const connection = (yield* isClusterNode(node)) ? yield* throughCluster(node, client) : node
      yield* Effect.addFinalizer(() =>
        Effect.sync(() => {
          options.breaker.open()
          options.use(undefined)
        })
      )
      const requests = yield* Queue.dropping<Flush>(MAX_WAITING)
      const news = yield* Queue.dropping<News>(MAX_WAITING)
      yield* connection.subscribe(FLUSH_REQUESTS, (text) => {
        const request = text.length > MAX_FLUSH_TEXT ? undefined : readFlush(text)
        if (request !== undefined) Queue.offerUnsafe(requests, request)
      })
      yield* connection.subscribe(FLUSHES, (text) => {
        const entered = text.length > MAX_FLUSH_TEXT ? undefined : readNumberedFlush(text)
        if (entered !== undefined) Queue.offerUnsafe(news, entered)
      })
      yield* this.catchUp(connection)
      options.use(connection)
      const entering = Effect.forever(
        Effect.flatMap(Queue.take(requests), (request) =>
          enterFlush(connection, request, options.flushLog.generation, true)
        )
      )
      const receiving = Effect.forever(Effect.flatMap(Queue.takeAll(news), (what) => this.receive(connection, what)))
      return yield* Effect.raceAllFirst([connection.ended, this.heartbeat(connection, news), entering, receiving])
    }).pipe(Effect.ensuring(Effect.sync(this.onTried)))
  }

  /** Carries out flushes that were entered. Where there are many, or some are missing, it goes by the log. */
  private receive(connection: RedisConnection, news: ReadonlyArray<News>): Effect.Effect<void, RedisUnreachable> {
    const { forget, flushLog } = this.options
    if (news.length > MAX_WALKS) return this.catchUp(connection)
    return Effect.forEach(
      news,
      (entered) => {
        if (entered === "missed") return this.catchUp(connection)
        if (entered.number <= flushLog.generation) return Effect.void
        // What is noted as known has to be done, even if the connection ends meanwhile.
        return flushLog.add(entered) ? Effect.uninterruptible(forget(entered.flush)) : this.catchUp(connection)
      },
      { discard: true }
    )
  }

  /** Reads the log of flushes, for those that this server missed. */
  private catchUp(connection: RedisConnection): Effect.Effect<void, RedisUnreachable> {
    const { forget, flushLog } = this.options
    return Effect.flatMap(readFlushes(connection, flushLog.generation), (read) =>
      Effect.uninterruptible(
        Effect.suspend(() => {
          const missed = flushLog.adopt(read.generation, read.log)
          const flushes: ReadonlyArray<Flush> = missed.length > MAX_WALKS ? [{ kind: "all" }] : missed
          return Effect.forEach(flushes, forget, { discard: true })
        })
      )
    )
  }

  /**
   * Asks in regular intervals whether Redis answers in time, and for its clock and its count of flushes; fails when it
   * does not answer.
   */
  private heartbeat(connection: RedisConnection, news: Queue.Enqueue<News>): Effect.Effect<never, RedisUnreachable> {
    const { breaker, clock, flushLog } = this.options
    let shutSinceMs = performance.now()
    const once = Effect.gen({ self: this }, function* () {
      breaker.beginTrial()
      const sentMs = performance.now()
      const { count, time, tookMs } = yield* Effect.tryPromise({
        try: async () => {
          const asked = [connection.send(askForCount), connection.send(["TIME"]), connection.ping()]
          const [count, time] = await Promise.all(asked)
          return { count, time, tookMs: performance.now() - sentMs }
        },
        catch: unreachable
      }).pipe(
        Effect.timeoutOrElse({
          duration: DEAD_MS,
          orElse: () => Effect.fail(new RedisUnreachable({ message: "it does not answer" }))
        })
      )
      const [seconds, micros] = Array.isArray(time) ? (time as ReadonlyArray<unknown>) : []
      const wallMs = Number(seconds) * 1000 + Number(micros) / 1000
      if (!Number.isFinite(wallMs)) return yield* new RedisUnreachable({ message: "it does not tell the time" })
      clock.set(wallMs, sentMs + tookMs)
      if (Number(count) !== flushLog.generation) Queue.offerUnsafe(news, "missed")
      breaker.endTrial(tookMs <= this.options.patienceMs)
      if (breaker.isClosed) {
        shutSinceMs = performance.now()
        this.pauseMs = FIRST_PAUSE_MS
        this.onTried()
        yield* this.log("used", `answers are shared by way of ${formatRedis(this.options.address)}`)
      } else if (performance.now() - shutSinceMs > SLOW_MS) {
        yield* this.log("slow", `Redis takes ${tookMs.toFixed(1)} ms to answer, and is done without`)
      }
      yield* Effect.sleep(breaker.isClosed ? HEARTBEAT_MS : TRIAL_MS)
    })
    return Effect.forever(once)
  }

  private pause(): Effect.Effect<void> {
    const ms = this.pauseMs * (0.75 + Math.random() / 2)
    this.pauseMs = Math.min(this.pauseMs * 2, LONGEST_PAUSE_MS)
    return Effect.sleep(ms)
  }

  private log(what: "used" | "unreachable" | "slow", text: string): Effect.Effect<void> {
    if (this.logged === what || !this.logs) return Effect.void
    this.logged = what
    return what === "used" ? Effect.logInfo(text) : Effect.logWarning(text)
  }
}
