/**
 * The log levels `debug` and `trace` for code that is no effect.
 *
 * Where a level is off its function is undefined: `debug?.(text, fields)` then makes no object, and costs a comparison.
 */
import { Context, Effect, Layer } from "effect"
import { Configuration } from "../config/configuration.ts"

export type Say = (message: string, fields?: Readonly<Record<string, unknown>>) => void

export interface Events {
  readonly debug: Say | undefined
  readonly trace: Say | undefined
}

/** Off, unless a layer provides it. */
export const EventLog: Context.Reference<Events> = Context.Reference("strand/telemetry/EventLog", {
  defaultValue: (): Events => ({ debug: undefined, trace: undefined })
})

export const layerEventLog: Layer.Layer<never, never, Configuration> = Layer.effect(
  EventLog,
  Effect.gen(function* () {
    const { logLevel } = yield* Configuration
    const run = Effect.runForkWith(yield* Effect.context<never>())
    const hasTrace = logLevel === "trace"
    const hasDebug = hasTrace || logLevel === "debug"
    return {
      debug: hasDebug ? (message, fields = {}) => void run(Effect.logDebug(message, fields)) : undefined,
      trace: hasTrace ? (message, fields = {}) => void run(Effect.logTrace(message, fields)) : undefined
    } satisfies Events
  })
)
