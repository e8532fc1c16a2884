/** A collector of traces, as it stands behind the server. */
import { createServer, type Server } from "node:http"
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

/** A collector that takes OTLP as JSON and keeps the spans; with `hangs` it takes and never answers. */
export const collector = (
  hangs = false
): Effect.Effect<{ readonly url: string; readonly spans: Array<Span> }, never, Scope.Scope> =>
  Effect.acquireRelease(
    Effect.callback<{ server: Server; url: string; spans: Array<Span> }>((resume) => {
      const spans: Array<Span> = []
      const server = createServer((request, response) => {
        const chunks: Array<Buffer> = []
        request.on("data", (chunk: Buffer) => chunks.push(chunk))
        request.on("end", () => {
          if (hangs) return
          const body = JSON.parse(Buffer.concat(chunks).toString())
          for (const resource of body.resourceSpans) {
            for (const scope of resource.scopeSpans) spans.push(...scope.spans)
          }
          response.setHeader("content-type", "application/json").end("{}")
        })
      })
      server.listen(0, "127.0.0.1", () => {
        const { port } = server.address() as AddressInfo
        resume(Effect.succeed({ server, url: `http://127.0.0.1:${port}`, spans }))
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
