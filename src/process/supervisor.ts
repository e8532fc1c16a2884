/**
 * The supervisor owns what the worker threads share and what outlives them: the sockets at which clients ask, the
 * cache, the counters, what is known of the upstreams. It keeps as many threads alive as are configured, and makes
 * changes in all of them or in none.
 */
import { isDeepStrictEqual } from "node:util"
import { Clock, Context, Effect, Layer } from "effect"
import { AnswerCache } from "../cache/answer-cache.ts"
import { TableMemory } from "../cache/table/memory.ts"
import { Configuration, type Loaded } from "../config/configuration.ts"
import { ChangeRefused } from "../config/live-configuration.ts"
import type { Settings } from "../config/schema/settings.ts"
import type { Written } from "../config/snapshot.ts"
import type { Question } from "../dns/question.ts"
import type { SocketError } from "../io/datagram.ts"
import { formatEndpoint } from "../io/endpoint.ts"
import { libc } from "../io/linux/libc.ts"
import { TlsSecrets, tlsSecretMemory } from "../listener/tls-secrets.ts"
import { clientMemory } from "../query/client-memory.ts"
import { TakenOnce } from "../runtime/taken-once.ts"
import { Counters, counterMemory } from "../telemetry/counters.ts"
import { type GaugeName, gaugeMemory, readGauges } from "../telemetry/gauges.ts"
import { Latencies, latencyMemory } from "../telemetry/latencies.ts"
import { QueryLog } from "../telemetry/query-log/query-log.ts"
import { recentMemory } from "../telemetry/recent-queries/ring.ts"
import { ServerInstance } from "../telemetry/server-instance.ts"
import { freeSlots, slotsFor, upstreamMemory } from "../upstream/health/shared-state.ts"
import { Asks, type NotDone } from "./asks.ts"
import { cacheOctets, forgetsFailures, isOtherWorld, upstreamKeys } from "./change-effects.ts"
import { LogOutput } from "./logging/logging.ts"
import { explainFailure } from "./start/listen-check.ts"
import { HandedOverSockets } from "./systemd/handed-over.ts"
import { TwoPhaseCommit } from "./two-phase-commit.ts"
import { drainUpstream, type UpstreamStatus, upstreamStatuses } from "./upstream-status.ts"
import { followLocations } from "./worker/given-locations.ts"
import { ListeningSockets, NO_SOCKETS } from "./worker/listening-sockets.ts"
import type { Ask, Change, ListeningAt, SharedMemory, Told } from "./worker/protocol.ts"
import type { WorkerSlot } from "./worker/worker-slot.ts"
import { Workers, type WorkersFailed } from "./worker/workers.ts"

/** Rows of what is counted: one for each worker that there may be, and the last for the supervisor itself. */
const MAX_WORKERS = 256
const ROWS = MAX_WORKERS + 1
/** One row more in the counters is that of the query log's thread. */
const LOG_ROW = ROWS
const LINGER_MS = 2_000
/** A hundred thousand local answers take some seconds on a busy machine, in slices between which queries are answered. */
const PREPARE_MS = 15_000
/** A configuration, and the same as data that a thread can be sent. */
export type Configured = Pick<Loaded, "settings" | "written">

export interface WorkerStatus {
  readonly number: number
  readonly state: WorkerSlot["state"]
  readonly replacements: number
  readonly gauges: Readonly<Record<GaugeName, number>>
}

