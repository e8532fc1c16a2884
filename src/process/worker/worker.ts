/**
 * A worker thread: the server over sockets and memory that the supervisor owns. It carries out what the supervisor
 * tells it.
 *
 * The composition root of its thread, as `program.ts` is of the process.
 */
import { readlinkSync } from "node:fs"
import { workerData } from "node:worker_threads"
import * as NodeWorkerRunner from "@effect/platform-node/NodeWorkerRunner"
import { Cause, Deferred, Effect, Layer, Schedule, Semaphore } from "effect"
import { WorkerRunner } from "effect/workers"
import { AnswerCache } from "../../cache/answer-cache.ts"
import { FailureCache } from "../../cache/failure-cache.ts"
import { LogsRedis } from "../../cache/shared/shared-tier.ts"
import { Configuration, decodeSettings } from "../../config/configuration.ts"
import { decodeChanges, type Known } from "../../config/decode-changes.ts"
import type { ChangeRefused, Prepared } from "../../config/live-configuration.ts"
import { Locations } from "../../geo/geography.ts"
import { DescriptorMemory } from "../../io/linux/batched.ts"
import { Descriptors } from "../../io/linux/descriptors.ts"
import { libc } from "../../io/linux/libc.ts"
import { InheritedSockets, SharesPorts, socketName } from "../../listener/inherited-sockets.ts"
import { Listeners } from "../../listener/listeners.ts"
import { StandIn } from "../../listener/stand-in.ts"
import { TlsSecretMemory } from "../../listener/tls-secrets.ts"
import { ClientMemory } from "../../query/client-memory.ts"
import { messageOf } from "../../runtime/error-text.ts"
import { Operations } from "../../runtime/operations.ts"
import { TakenOnce } from "../../runtime/taken-once.ts"
import { Counters } from "../../telemetry/counters.ts"
import { GaugeRow, Gauges } from "../../telemetry/gauges.ts"
import { Latencies } from "../../telemetry/latencies.ts"
import { RecentMemory } from "../../telemetry/recent-queries/writer.ts"
import { ServerInstance } from "../../telemetry/server-instance.ts"
import { SharedUpstreams } from "../../upstream/health/shared-state.ts"
import { HasOwnThread } from "../idle-gc.ts"
import { layerEntries } from "../logging/logging.ts"
import { GivenLocations, serverLayer } from "../server.ts"
import { layerDatagrams } from "../transports.ts"
import {
  type Ask,
  type Change,
  type FromWorker,
  HEARTBEAT_MS,
  type ListeningAt,
  type SettingsChange,
  type Told,
  type ToWorker,
  type WorkerData
} from "./protocol.ts"
import { registerThread } from "./thread-gauges.ts"
import { workerLimits } from "./worker-limits.ts"

const {
  number,
  workers,
  instance,
  settings: written,
  first,
  memory,
  descriptors,
  sockets,
  sharesPorts,
  recent
} = workerData as WorkerData
/** What the whole server ran by when this thread began. */
const settings = decodeSettings(written)
const locations = new Locations(first.locations)
const answers = new TakenOnce(first.answers)
first.locations = undefined
first.answers = undefined

const inherited = new Map(sockets.map((given) => [socketName(given.protocol, given.endpoint), given.fd] as const))
const notes = new Descriptors(descriptors)
const counters = Counters.layerOver(memory.counters, number - 1)
/** What the rooms of this thread can do for people. */
const operations: Operations = {}
const gauges = new GaugeRow(memory.gauges, number - 1)
/** From here on it is closed by whoever listens at it, or noted again. */
const inherit = (name: string): number | undefined => {
  const fd = inherited.get(name)
  inherited.delete(name)
  if (fd !== undefined) notes.closing(fd)
  return fd
}

/** The heartbeat: shows the supervisor that this thread's event loop runs. */
const heartbeat = Effect.repeat(
  Effect.sync(() => {
    Atomics.add(new Int32Array(memory.heartbeats), number - 1, 1)
    gauges.sample()
  }),
  Schedule.spaced(HEARTBEAT_MS)
)

