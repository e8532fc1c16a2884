/**
 * Has the configuration read again when it is to be: on SIGHUP, when a file of it has changed, and when the system's
 * resolvers have.
 *
 * Files are looked at, and not only waited for: that sees one that was written over, one that another was renamed to,
 * and what a link points to, on every file system. A terminal that closes sends SIGHUP to the processes that were
 * started there, too: that ends the server.
 */
import { statSync } from "node:fs"
import { Effect, Queue, type Scope } from "effect"
import type { ConfigurationError, Loaded } from "../../config/configuration.ts"
import type { ChangeRefused } from "../../config/live-configuration.ts"
import { fileSignature } from "../../io/file-signature.ts"
import { endGracefully, isTerminalGone } from "../start/started-by.ts"
import { followResolvers } from "./system-resolvers.ts"

/** Between two looks at the files. A change counts when two looks have seen the same: nothing half written is read. */
const LOOK_MS = 250

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

/** Tells one state of the files from another. */
export const signatureOf = (files: ReadonlyArray<string>): Effect.Effect<string> =>
  Effect.map(Effect.forEach(files, fileSignature), (signatures) => signatures.join())

/** What is no regular file, such as a pipe, cannot be read again. */
export const isRegularFile = (path: string): boolean => statSync(path, { throwIfNoEntry: false })?.isFile() === true

/** Has the configuration read again; `by` is what asks for it. */
export type Reload = (by: string) => Effect.Effect<unknown, ConfigurationError | ChangeRefused>

export interface FollowedSources {
  readonly reload: Reload
  /** The settings as they were given at the start. */
  readonly given: Loaded["given"]
  readonly signals: Queue.Dequeue<void>
  /** Files that are read with the configuration as it is now, itself included; none where it may be a pipe. */
  readonly files: () => ReadonlyArray<string>
  /** Their `signatureOf` before they were read. */
  readonly signature: string
}

/** One change after the other, for as long as it runs. */
export const followSources = ({ reload, given, signals, files, signature }: FollowedSources): Effect.Effect<never> =>
  Effect.gen(function* () {
    const onSignal = Effect.suspend(() =>
      isTerminalGone()
        ? Effect.andThen(Effect.logInfo("the terminal that the server was started at is closed"), endGracefully)
        : Effect.ignore(reload("SIGHUP"))
    )
    let names = files().join("\n")
    let read = signature
    let seen = signature
    const look = Effect.gen(function* () {
      const followed = files()
      const now = yield* signatureOf(followed)
      const isStill = now === seen
      seen = now
      if (followed.join("\n") !== names) {
        // Others are named since the last change, which has read them.
        names = followed.join("\n")
        read = now
        return
      }
      if (!isStill || now === read) return
      read = now
      yield* Effect.ignore(reload("a file"))
    })
    yield* Effect.forkChild(Effect.forever(Effect.delay(look, LOOK_MS)))
    yield* Effect.forkChild(followResolvers(given, reload))
    return yield* Effect.forever(Effect.andThen(Queue.take(signals), onSignal))
  })