export class Supervisor extends Context.Service<
  Supervisor,
  {
    readonly listening: () => ReadonlyArray<ListeningAt>
    readonly workers: () => ReadonlyArray<WorkerStatus>
    /** What is known of the upstreams of the configuration. */
    readonly upstreams: () => ReadonlyArray<UpstreamStatus>
    /** Takes an upstream out of use, or back; says whether there is one of this name. */
    readonly drain: (upstream: string, isDrained: boolean) => boolean
    /** The database of locations that the workers have. */
    readonly locations: () => SharedArrayBuffer | undefined
    /** The rings of the last queries, by the workers' numbers. */
    readonly rings: () => ReadonlyMap<number, SharedArrayBuffer>
    /** Has all threads run by another configuration, or, where one of them cannot, none. */
    readonly apply: (next: Configured) => Effect.Effect<void, ChangeRefused>
    /** Has one worker do something for people. */
    readonly ask: (ask: Ask) => Effect.Effect<Told, NotDone>
    /** Forgets the answers and failures kept for a name, in wire form and lower case; says how many answers. */
    readonly flushName: (name: Uint8Array) => Effect.Effect<number, ChangeRefused>
    /** The same for a name and all below it. */
    readonly flushTree: (name: Uint8Array) => Effect.Effect<number, ChangeRefused>
    readonly flushAll: Effect.Effect<void, ChangeRefused>
    /** The same for the answer to one question, whatever it was asked with. */
    readonly flushQuestions: (questions: ReadonlyArray<Question>) => Effect.Effect<number, ChangeRefused>
  }
>()("strand/process/Supervisor") {}

type Provided = Supervisor | QueryLog | AnswerCache | Counters | Latencies | Configuration

/** Starts the threads of a configuration; they end with the scope, after the queries in flight. */
export const layerSupervisor = (loaded: Loaded): Layer.Layer<Provided, WorkersFailed | SocketError> =>
  Layer.unwrap(
    Effect.gen(function* () {
      const { settings } = loaded
      const clock = yield* Clock.clockWith(Effect.succeed)
      const answers = new TakenOnce(TableMemory.create(cacheOctets(settings), clock).buffer)
      const memory: SharedMemory = {
        counters: counterMemory(LOG_ROW + 1, slotsFor(settings)),
        latencies: latencyMemory(ROWS),
        gauges: gaugeMemory(MAX_WORKERS),
        upstreams: upstreamMemory(slotsFor(settings)),
        tls: tlsSecretMemory(),
        clients: clientMemory(),
        heartbeats: new SharedArrayBuffer(MAX_WORKERS * Int32Array.BYTES_PER_ELEMENT)
      }
      const queryLog = QueryLog.layerOver({ counters: memory.counters, row: LOG_ROW, workers: MAX_WORKERS })
      return Layer.effect(Supervisor, supervise(loaded, memory)).pipe(
        // Closed behind the workers: what they have written last is logged.
        Layer.provideMerge(queryLog),
        Layer.provideMerge(AnswerCache.layerOver(() => answers.take(), ROWS)),
        Layer.provideMerge(
          Layer.mergeAll(
            Counters.layerOver(memory.counters, MAX_WORKERS),
            Latencies.layerOver(memory.latencies, MAX_WORKERS)
          )
        ),
        Layer.provideMerge(Configuration.layer(settings))
      )
    })
  )

/** By a session ticket a client comes back without a whole handshake, for so long at most (RFC 8446 §4.6.1). */
const TICKETS_LAST_MS = 12 * 3_600_000

