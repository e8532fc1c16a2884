/** A collector of traces, as it stands behind the server. */
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
  readonly attributes: ReadonlyArray<{ readonly key: string; readonly value: { readonly stringValue?: string } }>
}

export interface Collector {
  readonly url: string
  readonly spans: Array<Span>
  /** Of each export: its path and headers, and what is said of the service. */
  readonly exports: Array<Export>
}

export interface Export {
  readonly path: string | undefined
  readonly headers: IncomingHttpHeaders
  readonly resource: Readonly<Record<string, string | undefined>>
}

/**
 * A collector that takes OTLP as JSON and keeps the spans; with `hangs` it takes and never answers.
 *
 * @param port where it listens; 0 for a free one
 */
export const collector = (hangs = false, port = 0): Effect.Effect<Collector, never, Scope.Scope> =>
  Effect.acquireRelease(
    Effect.callback<Collector & { server: Server }>((resume) => {
      const spans: Array<Span> = []
      const exports: Array<Export> = []
      const server = createServer((request, response) => {
        const chunks: Array<Buffer> = []
        request.on("data", (chunk: Buffer) => chunks.push(chunk))
        request.on("end", () => {
          if (hangs) return
          const body = JSON.parse(Buffer.concat(chunks).toString())
          for (const resource of body.resourceSpans) {
            const attributes: Span["attributes"] = resource.resource.attributes
            exports.push({
              path: request.url,
              headers: request.headers,
              resource: Object.fromEntries(attributes.map(({ key, value }) => [key, value.stringValue]))
            })
            for (const scope of resource.scopeSpans) spans.push(...scope.spans)
          }
          response.setHeader("content-type", "application/json").end("{}")
        })
      })
      server.listen(port, "127.0.0.1", () => {
        const { port } = server.address() as AddressInfo
        resume(Effect.succeed({ server, url: `http://127.0.0.1:${port}`, spans, exports }))
      })
    }),
    ({ server }) =>
      Effect.sync(() => {
        server.closeAllConnections()
        server.close()
      })
  )

export const attribute = (span: Span, key: string): string | undefined =>
  span.attributes.find((entry) => entry.key === key)?.value.stringValue
