/** A collector of traces, logs and metrics, as it stands behind the server. */
import { createServer, type IncomingHttpHeaders, type Server } from "node:http"
import type { AddressInfo } from "node:net"
import { Effect, type Scope } from "effect"

export interface Span {
  readonly name: string
  readonly spanId: string
  readonly parentSpanId?: string
  readonly traceId: string
  readonly startTimeUnixNano: string
  readonly endTimeUnixNano: string
  readonly kind: number
  readonly attributes: ReadonlyArray<Attribute>
  readonly status: { readonly code?: number; readonly message?: string }
  readonly events: ReadonlyArray<{ readonly name: string; readonly timeUnixNano: string }>
  readonly links: ReadonlyArray<{ readonly traceId: string; readonly spanId: string }>
}

interface Attribute {
  readonly key: string
  readonly value: { readonly stringValue?: string; readonly intValue?: number; readonly boolValue?: boolean }
}

/** A log line as it comes. */
export interface LogRecord {
  readonly timeUnixNano: string
  readonly severityText: string
  readonly severityNumber: number
  readonly body: { readonly stringValue: string }
  readonly attributes: ReadonlyArray<Attribute>
}

interface Point {
  readonly attributes: ReadonlyArray<Attribute>
  readonly startTimeUnixNano: string
  readonly asDouble?: number
  readonly count?: number
  readonly bucketCounts?: ReadonlyArray<number>
  readonly explicitBounds?: ReadonlyArray<number>
}

/** A metric as it comes. */
export interface Metric {
  readonly name: string
  readonly unit: string
  readonly sum?: {
    readonly isMonotonic: boolean
    readonly aggregationTemporality: number
    readonly dataPoints: ReadonlyArray<Point>
  }
  readonly gauge?: { readonly dataPoints: ReadonlyArray<Point> }
  readonly histogram?: { readonly aggregationTemporality: number; readonly dataPoints: ReadonlyArray<Point> }
}

export interface Collector {
  readonly url: string
  readonly spans: Array<Span>
  readonly logs: Array<LogRecord>
  /** Of each export. */
  readonly metrics: Array<ReadonlyArray<Metric>>
  /** Of each export: its path and headers, and what is said of the service. */
  readonly exports: Array<Export>
}

export interface Export {
  readonly path: string | undefined
  readonly headers: IncomingHttpHeaders
  readonly resource: Readonly<Record<string, string | undefined>>
  readonly scope: { readonly name: string; readonly version?: string }
}

/**
 * A collector that takes OTLP as JSON and keeps what comes; with `hangs` it takes and never answers.
 *
 * @param port where it listens; 0 for a free one
 */
export const collector = (hangs = false, port = 0): Effect.Effect<Collector, never, Scope.Scope> =>
  Effect.acquireRelease(
    Effect.callback<Collector & { server: Server }>((resume) => {
      const spans: Array<Span> = []
      const exports: Array<Export> = []
      const logs: Array<LogRecord> = []
      const metrics: Array<ReadonlyArray<Metric>> = []
      const server = createServer((request, response) => {
        const chunks: Array<Buffer> = []
        request.on("data", (chunk: Buffer) => chunks.push(chunk))
        request.on("end", () => {
          if (hangs) return
          const body = JSON.parse(Buffer.concat(chunks).toString())
          for (const one of body.resourceSpans ?? body.resourceLogs ?? body.resourceMetrics) {
            const attributes: ReadonlyArray<Attribute> = one.resource.attributes
            for (const scoped of one.scopeSpans ?? one.scopeLogs ?? one.scopeMetrics) {
              exports.push({
                path: request.url,
                headers: request.headers,
                resource: Object.fromEntries(attributes.map(({ key, value }) => [key, textOf(value)])),
                scope: scoped.scope
              })
              spans.push(...(scoped.spans ?? []))
              logs.push(...(scoped.logRecords ?? []))
              if (scoped.metrics !== undefined) metrics.push(scoped.metrics)
            }
          }
          response.setHeader("content-type", "application/json").end("{}")
        })
      })
      server.listen(port, "127.0.0.1", () => {
        const { port } = server.address() as AddressInfo
        resume(Effect.succeed({ server, url: `http://127.0.0.1:${port}`, spans, exports, logs, metrics }))
      })
    }),
    ({ server }) =>
      Effect.sync(() => {
        server.closeAllConnections()
        server.close()
      })
  )

const textOf = ({ stringValue, intValue, boolValue }: Attribute["value"]): string | undefined =>
  stringValue ?? (intValue === undefined ? boolValue?.toString() : String(intValue))

/** The value as text. */
export const attribute = ({ attributes }: { readonly attributes: ReadonlyArray<Attribute> }, key: string) => {
  const found = attributes.find((entry) => entry.key === key)
  return found === undefined ? undefined : textOf(found.value)
}
