/** The composition root: configuration → layers → run. Nothing else composes the process. */
import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import { Cause, Console, Effect, Exit, Layer } from "effect"
import { AnswerCache } from "./cache/answer-cache.ts"
import { FailureCache } from "./cache/failure-cache.ts"
import { check, describe, help, readCommand, version } from "./cli/command.ts"
import { nameUpstream } from "./config/codec/upstream-address.ts"
import { Configuration, type ConfigurationError, type Loaded, load, shown } from "./config/configuration.ts"
import { decodeAskedServers, LiveUpstreams } from "./config/live-upstreams.ts"
import { fileKey } from "./config/schema/settings.ts"
import type { SocketError } from "./io/datagram.ts"
import { formatEndpoint } from "./io/endpoint.ts"
import type { BatchedUnavailable } from "./io/linux/batched.ts"
import { Listeners } from "./listener/listeners.ts"
import { surviveDefects } from "./process/defects.ts"
import { guardStandardStreams } from "./process/logging/line-writer.ts"
import { layerLogging } from "./process/logging/logging.ts"
import { hangups, reloadWhileRunning } from "./process/reload/reload.ts"
import type { WrittenServers } from "./process/reload/system-resolvers.ts"
import { standaloneLayer } from "./process/server.ts"
import { descriptorLimit, descriptorsOpen, fitToDescriptors } from "./process/start/descriptor-limit.ts"
import { checkListening, explainFailure } from "./process/start/listen-check.ts"
import { endWithNpm } from "./process/start/started-by.ts"
import { layerSupervisor, Supervisor, type WorkersFailed } from "./process/supervisor.ts"
import { layerDatagrams } from "./process/transports.ts"
import type { ListeningAt } from "./process/worker/protocol.ts"
import { Counters } from "./telemetry/counters.ts"
import { Latencies } from "./telemetry/latencies.ts"

/** One thread needs no other to look after it. */
const layerAlone = ({ settings }: Loaded) =>
  standaloneLayer.pipe(Layer.provide(Layer.mergeAll(Configuration.layer(settings), layerDatagrams(settings.datagrams))))

/** What is asked of the server, however many threads it has. */
interface Served {
  readonly listening: ReadonlyArray<ListeningAt>
  readonly resizeCache: (octets: number) => Effect.Effect<void, Error>
  readonly adoptUpstreams: (servers: WrittenServers) => Effect.Effect<void, Error>
}

const servedAlone = Effect.gen(function* () {
  const cache = yield* AnswerCache
  const failures = yield* FailureCache
  const upstreams = yield* LiveUpstreams
  return {
    listening: yield* Listeners,
    resizeCache: (octets) => Effect.asVoid(cache.resize(octets)),
    adoptUpstreams: (servers) =>
      Effect.andThen(upstreams.adopt(decodeAskedServers(servers)), () => {
        failures.forgetAll()
        return cache.flushAll
      })
  } satisfies Served
})
const servedByWorkers: Effect.Effect<Served, never, Supervisor> = Effect.map(Supervisor, (supervisor) => supervisor)

/** Every setting as it was written, without what is secret in it. */
const shownSettings = ({ given }: Loaded): Record<string, string | undefined> =>
  Object.fromEntries([...given].map(([name, { value }]) => [fileKey(name), shown(name, value)]))

/** Runs until it is interrupted; what was in flight then is answered before the layers close. */
const run = Effect.fnUntraced(function* (file: string | undefined) {
  const signals = yield* hangups
  const loaded = yield* load(file)
  const fitted = fitToDescriptors(loaded, descriptorLimit(), descriptorsOpen())
  const { settings, warnings } = fitted
  yield* checkListening(settings.listen)
  const serve = <R>(served: Effect.Effect<Served, never, R>) =>
    Effect.gen(function* () {
      const { listening, resizeCache, adoptUpstreams } = yield* served
      const counters = yield* Counters
      const latencies = yield* Latencies
      yield* surviveDefects
      yield* Effect.forkScoped(endWithNpm)
      for (const warning of warnings) yield* Effect.logWarning(warning)
      yield* Effect.logDebug("configuration", shownSettings(loaded))
      yield* Effect.logInfo(`strand ${version} answers`, {
        listening: listening.map(({ protocol, endpoint }) => `${protocol}://${formatEndpoint(endpoint)}`),
        upstreams: settings.upstreams.map(nameUpstream),
        policy: settings.upstreamPolicy,
        workers: settings.workers
      })
      yield* Effect.addFinalizer(() =>
        Effect.gen(function* () {
          yield* Effect.logInfo("shutting down", counters.snapshot(), {
            hits_ms: latencies.quantiles("hit"),
            misses_ms: latencies.quantiles("miss")
          })
          for (const { upstream, outcomes } of counters.upstreams()) {
            yield* Effect.logInfo(`attempts at ${upstream}`, outcomes)
          }
        })
      )
      return yield* reloadWhileRunning({ signals, file, loaded, resizeCache, adoptUpstreams })
    })
  const server: Effect.Effect<never, SocketError | BatchedUnavailable | WorkersFailed> =
    settings.workers === 1
      ? Effect.scoped(Effect.provide(Effect.scoped(serve(servedAlone)), layerAlone(fitted)))
      : Effect.scoped(Effect.provide(Effect.scoped(serve(servedByWorkers)), layerSupervisor(fitted)))
  const explained = Effect.catchTag(server, "SocketError", (error) => Effect.fail(explainFailure(error)))
  return yield* Effect.provide(explained, layerLogging(settings))
}, Effect.scoped)

const program = Effect.suspend((): Effect.Effect<void, ConfigurationError | Error> => {
  const command = readCommand(process.argv.slice(2))
  switch (command.kind) {
    case "help":
      return Console.log(help())
    case "version":
      return Console.log(version)
    case "mistake":
      return Effect.fail(new Error(`${command.message}; strand --help says what there is`))
    case "describe":
      return describe(command.what)
    case "check":
      return check(command.file)
    case "run":
      return run(command.file)
  }
}).pipe(Effect.tapError((error) => Console.error(error.message)))

guardStandardStreams()

NodeRuntime.runMain(program, {
  disableErrorReporting: true,
  teardown: (exit, onExit) => {
    if (Exit.isFailure(exit) && !Cause.hasInterruptsOnly(exit.cause)) {
      if (Cause.hasDies(exit.cause)) console.error(Cause.pretty(exit.cause))
      return onExit(1)
    }
    return onExit(0)
  }
})
