/**
 * The supervisor owns what the worker threads share and what outlives them: the sockets at which clients ask, the
 * cache, the counters, what is known of the upstreams. It keeps as many threads alive as are configured, and makes
 * changes in all of them or in none.
 */
import { Clock, Context, Deferred, Effect, Layer, Schema } from "effect"
import { AnswerCache } from "../cache/answer-cache.ts"
import { TableMemory } from "../cache/table/memory.ts"
import type { Loaded } from "../config/configuration.ts"
import { Configuration } from "../config/configuration.ts"
import { followDatabase } from "../geo/geography.ts"
import type { SocketError } from "../io/datagram.ts"
import { formatEndpoint } from "../io/endpoint.ts"
import { libc } from "../io/linux/libc.ts"
import { Counters, counterMemory } from "../telemetry/counters.ts"
import { Latencies, latencyMemory } from "../telemetry/latencies.ts"
import { slotsFor, upstreamMemory } from "../upstream/health/shared-state.ts"
import { LogOutput } from "./logging/logging.ts"
import type { WrittenServers } from "./reload/system-resolvers.ts"
import { locationsNeeded } from "./server.ts"
import { type ChangeRefused, TwoPhaseCommit } from "./two-phase-commit.ts"
import { bindListeningSockets } from "./worker/listening-sockets.ts"
import type { ListeningAt, SharedMemory, WorkerData } from "./worker/protocol.ts"
import { StandIns } from "./worker/stand-ins.ts"
import { WorkerSlot } from "./worker/worker-slot.ts"

const MIB = 1024 * 1024

/** The worker threads could not be started. */
export class WorkersFailed extends Schema.TaggedError<WorkersFailed>()("WorkersFailed", { message: Schema.String }) {}

export interface WorkerStatus {
  readonly number: number
  readonly state: WorkerSlot["state"]
  readonly replacements: number
}

export class Supervisor extends Context.Service<
  Supervisor,
  {
    readonly listening: ReadonlyArray<ListeningAt>
    readonly workers: () => ReadonlyArray<WorkerStatus>
    /** Forgets the answers and failures kept for a name, in wire form and lower case; says how many answers. */
    readonly flushName: (name: Uint8Array) => Effect.Effect<number, ChangeRefused>
    /** The same for a name and all below it. */
    readonly flushTree: (name: Uint8Array) => Effect.Effect<number, ChangeRefused>
    readonly flushAll: Effect.Effect<void, ChangeRefused>
    /** Moves the cache to memory of so many octets, with what is kept in it. */
    readonly resizeCache: (octets: number) => Effect.Effect<void, ChangeRefused>
    /** Has all threads ask these servers, and forget what others have answered. */
    readonly adoptUpstreams: (servers: WrittenServers) => Effect.Effect<void, ChangeRefused>
  }
>()("strand/process/Supervisor") {}

type Provided = Supervisor | AnswerCache | Counters | Latencies

/** Starts the threads of a configuration that wants several; they end with the scope, after the queries in flight. */
export const layerSupervisor = (loaded: Loaded): Layer.Layer<Provided, WorkersFailed | SocketError> =>
  Layer.unwrap(
    Effect.gen(function* () {
      const { settings } = loaded
      const clock = yield* Clock.clockWith(Effect.succeed)
      // The last row and the last writer's number are the supervisor's own.
      const rows = settings.workers + 1
      const memory: SharedMemory = {
        answers: TableMemory.create(settings.cacheSizeMb * MIB, clock).buffer,
        counters: counterMemory(rows, slotsFor(settings)),
        latencies: latencyMemory(rows),
        upstreams: upstreamMemory(slotsFor(settings)),
        heartbeats: new SharedArrayBuffer(settings.workers * Int32Array.BYTES_PER_ELEMENT)
      }
      return Layer.effect(Supervisor, supervise(loaded, memory)).pipe(
        Layer.provideMerge(AnswerCache.layerOver(memory.answers, rows)),
        Layer.provideMerge(
          Layer.mergeAll(
            Counters.layerOver(memory.counters, settings.workers),
            Latencies.layerOver(memory.latencies, settings.workers)
          )
        ),
        Layer.provide(Configuration.layer(settings))
      )
    })
  )

