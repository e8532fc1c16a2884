/**
 * The log: Effect's loggers make entries, one thread writes them to standard output, pretty for people, JSON for
 * machines, in the order of their times.
 */
import { Context, Effect, Layer, Logger, LogLevel, References, type Scope } from "effect"
import type { Settings } from "../../config/schema/settings.ts"
import { LineWriter, writeToStandardOutput } from "./line-writer.ts"
import { entryOf, formatJson, formatPretty, type LogEntry } from "./log-entry.ts"

const levels = {
  trace: "Trace",
  debug: "Debug",
  info: "Info",
  warn: "Warn",
  error: "Error",
  fatal: "Fatal",
  none: "None"
} as const

/** At the end a slow reader gets so long to read what waits. */
const DRAIN_MS = 500
/** Entries that come later from another thread are said to be no older than the last; beyond this the clock was set. */
const MAX_BEHIND_MS = 1_000

export interface Output {
  readonly write: (entry: LogEntry) => void
  /** Has all that is written told to another, too, as long as the scope lives. */
  readonly alsoTo: (other: (entry: LogEntry) => void) => Effect.Effect<void, never, Scope.Scope>
}

/** Where entries of worker threads go; nowhere unless this process logs. */
export const LogOutput: Context.Reference<Output> = Context.Reference("strand/process/LogOutput", {
  defaultValue: (): Output => ({ write: () => {}, alsoTo: () => Effect.void })
})

/** Writes entries as lines, their times in order. */
export const outputTo = (format: (entry: LogEntry) => string, makeWriter: LineWriterMaker): Output & Drained => {
  let lastMs = 0
  const others = new Set<(entry: LogEntry) => void>()
  const lines = makeWriter((count, reason) =>
    format({ timeMs: lastMs, level: "warn", message: "log lines were lost", fields: { lost: count, reason } })
  )
  return {
    write: (entry) => {
      lastMs = lastMs - entry.timeMs < MAX_BEHIND_MS ? Math.max(lastMs, entry.timeMs) : entry.timeMs
      lines.line(format({ ...entry, timeMs: lastMs }))
      for (const other of others) other(entry)
    },
    alsoTo: (other) =>
      Effect.acquireRelease(
        Effect.sync(() => others.add(other)),
        () => Effect.sync(() => others.delete(other))
      ),
    drain: () => lines.drain(DRAIN_MS)
  }
}

type LineWriterMaker = (lossLine: (lines: number, reason: string) => string) => LineWriter

interface Drained {
  /** Lets what waits be written, for a moment. */
  readonly drain: () => Promise<void>
}

/** What is logged, and how, as it is when a line is written. */
type CurrentLogSettings = () => Pick<Settings, "logFormat" | "logLevel">

/** The log of the process's main thread. */
export const layerLogging = (current: CurrentLogSettings): Layer.Layer<never> =>
  Layer.unwrap(
    Effect.gen(function* () {
      const pretty = formatPretty(process.stdout.isTTY === true)
      const format = (entry: LogEntry): string => (current().logFormat === "pretty" ? pretty : formatJson)(entry)
      const output = yield* Effect.acquireRelease(
        Effect.sync(() => outputTo(format, (lossLine) => new LineWriter(writeToStandardOutput(), lossLine))),
        ({ drain }) => Effect.promise(drain)
      )
      return Layer.merge(Layer.succeed(LogOutput, output), layerEntries(current, output.write))
    })
  )

/** Gives entries to `write`; those of a worker thread bear its number. */
export const layerEntries = (
  current: () => Pick<Settings, "logLevel">,
  write: (entry: LogEntry) => void,
  worker?: number
): Layer.Layer<never> => {
  const logger = Logger.make<unknown, void>((options) => {
    if (LogLevel.isGreaterThanOrEqualTo(options.logLevel, levels[current().logLevel])) write(entryOf(options, worker))
  })
  // The level that counts may change: every entry is made, and looked at then.
  return Layer.mergeAll(Logger.layer([logger]), Layer.succeed(References.MinimumLogLevel, "All"))
}
