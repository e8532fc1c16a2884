/**
 * A worker thread: the server over sockets and memory that the supervisor owns. It carries out what the supervisor
 * tells it.
 *
 * The composition root of its thread, as `program.ts` is of the process.
 */
import { readlinkSync } from "node:fs"
import { workerData } from "node:worker_threads"
import * as NodeWorkerRunner from "@effect/platform-node/NodeWorkerRunner"
import { Deferred, Effect, Layer, Schedule } from "effect"
import { WorkerRunner } from "effect/workers"
import { AnswerCache } from "../../cache/answer-cache.ts"
import { FailureCache } from "../../cache/failure-cache.ts"
import { LogsRedis } from "../../cache/shared/shared-tier.ts"
import { Configuration, decodeSettings } from "../../config/configuration.ts"
import { decodeAskedServers, LiveUpstreams } from "../../config/live-upstreams.ts"
import { Locations } from "../../geo/geography.ts"
import { DescriptorMemory } from "../../io/linux/batched.ts"
import { Descriptors } from "../../io/linux/descriptors.ts"
import { InheritedSockets, SharesPorts } from "../../listener/inherited-sockets.ts"
import { Listeners } from "../../listener/listeners.ts"
import { StandIn } from "../../listener/stand-in.ts"
import { Counters } from "../../telemetry/counters.ts"
import { Latencies } from "../../telemetry/latencies.ts"
import { SharedUpstreams } from "../../upstream/health/shared-state.ts"
import { layerEntries } from "../logging/logging.ts"
import { GivenLocations, serverLayer } from "../server.ts"
import { layerDatagrams } from "../transports.ts"
import { type Change, type FromWorker, HEARTBEAT_MS, type ToWorker, type WorkerData } from "./protocol.ts"
import { workerLimits } from "./worker-limits.ts"

const {
  number,
  workers,
  settings: written,
  locations: database,
  memory,
  descriptors,
  sockets
} = workerData as WorkerData
const whole = decodeSettings(written)
const settings = workerLimits(whole, workers)
const locations = new Locations(database)

const inherited = new Map(sockets)
const notes = new Descriptors(descriptors)
const counters = Counters.layerOver(memory.counters, number - 1)
/** From here on it is closed by whoever listens at it, or noted again. */
const inherit = (name: string): number | undefined => {
  const fd = inherited.get(name)
  if (fd !== undefined) notes.closing(fd)
  return fd
}

/** The heartbeat: shows the supervisor that this thread's event loop runs. */
const heartbeat = Effect.repeat(
  Effect.sync(() => Atomics.add(new Int32Array(memory.heartbeats), number - 1, 1)),
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
  const stopped = yield* Deferred.make<void>()
  // Sent the same way as all other messages, so that log lines keep their order among them.
  const log = layerEntries(settings, (entry) => supervisor.sendUnsafe(0, { kind: "log", entry }), number)

  const running = Effect.gen(function* () {
    const cache = yield* AnswerCache
    const failures = yield* FailureCache
    const listening = yield* Listeners
    const standIn = yield* StandIn
    const upstreams = yield* LiveUpstreams
    const prepared = new Map<number, Effect.Effect<void>>()

    const commitOf = (change: Change): Effect.Effect<void> => {
      switch (change.kind) {
        case "adopt-cache":
          return Effect.sync(() => cache.adopt(change.memory))
        case "adopt-locations":
          return Effect.sync(() => locations.adopt(change.memory))
        case "adopt-upstreams":
          // Questions that failed with the old servers may not fail with the new ones.
          return Effect.map(upstreams.adopt(decodeAskedServers(change.servers)), () => failures.forgetAll())
        case "forget-failures":
          return Effect.sync(() => failures.forgetAll())
      }
    }

    const receive = (message: ToWorker): Effect.Effect<void> => {
      switch (message.kind) {
        case "prepare":
          prepared.set(message.id, commitOf(message.change))
          return send({ kind: "prepared", id: message.id, refusal: undefined })
        case "commit": {
          const commit = prepared.get(message.id) ?? Effect.void
          prepared.delete(message.id)
          return Effect.andThen(commit, send({ kind: "committed", id: message.id }))
        }
        case "abandon":
          return Effect.sync(() => {
            prepared.delete(message.id)
          })
        case "stand-in":
          for (const [, fd] of message.sockets) notes.closing(fd)
          return Effect.catch(standIn.begin(message.worker, message.sockets), ({ message: reason }) =>
            Effect.logError(`worker ${number} cannot answer for worker ${message.worker}: ${reason}`)
          )
        case "stand-down":
          return standIn.end(message.worker)
        case "stop":
          return Effect.asVoid(Deferred.succeed(stopped, undefined))
        default:
          // The files were replaced by another version's while the server ran.
          return Effect.logError("the supervisor says something that this worker does not know", message)
      }
    }
    yield* Effect.forkScoped(heartbeat)
    yield* Effect.forkScoped(supervisor.run((_port, message) => receive(message)))
    const at = listening.map(({ protocol, endpoint }) => ({ protocol, endpoint }))
    yield* send({ kind: "ready", listening: at, task: yield* taskNumber })
    yield* Deferred.await(stopped)
  })

  const server = serverLayer.pipe(
    Layer.provideMerge(Layer.mergeAll(FailureCache.layer, LiveUpstreams.layer)),
    Layer.provideMerge(AnswerCache.layerOver(memory.answers, number)),
    Layer.provide(
      Layer.mergeAll(
        counters,
        Latencies.layerOver(memory.latencies, number - 1),
        layerDatagrams(settings.datagrams, counters)
      )
    ),
    Layer.provide(Configuration.layer(settings)),
    Layer.provide(
      Layer.mergeAll(
        Layer.succeed(InheritedSockets, inherit),
        Layer.succeed(SharesPorts, true),
        Layer.succeed(GivenLocations, locations),
        Layer.succeed(SharedUpstreams, { memory: memory.upstreams, worker: number }),
        Layer.succeed(LogsRedis, number === 1),
        Layer.succeed(DescriptorMemory, descriptors)
      )
    )
  )
  yield* Effect.scoped(Effect.provide(running, server)).pipe(
    Effect.catch((error) => send({ kind: "failed", message: error.message })),
    Effect.provide(log)
  )
})

const program = serve.pipe(Effect.provide(NodeWorkerRunner.layer))

// Ends this thread, not the process: what is left of its event loop has nothing more to say.
Effect.runCallback(program, { onExit: (exit) => process.exit(exit._tag === "Success" ? 0 : 1) })
