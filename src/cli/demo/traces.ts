/** The demo's collector: takes traces by OTLP in JSON, and draws them as trees in the terminal. */
import { createServer, type IncomingMessage } from "node:http"
import { Effect, type Scope } from "effect"

interface OtlpSpan {
  readonly traceId: string
  readonly spanId: string
  readonly parentSpanId?: string
  readonly name: string
  readonly startTimeUnixNano: string
  readonly endTimeUnixNano: string
  readonly attributes: ReadonlyArray<{ readonly key: string; readonly value: Record<string, unknown> }>
}

interface OtlpRequest {
  readonly resourceSpans: ReadonlyArray<{
    readonly scopeSpans: ReadonlyArray<{ readonly spans: ReadonlyArray<OtlpSpan> }>
  }>
}

/** A whole trace: the root comes last, so where it is, all are. */
export interface Trace {
  readonly root: OtlpSpan
  readonly spans: ReadonlyArray<OtlpSpan>
}

const WAIT_MS = 5_000
const POLL_MS = 20

export interface Collector {
  readonly url: string
  /** The next trace of a query for `name` that was not taken yet; undefined where none comes. */
  readonly take: (name: string) => Effect.Effect<Trace | undefined>
}

const bodyOf = async (request: IncomingMessage): Promise<OtlpRequest> => {
  const chunks: Array<Buffer> = []
  for await (const chunk of request) chunks.push(chunk as Buffer)
  return JSON.parse(Buffer.concat(chunks).toString("utf8")) as OtlpRequest
}

/** Runs it for as long as the scope lives. */
export const runCollector: Effect.Effect<Collector, never, Scope.Scope> = Effect.gen(function* () {
  const spansOf = new Map<string, Array<OtlpSpan>>()
  const server = createServer((request, response) => {
    bodyOf(request).then(
      ({ resourceSpans }) => {
        for (const span of resourceSpans.flatMap(({ scopeSpans }) => scopeSpans.flatMap(({ spans }) => spans))) {
          const trace = spansOf.get(span.traceId)
          if (trace === undefined) spansOf.set(span.traceId, [span])
          else trace.push(span)
        }
        response.setHeader("content-type", "application/json").end("{}")
      },
      () => response.writeHead(400).end()
    )
  })
  yield* Effect.promise(() => new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve)))
  yield* Effect.addFinalizer(() =>
    Effect.sync(() => {
      server.close()
      server.closeAllConnections()
    })
  )
  const find = (name: string): Trace | undefined => {
    for (const [traceId, spans] of spansOf) {
      const root = spans.find(({ parentSpanId }) => parentSpanId === undefined || parentSpanId === "")
      if (root === undefined || attribute(root, "dns.question.name").replace(/\.$/, "") !== name) continue
      spansOf.delete(traceId)
      return { root, spans }
    }
    return undefined
  }
  const take = Effect.fnUntraced(function* (name: string) {
    for (let waited = 0; waited < WAIT_MS; waited += POLL_MS) {
      const trace = find(name)
      if (trace !== undefined) return trace
      yield* Effect.sleep(POLL_MS)
    }
    return undefined
  })
  return { url: `http://127.0.0.1:${(server.address() as { port: number }).port}`, take }
})

const attribute = (span: OtlpSpan, key: string): string => {
  const found = span.attributes.find((candidate) => candidate.key === key)
  return found === undefined ? "" : String(Object.values(found.value)[0])
}

const milliseconds = (span: OtlpSpan): number =>
  Number(BigInt(span.endTimeUnixNano) - BigInt(span.startTimeUnixNano)) / 1e6

const outcomeOf = (span: OtlpSpan): string => {
  switch (span.name) {
    case "dns.query":
      return attribute(span, "dns.response_code")
    case "cache.lookup":
      return attribute(span, "cache.outcome")
    case "queue.wait":
      return "admitted"
    case "upstream.resolve":
      return `attempts: ${attribute(span, "strand.attempts")}`
    default: {
      const rcode = attribute(span, "dns.response_code")
      return `${attribute(span, "strand.outcome")}, ${attribute(span, "network.transport")}${rcode && `, ${rcode}`}`
    }
  }
}

/** One line a span: its place in the tree, how long it took, how it ended. */
export const drawTrace = ({ root, spans }: Trace): ReadonlyArray<string> => {
  const line = (span: OtlpSpan, indent: string): string =>
    `${(indent + span.name).padEnd(26)} ${milliseconds(span).toFixed(1).padStart(8)} ms  ${outcomeOf(span)}`
  const below = (parent: OtlpSpan, indent: string): ReadonlyArray<string> => {
    const children = spans
      .filter(({ parentSpanId }) => parentSpanId === parent.spanId)
      .sort((a, b) => Number(BigInt(a.startTimeUnixNano) - BigInt(b.startTimeUnixNano)))
    return children.flatMap((span, i) => {
      const isLast = i === children.length - 1
      return [line(span, `${indent}${isLast ? "└─ " : "├─ "}`), ...below(span, `${indent}${isLast ? "   " : "│  "}`)]
    })
  }
  return [line(root, ""), ...below(root, "")]
}