const supervise = (loaded: Loaded, memory: SharedMemory) =>
  Effect.gen(function* () {
    const configuration = yield* Configuration
    const cache = yield* AnswerCache
    const counters = yield* Counters
    const log = yield* LogOutput
    const handedOver = yield* HandedOverSockets
    const queryLog = yield* QueryLog
    const { id: instance } = yield* ServerInstance
    const { datagrams, listen, workers: count } = loaded.settings
    const sockets =
      libc === undefined || datagrams === "portable"
        ? undefined
        : yield* ListeningSockets.bind(libc, listen, count, handedOver)
    let { written } = loaded
    /** The table that all threads use; in the middle of a change the supervisor's own cache is ahead of it. */
    let answers = cache.memory()
    const secrets = new TlsSecrets(memory.tls)
    yield* Effect.forkScoped(
      Effect.forever(
        Effect.delay(
          Effect.sync(() => secrets.renew()),
          TICKETS_LAST_MS
        )
      )
    )
    const asks = new Asks()
    /** The last queries of each worker, by its number: they outlive its thread. */
    const rings = new Map<number, SharedArrayBuffer>()
    const ringOf = (worker: number): SharedArrayBuffer => {
      const before = rings.get(worker)
      if (before !== undefined) return before
      const ring = recentMemory()
      rings.set(worker, ring)
      queryLog.follow(worker, ring)
      return ring
    }
    /** Counts the configurations. */
    let generation = 0
    /** The configuration that the thread of each slot runs by. */
    const runsBy = new WeakMap<WorkerSlot, number>()
    /** Workers whose thread ended while a change was under way. */
    const lost = new Set<number>()
    const commits = new TwoPhaseCommit(
      () => workers.slots,
      (slot) =>
        runsBy.get(slot) === generation
          ? [
              { kind: "adopt-cache", memory: answers },
              { kind: "adopt-locations", memory: locations.current() },
              { kind: "forget-failures" }
            ]
          : undefined
    )
    const locations = yield* followLocations((read, own) =>
      commits.exclusively(commits.apply(() => Effect.succeed({ kind: "adopt-locations", memory: read }), own))
    )
    const workers = yield* Workers.make({
      sockets,
      shutdownMs: () => configuration.current().shutdownTimeoutSecs * 1000,
      optionsOf: (slotOf) => {
        let bornWith = 0
        return {
          data: Effect.gen(function* () {
            const slot = slotOf()
            const duplicates = sockets === undefined ? [] : yield* sockets.duplicatesFor(slot.number)
            bornWith = commits.generation
            runsBy.set(slot, generation)
            const { workers: all } = configuration.current()
            return {
              number: slot.number,
              workers: all,
              instance,
              settings: written,
              first: { answers, locations: locations.current() },
              memory,
              recent: ringOf(slot.number),
              sockets: duplicates,
              sharesPorts: all > 1 || process.platform === "linux"
            }
          }),
          heartbeats: new Int32Array(memory.heartbeats),
          closeDescriptor: (fd) => libc?.close(fd),
          onEnd: Effect.suspend(() => {
            const { number } = slotOf()
            cache.recover(number)
            counters.add("workers.ended")
            lost.add(number)
            commits.workerEnded(number)
            return Effect.void
          }),
          onReady: Effect.suspend(() => commits.catchUp(slotOf(), bornWith)),
          onAcknowledged: (message) => commits.receive(slotOf().number, message),
          onLog: log.write,
          onTold: (id, told) => asks.receive(id, told)
        }
      }
    })
    // Before the workers end, which answer what is under way: who connects meanwhile would wait for nothing.
    yield* Effect.addFinalizer(() => Effect.sync(() => sockets?.closeStreams()))
    // Where the supervisor binds no sockets, a port that the kernel chooses for the first thread is used by the others.
    yield* workers.startUpTo(1)
    const listening = (): ReadonlyArray<ListeningAt> => sockets?.listening ?? workers.slots[0]!.listening
    const drawn = sockets === undefined ? listening().map(formatListening) : undefined
    const asDrawn = (next: Written): Written =>
      drawn !== undefined && isDeepStrictEqual(next.listen, loaded.written.listen) ? { ...next, listen: drawn } : next
    written = asDrawn(written)
    yield* workers.startUpTo(count)

    /** Moves the cache to memory of the size that is configured, with what is kept in it. */
    const moveCache = (before: Settings, after: Settings): Effect.Effect<SharedArrayBuffer> =>
      cacheOctets(before) === cacheOctets(after) ? Effect.succeed(answers) : cache.resize(cacheOctets(after))
    const cacheStays = Effect.sync(() => {
      if (cache.memory() !== answers) cache.adopt(answers)
      for (const number of lost) cache.recover(number)
    })

    /** Upstreams of configurations whose last queries may not be over yet, each with the time when they will be. */
    const leaving = new Map<string, number>()
    /** Makes room for what is to be known of other upstreams. */
    const freeUpstreams = (before: Settings, after: Settings): void => {
      const nowMs = performance.now()
      for (const key of upstreamKeys(before)) {
        const untilMs = nowMs + 2 * lingerMs(before)
        leaving.set(key, Math.max(untilMs, leaving.get(key) ?? untilMs))
      }
      for (const [key, untilMs] of leaving) if (untilMs <= nowMs) leaving.delete(key)
      freeSlots(memory.upstreams, [...upstreamKeys(after), ...leaving.keys()])
    }

    const apply = (next: Configured): Effect.Effect<void, ChangeRefused> =>
      Effect.gen(function* () {
        const { settings } = next
        const before = configuration.current()
        yield* workers.settled
        lost.clear()
        const own = yield* configuration.prepare(settings)
        const bind = sockets?.prepare(settings.listen, settings.workers, lingerMs(before)) ?? Effect.succeed(NO_SOCKETS)
        const bound = yield* Effect.onError(Effect.mapError(bind, refusedFor), () => own.abandon)
        const ending = workers.takeFrom(settings.workers)
        /** The slots whose threads prepare, each with the number of threads that it had before that one. */
        const asked = new Map<WorkerSlot, number>()
        const changing = Effect.flatMap(moveCache(before, settings), (moved) => {
          const change = {
            kind: "settings",
            settings: asDrawn(next.written),
            workers: settings.workers,
            answers: moved,
            locations: locations.prepared(),
            forgetsFailures: forgetsFailures(before, settings)
          } as const
          const commit = Effect.gen(function* () {
            generation++
            for (const [slot, replacements] of asked)
              if (slot.replacements === replacements) runsBy.set(slot, generation)
            answers = moved
            written = change.settings
            yield* bound.commit
            yield* own.commit
          })
          const changeFor = (slot: WorkerSlot): Effect.Effect<Change, ChangeRefused> => {
            asked.set(slot, slot.replacements)
            const fresh = Effect.mapError(bound.freshFor(slot.number), refusedFor)
            return Effect.map(fresh, (duplicates) => ({ ...change, sockets: duplicates }))
          }
          return commits.apply(changeFor, commit, PREPARE_MS)
        })
        yield* Effect.onError(changing, () => {
          workers.putBack(ending)
          return Effect.andThen(cacheStays, Effect.andThen(bound.abandon, own.abandon))
        })
        if (isOtherWorld(before, settings)) yield* cache.flushAll
        freeUpstreams(before, settings)
        yield* workers.end(ending)
        yield* workers.growTo(settings.workers)
      })
    const forgetting = <A>(flush: Effect.Effect<A>): Effect.Effect<A, ChangeRefused> =>
      commits.exclusively(commits.apply(() => Effect.succeed({ kind: "forget-failures" }), flush))

    return Supervisor.of({
      listening,
      upstreams: () => upstreamStatuses(memory.upstreams, configuration.current()),
      drain: (name, isDrained) => drainUpstream(memory.upstreams, configuration.current(), name, isDrained),
      locations: locations.current,
      rings: () => rings,
      workers: () =>
        workers.slots.map(({ number, state, replacements }) => ({
          number,
          state,
          replacements,
          gauges: readGauges(memory.gauges, number - 1)
        })),
      apply: (next) => commits.exclusively(Effect.uninterruptible(apply(next))),
      flushName: (name) => forgetting(cache.flushName(name)),
      flushTree: (name) => forgetting(cache.flushTree(name)),
      flushAll: forgetting(cache.flushAll),
      flushQuestions: (questions) =>
        forgetting(
          Effect.sync(() => {
            const kept = questions.filter((question) => cache.peekStale(question) !== undefined)
            for (const question of kept) cache.supersede(question)
            return kept.length
          })
        ),
      ask: (ask) => asks.ask(workers.slots, ask)
    })
  })

/** Behind the deadline of the last query that came in by it, nothing is sent through a socket any more. */
const lingerMs = ({ queryTimeoutSecs }: Settings): number => queryTimeoutSecs * 1000 + LINGER_MS

const formatListening = ({ protocol, endpoint }: ListeningAt): string => `${protocol}://${formatEndpoint(endpoint)}`

const refusedFor = (error: SocketError): ChangeRefused => new ChangeRefused({ message: explainFailure(error).message })