const supervise = (loaded: Loaded, memory: SharedMemory) =>
  Effect.gen(function* () {
    const { settings } = loaded
    const cache = yield* AnswerCache
    const counters = yield* Counters
    const log = yield* LogOutput
    const sockets =
      libc === undefined || settings.datagrams === "portable"
        ? undefined
        : yield* bindListeningSockets(libc, settings.listen, settings.workers)
    let written = loaded.written
    /** The table that all threads use; in the middle of a change the supervisor's own cache is ahead of it. */
    let answers = memory.answers
    let locations: SharedArrayBuffer | undefined
    let servers: WrittenServers | undefined
    /** Workers whose thread ended while a change was under way. */
    const lost = new Set<number>()
    const slots: Array<WorkerSlot> = []
    const commits = new TwoPhaseCommit(
      () => slots,
      () => [
        { kind: "adopt-cache", memory: answers },
        ...(locations === undefined ? [] : [{ kind: "adopt-locations", memory: locations } as const]),
        ...(servers === undefined ? [] : [{ kind: "adopt-upstreams", servers } as const]),
        { kind: "forget-failures" }
      ]
    )
    const standIns = new StandIns({
      slots: () => slots,
      duplicate: (worker) => sockets?.[worker - 1]?.duplicate() ?? []
    })
    for (let number = 1; number <= settings.workers; number++) {
      let bornWith = 0
      const slot: WorkerSlot = new WorkerSlot({
        number,
        dataFor: (): Omit<WorkerData, "descriptors"> => {
          bornWith = commits.generation
          return {
            number,
            workers: settings.workers,
            settings: written,
            locations,
            memory: { ...memory, answers },
            sockets: sockets?.[number - 1]?.duplicate() ?? []
          }
        },
        heartbeats: new Int32Array(memory.heartbeats),
        closeDescriptor: (fd) => libc?.close(fd),
        onEnd: () =>
          Effect.suspend(() => {
            cache.recover(number)
            counters.add("workers.ended")
            lost.add(number)
            commits.workerEnded(number)
            return standIns.leave(number)
          }),
        onSuspicion: (isSuspect) => (isSuspect ? standIns.leave(number) : standIns.return(number)),
        onReady: () => Effect.andThen(commits.catchUp(slot, bornWith), standIns.return(number)),
        onAcknowledged: (message) => commits.receive(number, message),
        onLog: log.write
      })
      slots.push(slot)
    }
    if (settings.geoDatabase !== undefined) {
      yield* followDatabase(settings.geoDatabase, locationsNeeded(settings), (read) =>
        commits.exclusively(
          commits.apply(
            { kind: "adopt-locations", memory: read },
            Effect.sync(() => {
              locations = read
            })
          )
        )
      )
    }
    const forgetting = <A>(flush: Effect.Effect<A>): Effect.Effect<A, ChangeRefused> =>
      commits.exclusively(commits.apply({ kind: "forget-failures" }, flush))

    // Where the supervisor binds no sockets, a port that the kernel chooses for the first thread is used by the others.
    // others.
    const [first, ...others] = slots
    const begin = Effect.fnUntraced(function* (begun: ReadonlyArray<WorkerSlot>) {
      for (const slot of begun) yield* Effect.forkScoped(slot.live)
      // Registered behind them, so that it runs first: all are told to stop before they would be interrupted.
      yield* Effect.addFinalizer(() =>
        Effect.forEach(slots, (slot) => slot.stop(settings.shutdownTimeoutSecs * 1000), {
          concurrency: "unbounded",
          discard: true
        })
      )
      for (const { started } of begun) {
        yield* Effect.mapError(Deferred.await(started), ({ message }) => new WorkersFailed({ message }))
      }
    })
    yield* begin([first!])
    if (sockets === undefined) {
      const listen = first!.listening.map(({ protocol, endpoint }) => `${protocol}://${formatEndpoint(endpoint)}`)
      written = { ...written, listen }
    }
    yield* begin(others)

    return Supervisor.of({
      listening: first!.listening,
      workers: () => slots.map(({ number, state, replacements }) => ({ number, state, replacements })),
      flushName: (name) => forgetting(cache.flushName(name)),
      flushTree: (name) => forgetting(cache.flushTree(name)),
      flushAll: forgetting(cache.flushAll),
      adoptUpstreams: (adopted) =>
        commits.exclusively(
          Effect.gen(function* () {
            const own = Effect.sync(() => {
              servers = adopted
              written = { ...written, ...adopted }
            })
            yield* commits.apply({ kind: "adopt-upstreams", servers: adopted }, own)
            yield* cache.flushAll
          })
        ),
      resizeCache: (octets) =>
        commits.exclusively(
          Effect.gen(function* () {
            lost.clear()
            const moved = yield* cache.resize(octets)
            const adopted = Effect.sync(() => {
              answers = moved
            })
            yield* Effect.onError(commits.apply({ kind: "adopt-cache", memory: moved }, adopted), () =>
              Effect.sync(() => {
                cache.adopt(answers)
                for (const number of lost) cache.recover(number)
              })
            )
          })
        )
    })
  })
