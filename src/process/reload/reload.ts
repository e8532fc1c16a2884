/**
 * What changes while the server runs: at SIGHUP the configuration is read again, and what can change is changed; the
 * system's resolvers are followed where they are asked.
 *
 * It is read in a thread of its own: this one may be answering queries, and a file may be large or hostile. With a
 * mistake in it nothing changes. Settings that take effect only at the start are named. A terminal that closes sends
 * the same signal to the processes that were started there: that ends the server.
 */
import { Cause, Effect, Queue, type Scope, Semaphore } from "effect"
import { type Loaded, runningSettings } from "../../config/configuration.ts"
import { fileKey, type SettingName, settingNames } from "../../config/schema/settings.ts"
import { messageOf } from "../../runtime/error-text.ts"
import { endGracefully, isTerminalGone } from "../start/started-by.ts"
import { type LoadedApart, loadApart } from "./load-apart.ts"
import { changedServers, followResolvers, sayChanged, type WrittenServers } from "./system-resolvers.ts"

const MIB = 1024 * 1024

/** Settings that change while the server runs. */
const APPLIED: ReadonlyArray<SettingName> = ["cacheSizeMb"]

/** Takes the signal for as long as the scope lives, one that comes before anybody listens included. */
export const hangups: Effect.Effect<Queue.Dequeue<void>, never, Scope.Scope> = Effect.gen(function* () {
  const signals = yield* Queue.sliding<void>(1)
  const onSignal = (): void => {
    Queue.offerUnsafe(signals, undefined)
  }
  yield* Effect.acquireRelease(
    Effect.sync(() => process.on("SIGHUP", onSignal)),
    () => Effect.sync(() => process.off("SIGHUP", onSignal))
  )
  return signals
})

export interface ReloadOptions {
  readonly signals: Queue.Dequeue<void>
  readonly file: string | undefined
  /** What the server was started with. */
  readonly loaded: Loaded
  readonly resizeCache: (octets: number) => Effect.Effect<void, Error>
  readonly adoptUpstreams: (servers: WrittenServers) => Effect.Effect<void, Error>
}

/** Reloads at each signal, and when the system's resolvers have changed; one change after the other. */
export const reloadWhileRunning = ({
  signals,
  file,
  loaded,
  resizeCache,
  adoptUpstreams
}: ReloadOptions): Effect.Effect<never> => {
  /** What the server runs by: as at its start, but for what was changed since. */
  const running = new Map(loaded.given)
  let servers: WrittenServers = { upstreams: loaded.written.upstreams, bootstrap: loaded.written.bootstrap }
  const alone = Semaphore.makeUnsafe(1)

  /** Says what was changed. */
  const applyResolvers = Effect.fnUntraced(function* (fresh: LoadedApart) {
    const changed = changedServers(running, fresh.given)
    if (changed.length === 0) return []
    const next = { ...servers, ...Object.fromEntries(changed.map((name) => [name, fresh.written[name]])) }
    yield* adoptUpstreams(next)
    servers = next
    for (const name of changed) running.set(name, fresh.given.get(name)!)
    yield* sayChanged(changed, fresh.given)
    return changed.map(fileKey)
  })

  const apply = Effect.fnUntraced(function* (fresh: LoadedApart) {
    const differs = (name: SettingName): boolean =>
      String(fresh.given.get(name)!.value) !== String(running.get(name)!.value)
    for (const warning of fresh.warnings) yield* Effect.logWarning(warning)
    const changed: Array<string> = [...(yield* applyResolvers(fresh))]
    if (differs("cacheSizeMb")) {
      const { enableCaching, cacheSizeMb } = runningSettings(fresh.written)
      if (enableCaching) yield* resizeCache(cacheSizeMb * MIB)
      running.set("cacheSizeMb", fresh.given.get("cacheSizeMb")!)
      changed.push(fileKey("cacheSizeMb"))
    }
    const waiting = settingNames.filter((name) => !APPLIED.includes(name) && differs(name)).map(fileKey)
    yield* Effect.logInfo(`configuration read again; changed: ${changed.length === 0 ? "nothing" : changed.join(", ")}`)
    if (waiting.length > 0) yield* Effect.logWarning(`needs a restart: ${waiting.join(", ")}`)
  })

  const reload = loadApart(file).pipe(
    Effect.flatMap((fresh) => alone.withPermits(1)(apply(fresh))),
    Effect.catchCause((cause) => {
      const error = Cause.squash(cause)
      return Effect.logError(`configuration read again; nothing changed: ${messageOf(error)}`)
    })
  )
  const onSignal = Effect.suspend(() =>
    isTerminalGone()
      ? Effect.andThen(Effect.logInfo("the terminal that the server was started at is closed"), endGracefully)
      : reload
  )
  const follow = followResolvers(file, loaded.given, (fresh) => alone.withPermits(1)(applyResolvers(fresh)))
  return Effect.andThen(Effect.forkChild(follow), Effect.forever(Effect.andThen(Queue.take(signals), onSignal)))
}
