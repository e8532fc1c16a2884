/**
 * SIGHUP: the configuration is read again, and what can change while the server runs is changed.
 *
 * Read in a thread of its own: this one may be answering queries, and a file may be large or hostile. With a mistake in
 * it nothing changes. What takes effect only at the start is named. A terminal that closes sends the
 * same signal to what was started at it: that ends the server.
 */
import { Cause, Effect, Queue, type Scope } from "effect"
import { type Loaded, runningSettings } from "../config/configuration.ts"
import { fileKey, type SettingName, settingNames } from "../config/schema.ts"
import { type LoadedApart, loadApart } from "./load-apart.ts"
import { endGracefully, isTerminalGone } from "./started-by.ts"

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
}

/** Reloads at each signal, one reload after the other. */
export const reloadOnHangup = ({ signals, file, loaded, resizeCache }: ReloadOptions): Effect.Effect<never> => {
  /** What the server runs by: as at its start, but for what was changed since. */
  const running = new Map([...loaded.given].map(([name, { value }]) => [name, String(value)]))

  const apply = Effect.fnUntraced(function* (fresh: LoadedApart) {
    const differs = (name: SettingName): boolean => String(fresh.given.get(name)!.value) !== running.get(name)
    const changed: Array<string> = []
    for (const warning of fresh.warnings) yield* Effect.logWarning(warning)
    if (differs("cacheSizeMb")) {
      const { enableCaching, cacheSizeMb } = runningSettings(fresh.written)
      if (enableCaching) yield* resizeCache(cacheSizeMb * MIB)
      running.set("cacheSizeMb", String(fresh.given.get("cacheSizeMb")!.value))
      changed.push(fileKey("cacheSizeMb"))
    }
    const waiting = settingNames.filter((name) => !APPLIED.includes(name) && differs(name)).map(fileKey)
    yield* Effect.logInfo(`configuration read again; changed: ${changed.length === 0 ? "nothing" : changed.join(", ")}`)
    if (waiting.length > 0) yield* Effect.logWarning(`needs a restart: ${waiting.join(", ")}`)
  })

  const reload = loadApart(file).pipe(
    Effect.flatMap(apply),
    Effect.catchCause((cause) => {
      const error = Cause.squash(cause)
      return Effect.logError(
        `configuration read again; nothing changed: ${error instanceof Error ? error.message : String(error)}`
      )
    })
  )
  const onSignal = Effect.suspend(() =>
    isTerminalGone()
      ? Effect.andThen(Effect.logInfo("the terminal that the server was started at is closed"), endGracefully)
      : reload
  )
  return Effect.forever(Effect.andThen(Queue.take(signals), onSignal))
}
