/**
 * The log: Effect's loggers make entries, one thread writes them to standard output, pretty for people, JSON for
 * machines, in the order of their times.
 */
import { Context, Effect, Layer, Logger, References } from "effect"
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
}

/** Where entries of worker threads go; nowhere unless this process logs. */
export const LogOutput: Context.Reference<Output> = Context.Reference("strand/process/LogOutput", {
  defaultValue: (): Output => ({ write: () => {} })
})

/** Writes entries as lines, their times in order. */
export const outputTo = (format: (entry: LogEntry) => string, makeWriter: LineWriterMaker): Output & Drained => {
  let lastMs = 0
  const lines = makeWriter((count, reason) =>
    format({ timeMs: lastMs, level: "warn", message: "log lines were lost", fields: { lost: count, reason } })
  )
  return {
    write: (entry) => {
      lastMs = lastMs - entry.timeMs < MAX_BEHIND_MS ? Math.max(lastMs, entry.timeMs) : entry.timeMs
      lines.line(format({ ...entry, timeMs: lastMs }))
    },
    drain: () => lines.drain(DRAIN_MS)
  }
}

type LineWriterMaker = (lossLine: (lines: number, reason: string) => string) => LineWriter

interface Drained {
  /** Lets what waits be written, for a moment. */
  readonly drain: () => Promise<void>
}

type LogSettings = Pick<Settings, "logFormat" | "logLevel">

/** The log of the process's main thread. */
export const layerLogging = (settings: LogSettings): Layer.Layer<never> =>
  Layer.unwrap(
    Effect.gen(function* () {
      const format = settings.logFormat === "pretty" ? formatPretty(process.stdout.isTTY === true) : formatJson
      const output = yield* Effect.acquireRelease(
        Effect.sync(() => outputTo(format, (lossLine) => new LineWriter(writeToStandardOutput(), lossLine))),
        ({ drain }) => Effect.promise(drain)
      )
      return Layer.merge(Layer.succeed(LogOutput, output), layerEntries(settings, output.write))
    })
  )

/** Gives entries to `write`; those of a worker thread bear its number. */
export const layerEntries = (
  { logLevel }: Pick<Settings, "logLevel">,
  write: (entry: LogEntry) => void,
  worker?: number
): Layer.Layer<never> =>
  Layer.mergeAll(
    Logger.layer([Logger.make((options) => write(entryOf(options, worker)))]),
    Layer.succeed(References.MinimumLogLevel, levels[logLevel])
  )
