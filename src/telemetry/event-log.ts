/**
 * The log levels `debug` and `trace` for code that is no effect.
 *
 * Where a level is off its function is undefined: `debug?.(text, fields)` then makes no object, and costs a comparison.
 */
import { Context, Effect, Layer } from "effect"
import { Configuration } from "../config/configuration.ts"
import type { Settings } from "../config/schema/settings.ts"

export type Say = (message: string, fields?: Readonly<Record<string, unknown>>) => void

/** Not to be taken apart: what the levels are may change. */
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
    const configuration = yield* Configuration
    const run = Effect.runForkWith(yield* Effect.context<never>())
    const debug: Say = (message, fields = {}) => void run(Effect.logDebug(message, fields))
    const trace: Say = (message, fields = {}) => void run(Effect.logTrace(message, fields))
    const eventsAt = ({ logLevel }: Pick<Settings, "logLevel">): Events => ({
      debug: logLevel === "trace" || logLevel === "debug" ? debug : undefined,
      trace: logLevel === "trace" ? trace : undefined
    })
    const events = { ...eventsAt(configuration.current()) }
    yield* configuration.follow(["logLevel"], (settings) => Object.assign(events, eventsAt(settings)))
    return events
  })
)
