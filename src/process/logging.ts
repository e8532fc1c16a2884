/** Logs by Effect's loggers: pretty for people, JSON for machines. */
import { Layer, Logger, References } from "effect"
import type { Settings } from "../config/schema.ts"

const levels = {
  trace: "Trace",
  debug: "Debug",
  info: "Info",
  warn: "Warn",
  error: "Error",
  fatal: "Fatal",
  none: "None"
} as const

export const layerLogging = (settings: Settings): Layer.Layer<never> =>
  Layer.mergeAll(
    Logger.layer([settings.logFormat === "pretty" ? Logger.consolePretty() : Logger.consoleJson]),
    Layer.succeed(References.MinimumLogLevel, levels[settings.logLevel])
  )