/** This thread's number for the kernel, as /proc says it; 0 where there is none. */
const taskNumber = Effect.sync(() => Number(/task\/(\d+)$/.exec(readlinkSync("/proc/thread-self"))?.[1] ?? 0)).pipe(
  Effect.catchCause(() => Effect.succeed(0))
)

const serve = Effect.gen(function* () {
  const platform = yield* WorkerRunner.WorkerRunnerPlatform
  const supervisor = yield* platform.start<FromWorker, ToWorker>()
  const send = (message: FromWorker): Effect.Effect<void> => supervisor.send(0, message)
  const configuration = yield* Configuration

  const running = Effect.gen(function* () {
    const cache = yield* AnswerCache
    const failures = yield* FailureCache
    const listeners = yield* Listeners
    const standIn = yield* StandIn
    const stopped = yield* Deferred.make<void>()
    /** What this thread runs by, before its share of the limits is taken. */
    let known: Known = { written, settings }
    const prepared = new Map<number, Prepared>()
    const listening = (): ReadonlyArray<ListeningAt> =>
      listeners.current().map(({ protocol, endpoint }) => ({ protocol, endpoint }))

    const prepareSettings = (change: SettingsChange): Effect.Effect<Prepared, ChangeRefused> =>
      Effect.gen(function* () {
        for (const { protocol, endpoint, fd } of change.sockets) inherited.set(socketName(protocol, endpoint), fd)
        const decoded = yield* decodeChanges(known, change.settings)
        const next = yield* configuration.prepare(workerLimits(decoded, change.workers))
        return {
          commit: Effect.gen(function* () {
            known = { written: change.settings, settings: decoded }
            if (change.answers !== cache.memory()) cache.adopt(change.answers)
            locations.use(change.locations)
            yield* next.commit
            if (change.forgetsFailures) failures.forgetAll()
          }),
          abandon: next.abandon
        }
      }).pipe(Effect.ensuring(Effect.sync(closeUntaken)))

    const prepare = (change: Change): Effect.Effect<Prepared, ChangeRefused> => {
      switch (change.kind) {
        case "settings":
          return prepareSettings(change)
        case "adopt-cache":
          return preparedBy(() => cache.adopt(change.memory))
        case "adopt-locations":
          return preparedBy(() => locations.use(change.memory))
        case "forget-failures":
          return preparedBy(() => failures.forgetAll())
      }
    }

    const scope = yield* Effect.scope
    // One message after the other: what is committed was prepared before.
    const alone = yield* Semaphore.make(1)
    const receive = (message: ToWorker): Effect.Effect<void> => {
      switch (message.kind) {
        case "prepare":
          return Effect.matchCauseEffect(prepare(message.change), {
            onSuccess: (change) => {
              prepared.set(message.id, change)
              return send({ kind: "prepared", id: message.id, refusal: undefined })
            },
            onFailure: (cause) => {
              const refusal = messageOf(Cause.squash(cause))
              return send({ kind: "prepared", id: message.id, refusal })
            }
          })
        case "commit": {
          const { commit } = prepared.get(message.id) ?? nothing
          prepared.delete(message.id)
          return Effect.andThen(
            commit,
            Effect.suspend(() => send({ kind: "committed", id: message.id, listening: listening() }))
          )
        }
        case "abandon": {
          const { abandon } = prepared.get(message.id) ?? nothing
          prepared.delete(message.id)
          return abandon
        }
        case "stand-in":
          for (const { fd } of message.sockets) notes.closing(fd)
          return Effect.catch(standIn.begin(message.worker, message.sockets), ({ message: reason }) =>
            Effect.logError(`worker ${number} cannot answer for worker ${message.worker}: ${reason}`)
          )
        case "stand-down":
          return standIn.end(message.worker)
        case "ask":
          // Others do not wait for it.
          return Effect.asVoid(
            Effect.forkIn(
              Effect.flatMap(answerAsk(message.ask), (told) => send({ kind: "told", id: message.id, told })),
              scope
            )
          )
        case "stop":
          return Effect.asVoid(Deferred.succeed(stopped, undefined))
        default:
          // The files were replaced by another version's while the server ran.
          return Effect.logError("the supervisor says something that this worker does not know", message)
      }
    }
    yield* registerThread(gauges)
    yield* Effect.forkScoped(heartbeat)
    yield* Effect.forkScoped(supervisor.run((_port, message) => alone.withPermits(1)(receive(message))))
    yield* send({ kind: "ready", listening: listening(), task: yield* taskNumber })
    yield* Deferred.await(stopped)
  })

  const server = serverLayer.pipe(
    Layer.provideMerge(FailureCache.layer),
    Layer.provideMerge(AnswerCache.layerOver(() => answers.take(), number)),
    Layer.provide(
      Layer.mergeAll(
        counters,
        Latencies.layerOver(memory.latencies, number - 1),
        layerDatagrams(configuration.current().datagrams, counters)
      )
    ),
    Layer.provide(
      Layer.mergeAll(
        Layer.succeed(InheritedSockets, inherit),
        Layer.succeed(HasOwnThread, true),
        Layer.succeed(SharesPorts, sharesPorts),
        Layer.succeed(GivenLocations, locations),
        Layer.succeed(TlsSecretMemory, memory.tls),
        Layer.succeed(ClientMemory, memory.clients),
        Layer.succeed(SharedUpstreams, { memory: memory.upstreams, worker: number }),
        Layer.succeed(LogsRedis, number === 1),
        Layer.succeed(DescriptorMemory, descriptors),
        Layer.succeed(RecentMemory, recent),
        Layer.succeed(Gauges, gauges),
        Layer.succeed(ServerInstance, { id: instance, worker: number }),
        Layer.succeed(Operations, operations)
      )
    )
  )
  // The same way as all else that is sent: what a line tells of has its place among the messages.
  const log = layerEntries(configuration.current, (entry) => supervisor.sendUnsafe(0, { kind: "log", entry }), number)
  yield* Effect.scoped(Effect.provide(running, server)).pipe(
    Effect.catch((error) => send({ kind: "failed", message: error.message })),
    Effect.provide(log)
  )
}).pipe(Effect.provide(Configuration.layer(workerLimits(settings, workers))))

