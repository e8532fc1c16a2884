/** The composition root: configuration → layers → run. Nothing else composes the process. */
import { hostname } from "node:os"
import { Effect } from "effect"
import type { AdminUnavailable } from "./admin/admin-socket.ts"
import type { AdminSources } from "./admin/sources.ts"
import { startAdmin } from "./admin/start-admin.ts"
import { AnswerCache } from "./cache/answer-cache.ts"
import { firstStep } from "./cli/first-step.ts"
import type { Serving } from "./cli/serving.ts"
import { nameUpstream } from "./config/codec/upstream-address.ts"
import { Configuration, type Loaded, load, shown } from "./config/configuration.ts"
import { fileSettings } from "./config/decode.ts"
import { fileKey, type Settings } from "./config/schema/settings.ts"
import type { SocketError } from "./io/datagram.ts"
import { formatEndpoint } from "./io/endpoint.ts"
import { libc } from "./io/linux/libc.ts"
import { surviveDefects } from "./process/defects.ts"
import { idleGcOfSupervisor } from "./process/idle-gc.ts"
import { layerLogging } from "./process/logging/logging.ts"
import { followSources, hangups, isRegularFile, signatureOf } from "./process/reload/follow-sources.ts"
import { ServerControl } from "./process/server-control.ts"
import { shareConfiguration } from "./process/shared-configuration.ts"
import { descriptorLimit, descriptorsOpen, fitToDescriptors } from "./process/start/descriptor-limit.ts"
import { checkListening, explainFailure } from "./process/start/listen-check.ts"
import { giveUpRights, type RunAsFailed } from "./process/start/run-as.ts"
import { runToEnd } from "./process/start/run-to-end.ts"
import { endWithNpm } from "./process/start/started-by.ts"
import { layerSupervisor, Supervisor } from "./process/supervisor.ts"
import { HandedOverSockets, takeHandedOver, unusedAmong } from "./process/systemd/handed-over.ts"
import { serviceManager } from "./process/systemd/service-manager.ts"
import { tellWhileOpen, toldReload } from "./process/systemd/telling.ts"
import { exportLogLines, exportMetrics } from "./process/telemetry-export.ts"
import type { WorkersFailed } from "./process/worker/workers.ts"
import { version } from "./runtime/version.ts"
import { Counters } from "./telemetry/counters.ts"
import { Latencies } from "./telemetry/latencies.ts"
import { QueryLog } from "./telemetry/query-log/query-log.ts"

/** Every setting as it was written, without what is secret in it. */
const shownSettings = ({ given }: Loaded): Record<string, string | undefined> =>
  Object.fromEntries([...given].map(([name, { value }]) => [fileKey(name), shown(name, value)]))

/** Regular files that are read with the configuration: a pipe cannot be read again. */
const followedFiles = (file: string | undefined, { given }: Pick<Loaded, "given">): ReadonlyArray<string> =>
  [file, ...fileSettings.flatMap((name) => given.get(name)?.value)].filter(
    (path): path is string => typeof path === "string" && path !== "" && isRegularFile(path)
  )

/** Runs until it is interrupted; what was in flight then is answered before the layers close. */
const run = Effect.fnUntraced(function* (file: string | undefined) {
  const startedAtMs = Date.now()
  const signals = yield* hangups
  const open = descriptorsOpen()
  const named = file === undefined ? [] : [file]
  const before = yield* signatureOf(named)
  const loaded = yield* load(file)
  // At once: what changes while the threads start is read again.
  const files = followedFiles(file, loaded)
  const signature = files.join() === named.join() ? before : yield* signatureOf(files)
  const withinLimits = (next: Loaded): Loaded => fitToDescriptors(next, descriptorLimit(), open)
  const fitted = withinLimits(loaded)
  const { settings } = fitted
  const handedOver = takeHandedOver(settings.datagrams === "portable" ? undefined : libc)
  yield* checkListening(settings.listen, handedOver)
  const manager = serviceManager(libc)
  let current: () => Settings = () => settings

  const serve = Effect.gen(function* () {
    const supervisor = yield* Supervisor
    const configuration = yield* Configuration
    const counters = yield* Counters
    const latencies = yield* Latencies
    const queryLog = yield* QueryLog
    current = configuration.current
    const listening = (): ReadonlyArray<string> =>
      supervisor.listening().map(({ protocol, endpoint }) => `${protocol}://${formatEndpoint(endpoint)}`)
    const status = (): string => `answers at ${listening().join(", ")} by ${supervisor.workers().length} workers`
    const isAnswering = (): boolean => supervisor.workers().some(({ state }) => state === "ready")
    yield* exportLogLines(configuration)
    yield* surviveDefects
    yield* Effect.forkScoped(endWithNpm)
    yield* Effect.forkScoped(idleGcOfSupervisor)
    const unheard = unusedAmong(handedOver, supervisor.listening())
    for (const warning of [...fitted.warnings, ...manager.warnings, ...handedOver.unusable, ...unheard]) {
      yield* Effect.logWarning(warning)
    }
    yield* Effect.logDebug("configuration", shownSettings(loaded))
    yield* Effect.logInfo(`strand ${version} answers`, {
      listening: listening(),
      upstreams: settings.upstreams.map(nameUpstream),
      policy: settings.upstreamPolicy,
      workers: settings.workers
    })
    const step = firstStep(settings, supervisor.listening())
    if (step !== undefined) yield* Effect.logInfo(step)
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
    let refusals = 0
    const onRefusal = (): void => {
      refusals++
    }
    const following = Effect.gen(function* () {
      const control = yield* ServerControl
      const shared = yield* shareConfiguration(configuration, control, `${hostname()} ${process.pid}`)
      const sources: AdminSources = {
        version,
        startedAtMs,
        file,
        supervisor,
        control,
        configuration,
        counters,
        latencies,
        cache: yield* AnswerCache,
        refusals: () => refusals,
        searchLog: queryLog.search,
        shared: shared.state,
        end: () => process.emit("SIGTERM", "SIGTERM")
      }
      yield* exportMetrics(configuration, sources)
      yield* startAdmin(sources, loaded.given.get("admin")?.source === "default")
      yield* giveUpRights(configuration)
      yield* tellWhileOpen(manager, status, isAnswering)
      const reload = (by: string) => toldReload(manager, status, control.reload(by))
      const followed = (): ReadonlyArray<string> => followedFiles(file, control.running())
      return yield* followSources({ reload, given: loaded.given, signals, files: followed, signature })
    })
    return yield* Effect.provide(
      following,
      ServerControl.layer({ file, first: fitted, apply: supervisor.apply, withinLimits, onRefusal })
    )
  })
  const server: Effect.Effect<never, SocketError | WorkersFailed | AdminUnavailable | RunAsFailed> = Effect.scoped(
    Effect.provide(Effect.scoped(serve), layerSupervisor(fitted))
  )
  const explained = Effect.catchTag(server, "SocketError", (error) => Effect.fail(explainFailure(error)))
  return yield* Effect.provide(
    explained,
    layerLogging(() => current())
  ).pipe(Effect.provideService(HandedOverSockets, handedOver))
}, Effect.scoped)

/** Runs the server until the process ends. */
export const start = ({ file }: Serving): void => runToEnd(run(file))
