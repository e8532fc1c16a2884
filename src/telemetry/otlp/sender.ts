/**
 * A signal's way to a collector: OTLP over HTTP by OpenTelemetry's own exporter, behind a queue that is bounded.
 *
 * A collector that is slow or gone costs what was to be sent, which is counted, and never a query.
 */
import * as http from "node:http"
import * as https from "node:https"
import { Socket } from "node:net"
import { convertLegacyHttpOptions, createOtlpHttpExportDelegate } from "@opentelemetry/otlp-exporter-base/node-http"
import type { IExporterMetricsHelper, ISerializer } from "@opentelemetry/otlp-transformer"
import { Effect, type Scope } from "effect"
import { shownUrl } from "../../config/codec/secrets.ts"
import type { OtlpTarget } from "../../config/otlp.ts"
import { type OtlpSignal, otlpFile, otlpFileVariables } from "../../config/otlp-environment.ts"
import { ExportQueue, type QueueOptions } from "./export-queue.ts"

export interface SenderOptions<Unit, Request>
  extends Pick<QueueOptions<Unit>, "sizeOf" | "maxWaiting" | "enough" | "endMs"> {
  readonly signal: OtlpSignal
  readonly target: OtlpTarget
  /** What is sent, for people: `traces`. */
  readonly what: string
  readonly requestOf: (units: ReadonlyArray<Unit>) => Request
  readonly protobuf: ISerializer<Request, unknown>
  readonly json: ISerializer<Request, unknown>
  readonly helper: IExporterMetricsHelper<Request>
  readonly onSent: (units: number) => void
  readonly onDropped: (units: number) => void
  /** The collector takes nothing; says whether that is news. */
  readonly wentAway: () => boolean
  /** It takes again what it is sent: how much was dropped meanwhile, where that is news. */
  readonly cameBack: () => number | undefined
}

/** Sends units as long as the scope lives; when it closes, what waits is sent, within the time for that. */
export const makeSender = <Unit, Request>(
  options: SenderOptions<Unit, Request>
): Effect.Effect<(unit: Unit) => void, never, Scope.Scope> =>
  Effect.gen(function* () {
    const { signal, target, what } = options
    const log = Effect.runForkWith(yield* Effect.context<never>())
    const to = `the collector at ${shownUrl(target.url)}`
    const agent = yield* agentFor(target.url, signal)
    let isEnding = false
    let droppedAtTheEnd = 0
    const delegate = withoutFiles(() =>
      createOtlpHttpExportDelegate(
        convertLegacyHttpOptions(
          { url: target.url, timeoutMillis: target.timeoutMs, httpAgentOptions: () => agent },
          signal,
          `v1/${signal.toLowerCase()}`,
          { "Content-Type": target.protocol === "http/json" ? "application/json" : "application/x-protobuf" }
        ),
        target.protocol === "http/json" ? options.json : options.protobuf,
        "strand",
        options.helper,
        undefined
      )
    )
    const queue = yield* Effect.acquireRelease(
      Effect.sync(
        () =>
          new ExportQueue<Unit>({
            ...options,
            timeoutMs: target.timeoutMs,
            send: (units, done) => delegate.export(options.requestOf(units), done),
            abort: () => agent.destroy(),
            onSent: (units) => {
              options.onSent(units)
              const dropped = options.cameBack()
              if (dropped !== undefined) log(Effect.logInfo(`${to} takes ${what} again`, { dropped }))
            },
            onDropped: (units, reason) => {
              if (reason !== "" && options.wentAway()) {
                log(Effect.logWarning(`${to} takes no ${what}; they are dropped until it does: ${reason}`))
              }
              options.onDropped(units)
              if (isEnding) droppedAtTheEnd += units
            }
          })
      ),
      (made) =>
        Effect.gen(function* () {
          isEnding = true
          yield* Effect.promise(() => made.end())
          // What would be tried again later keeps no process.
          agent.createConnection = () => new Socket().destroy()
          agent.destroy()
          if (droppedAtTheEnd > 0)
            yield* Effect.logWarning(`${to} did not take the last ${what}`, { dropped: droppedAtTheEnd })
        })
    )
    return (unit) => queue.add(unit)
  })

/**
 * Connections that can be ended, with the certificates that the environment names for them. What cannot be read is as
 * if it were not there: the connection then fails, and that is said.
 */
const agentFor = Effect.fnUntraced(function* (url: string, signal: OtlpSignal) {
  const options = { keepAlive: true, maxSockets: 2 }
  if (!url.startsWith("https:")) return new http.Agent(options)
  const read = (name: string): string | undefined => process.env[name]?.trim() || undefined
  const files = {
    ca: yield* otlpFile("CERTIFICATE", read, signal),
    cert: yield* otlpFile("CLIENT_CERTIFICATE", read, signal),
    key: yield* otlpFile("CLIENT_KEY", read, signal)
  }
  const given = Object.fromEntries(Object.entries(files).filter(([, octets]) => octets !== undefined))
  return new https.Agent({ ...options, ...given })
})

/** The SDK would read files that the environment names itself, a pipe or a device without an end: it hears of none. */
const withoutFiles = <A>(make: () => A): A => {
  const hidden = otlpFileVariables.map((name) => [name, process.env[name]] as const)
  for (const [name] of hidden) delete process.env[name]
  try {
    return make()
  } finally {
    for (const [name, value] of hidden) if (value !== undefined) process.env[name] = value
  }
}

/** A collector of one thread: whether it is away, and what was dropped since. */
export const watchCollector = (): Pick<SenderOptions<never, never>, "wentAway" | "cameBack" | "onDropped"> => {
  let isAway = false
  let dropped = 0
  return {
    wentAway: () => {
      if (isAway) return false
      isAway = true
      dropped = 0
      return true
    },
    cameBack: () => {
      if (!isAway) return undefined
      isAway = false
      return dropped
    },
    onDropped: (units) => {
      dropped += units
    }
  }
}