const answerAsk = (ask: Ask): Effect.Effect<Told> => {
  const unable: Told = { kind: "unable" }
  switch (ask.kind) {
    case "resolve":
      return operations.resolve === undefined
        ? Effect.succeed(unable)
        : Effect.map(operations.resolve(ask.question), (answer): Told => ({ kind: "resolved", ...answer }))
    case "probe":
      return operations.probe === undefined
        ? Effect.succeed(unable)
        : Effect.map(
            operations.probe(ask.upstream),
            (probe): Told => (probe === undefined ? unable : { kind: "probed", ...probe })
          )
    case "flush-shared":
      return operations.flushShared === undefined
        ? Effect.succeed(unable)
        : Effect.map(operations.flushShared(ask.flush), (error): Told => ({ kind: "flushed", error }))
  }
}

/** A change of which nothing is known: it was abandoned, or never prepared. */
const nothing: Prepared = { commit: Effect.void, abandon: Effect.void }

/** A change that needs no preparation. */
const preparedBy = (commit: () => void): Effect.Effect<Prepared> =>
  Effect.succeed({ commit: Effect.sync(commit), abandon: Effect.void })

/** Sockets that were given and that nobody listens at. */
const closeUntaken = (): void => {
  for (const fd of inherited.values()) {
    notes.closing(fd)
    libc?.close(fd)
  }
  inherited.clear()
}

const program = serve.pipe(Effect.provide(NodeWorkerRunner.layer))

// Ends this thread, not the process: what is left of its event loop has nothing more to say.
Effect.runCallback(program, { onExit: (exit) => process.exit(exit._tag === "Success" ? 0 : 1) })
