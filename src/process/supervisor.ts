/**
 * Owns what the worker threads share and what outlives them: the sockets at which clients ask, the cache, the counters.
 * Keeps as many threads alive as are configured, and carries changes to all of them or to none.
 */
import { Clock, Context, Deferred, Effect, Layer, Schema, Semaphore } from "effect"
import { AnswerCache } from "../cache/answer-cache.ts"
import { TableMemory } from "../cache/memory.ts"
import type { Loaded } from "../config/configuration.ts"
import { Configuration } from "../config/configuration.ts"
import type { SocketError } from "../io/datagram.ts"
import { formatEndpoint } from "../io/endpoint.ts"
import { libc } from "../io/linux/libc.ts"
import { Counters, counterMemory } from "../telemetry/counters.ts"
import { Latencies, latencyMemory } from "../telemetry/latencies.ts"
import { bindListeningSockets } from "./listening-sockets.ts"
import type { Acknowledgement, Change, ListeningAt, SharedMemory, ToWorker, WorkerData } from "./worker-protocol.ts"
import { WorkerSlot } from "./worker-slot.ts"

const MIB = 1024 * 1024
/** A thread that does not answer for so long has refused. */
const ACKNOWLEDGE_MS = 2_000

/** The worker threads could not be started. */
export class WorkersFailed extends Schema.TaggedError<WorkersFailed>()("WorkersFailed", { message: Schema.String }) {}

/** A change was not made, by any thread: what refused it. */
export class ChangeRefused extends Schema.TaggedError<ChangeRefused>()("ChangeRefused", { message: Schema.String }) {}

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
        counters: counterMemory(rows),
        latencies: latencyMemory(rows),
        pulses: new SharedArrayBuffer(settings.workers * Int32Array.BYTES_PER_ELEMENT)
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
    const sockets =
      libc === undefined || settings.datagrams === "portable"
        ? undefined
        : yield* bindListeningSockets(libc, settings.listen, settings.workers)
    const written: Record<string, string | ReadonlyArray<string> | undefined> = Object.fromEntries(
      [...loaded.given].map(([name, { value }]) => [name, value])
    )
    const acknowledgements = new Acknowledgements()
    /** Counts the changes that were made: a thread that was born before the last one hears of it when it is ready. */
    let generation = 0

    const slots = Array.from({ length: settings.workers }, (_, place): WorkerSlot => {
      let born = 0
      const slot: WorkerSlot = new WorkerSlot({
        number: place + 1,
        dataFor: (): Omit<WorkerData, "descriptors"> => {
          born = generation
          return {
            number: place + 1,
            workers: settings.workers,
            settings: written,
            memory: { ...memory, answers: cache.memory() },
            sockets: sockets?.[place]?.duplicate() ?? []
          }
        },
        pulses: new Int32Array(memory.pulses),
        closeDescriptor: (fd) => libc?.close(fd),
        onEnd: () => {
          cache.recover(place + 1)
          counters.add("workers.ended")
        },
        onReady: () => {
          if (born === generation) return Effect.void
          const id = acknowledgements.nextId()
          const change: Change = { kind: "adopt-cache", memory: cache.memory() }
          return Effect.andThen(slot.send({ kind: "prepare", id, change }), slot.send({ kind: "commit", id }))
        },
        onAcknowledged: (message) => acknowledgements.hear(place + 1, message)
      })
      return slot
    })

    const ready = (): Array<WorkerSlot> => slots.filter(({ state }) => state === "ready")
    const tell = (told: ReadonlyArray<WorkerSlot>, message: ToWorker): Effect.Effect<void> =>
      Effect.forEach(told, (slot) => slot.send(message), { discard: true })

    /** All threads that are ready make the change, or none does. */
    const apply = Effect.fnUntraced(function* (change: Change) {
      const told = ready()
      const id = acknowledgements.nextId()
      const numbers = told.map(({ number }) => number)
      yield* tell(told, { kind: "prepare", id, change })
      const refusal = yield* acknowledgements.await(id, "prepared", numbers)
      if (refusal !== undefined) {
        yield* tell(told, { kind: "abandon", id })
        return yield* new ChangeRefused({ message: refusal })
      }
      generation++
      yield* tell(told, { kind: "commit", id })
      // One that has died in between is born with the change.
      yield* acknowledgements.await(id, "committed", numbers)
    })
    const alone = yield* Semaphore.make(1)
    const forgetting = <A>(flush: Effect.Effect<A>): Effect.Effect<A, ChangeRefused> =>
      alone.withPermits(1)(Effect.tap(flush, () => apply({ kind: "forget-failures" })))

    // Without sockets of the supervisor's, a port that the kernel draws for the first thread is asked for by the others.
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
      written["listen"] = first!.listening.map(({ protocol, endpoint }) => `${protocol}://${formatEndpoint(endpoint)}`)
    }
    yield* begin(others)

    return Supervisor.of({
      listening: first!.listening,
      workers: () => slots.map(({ number, state, replacements }) => ({ number, state, replacements })),
      flushName: (name) => forgetting(cache.flushName(name)),
      flushTree: (name) => forgetting(cache.flushTree(name)),
      flushAll: forgetting(cache.flushAll),
      resizeCache: (octets) =>
        alone.withPermits(1)(
          Effect.gen(function* () {
            const before = cache.memory()
            const moved = yield* cache.resize(octets)
            yield* Effect.tapError(apply({ kind: "adopt-cache", memory: moved }), () =>
              Effect.sync(() => cache.adopt(before))
            )
          })
        )
    })
  })

/** Who has answered what, and who waits for it. */
class Acknowledgements {
  private lastId = 0
  private readonly heard = new Map<string, string | undefined>()
  private onHeard: (() => void) | undefined

  nextId(): number {
    return ++this.lastId
  }

  hear(worker: number, message: Acknowledgement): void {
    this.heard.set(keyOf(message.id, message.kind, worker), message.kind === "prepared" ? message.refusal : undefined)
    this.onHeard?.()
  }

  /** Waits until all of the workers have answered; says why one refused, or that it did not answer in time. */
  await(id: number, kind: Acknowledgement["kind"], workers: ReadonlyArray<number>): Effect.Effect<string | undefined> {
    const keys = workers.map((worker) => keyOf(id, kind, worker))
    const all = Effect.callback<string | undefined>((resume) => {
      const look = (): void => {
        if (!keys.every((key) => this.heard.has(key))) return
        this.onHeard = undefined
        resume(Effect.succeed(keys.map((key) => this.heard.get(key)).find((refusal) => refusal !== undefined)))
      }
      this.onHeard = look
      look()
    })
    return all.pipe(
      Effect.timeoutOrElse({
        duration: ACKNOWLEDGE_MS,
        orElse: () => Effect.succeed("a worker did not answer in time")
      }),
      Effect.ensuring(
        Effect.sync(() => {
          this.onHeard = undefined
          for (const key of keys) this.heard.delete(key)
        })
      )
    )
  }
}

const keyOf = (id: number, kind: Acknowledgement["kind"], worker: number): string => `${id} ${kind} ${worker}`
