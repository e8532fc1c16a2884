/**
 * What the service manager is told of this server (sd_notify(3)): that it answers, reads its configuration again, ends,
 * and that it is alive.
 *
 * The socket is named by `NOTIFY_SOCKET`. Where it is not, or the C library cannot be called, nobody is told.
 */
import { Effect } from "effect"
import type { Libc } from "../../io/linux/libc.ts"
import { sendUnixDatagram } from "../../io/linux/unix-datagram.ts"

/** How often, and at what distance, a message is sent to a manager that has not read those before. */
const SENDS = 20
const PAUSE_MS = 50

export interface ServiceManager {
  /** It answers, or answers by the new configuration. */
  readonly ready: (status: string) => Effect.Effect<void>
  /** The configuration is being read again; `ready` follows, whatever comes of it. */
  readonly reloading: Effect.Effect<void>
  /** What is in flight is answered, then it ends. */
  readonly stopping: Effect.Effect<void>
  readonly alive: Effect.Effect<void>
  /** Milliseconds within which it wants to hear that the server is alive; undefined where it does not. */
  readonly watchdogMs: number | undefined
  /** Why it cannot be told, though it wants to be. */
  readonly warnings: ReadonlyArray<string>
}

export type Environment = Readonly<Record<string, string | undefined>>

const digits = (text: string | undefined): number | undefined =>
  text !== undefined && /^[1-9]\d*$/.test(text) ? Number(text) : undefined

/** `WATCHDOG_USEC`, unless `WATCHDOG_PID` says that it is meant for another process (sd_watchdog_enabled(3)). */
const watchdogMsIn = ({ WATCHDOG_USEC, WATCHDOG_PID }: Environment, pid: number): number | undefined => {
  const isOurs = WATCHDOG_PID === undefined || WATCHDOG_PID === String(pid)
  const microseconds = digits(WATCHDOG_USEC)
  return isOurs && microseconds !== undefined ? microseconds / 1000 : undefined
}

/** One line: a message has one assignment a line. */
const oneLine = (text: string): string => text.replaceAll(/\s*\n\s*/g, " ")

export const serviceManager = (
  libc: Libc | undefined,
  environment: Environment = process.env,
  pid: number = process.pid
): ServiceManager => {
  const name = environment["NOTIFY_SOCKET"]
  const isKnown = name !== undefined && /^[/@]/.test(name)
  const tell = (...assignments: ReadonlyArray<string>): Effect.Effect<void> => {
    if (libc === undefined || !isKnown) return Effect.void
    const send = (left: number): Effect.Effect<void> =>
      Effect.suspend(() =>
        sendUnixDatagram(libc, name, assignments.join("\n")) === "full" && left > 1
          ? Effect.delay(send(left - 1), PAUSE_MS)
          : Effect.void
      )
    return send(SENDS)
  }
  return {
    ready: (status) => tell("READY=1", `STATUS=${oneLine(status)}`),
    // The manager compares the time with that of its own request, by the same clock (CLOCK_MONOTONIC).
    reloading: Effect.suspend(() => tell("RELOADING=1", `MONOTONIC_USEC=${process.hrtime.bigint() / 1000n}`)),
    stopping: tell("STOPPING=1", "STATUS=answers what is in flight"),
    alive: tell("WATCHDOG=1"),
    watchdogMs: watchdogMsIn(environment, pid),
    warnings:
      isKnown && libc === undefined
        ? ["the service manager (NOTIFY_SOCKET) cannot be told that this server is ready: that takes koffi"]
        : []
  }
}
