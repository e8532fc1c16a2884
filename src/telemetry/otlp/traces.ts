/**
 * Traces on their way to a collector.
 *
 * The log says once that it is gone, for all threads together, and once that it is back.
 */
import { type Link, type SpanContext, SpanKind, SpanStatusCode, TraceFlags } from "@opentelemetry/api"
import {
  JsonTraceSerializer,
  ProtobufTraceSerializer,
  TraceExporterMetricsHelper
} from "@opentelemetry/otlp-transformer"
import type { Resource } from "@opentelemetry/resources"
import type { ReadableSpan } from "@opentelemetry/sdk-trace-base"
import { Effect } from "effect"
import type { OtlpTarget } from "../../config/otlp.ts"
import { Counters } from "../counters.ts"
import type { Trace, TraceSpan } from "../trace-tree.ts"
import { instrumentation, makeResource } from "./resource.ts"
import { makeSender } from "./sender.ts"
import type { SendTrace } from "./targets.ts"
import { hrTime } from "./times.ts"

/** Spans that wait at most. */
const MAX_WAITING = 8_192
/** Spans of an export, and what its last trace has more. */
const ENOUGH = 512
const END_MS = 3_000

export const sendTraces = Effect.fnUntraced(function* (target: OtlpTarget, serviceName: string | undefined) {
  const counters = yield* Counters
  const resource = yield* makeResource(serviceName)
  const send: SendTrace = yield* makeSender<Trace, ReadonlyArray<ReadableSpan> & Array<ReadableSpan>>({
    signal: "TRACES",
    target,
    what: "traces",
    sizeOf: (trace) => trace.length,
    maxWaiting: MAX_WAITING,
    enough: ENOUGH,
    endMs: END_MS,
    requestOf: (traces) => traces.flatMap((trace) => trace.map((span) => readable(span, resource))),
    protobuf: ProtobufTraceSerializer,
    json: JsonTraceSerializer,
    helper: TraceExporterMetricsHelper,
    onSent: (traces) => counters.add("traces.sampled", traces),
    onDropped: (traces) => counters.add("traces.dropped", traces),
    wentAway: counters.collectorWent,
    cameBack: counters.collectorReturned
  })
  return send
})

const kinds = { server: SpanKind.SERVER, internal: SpanKind.INTERNAL, client: SpanKind.CLIENT } as const

const contextOf = (traceId: string, spanId: string, isRemote = false): SpanContext => ({
  traceId,
  spanId,
  traceFlags: TraceFlags.SAMPLED,
  isRemote
})

/** A span as the exporter takes it. Its status is unset unless it failed; a failure is no exception. */
const readable = (span: TraceSpan, resource: Resource): ReadableSpan => {
  const context = contextOf(span.traceId, span.spanId)
  const isRoot = span.kind === "server"
  return {
    name: span.name,
    kind: kinds[span.kind],
    spanContext: () => context,
    ...(span.parentId === undefined ? {} : { parentSpanContext: contextOf(span.traceId, span.parentId, isRoot) }),
    startTime: hrTime(span.startMs),
    endTime: hrTime(span.endMs),
    duration: hrTime(span.endMs - span.startMs),
    status:
      span.error === undefined ? { code: SpanStatusCode.UNSET } : { code: SpanStatusCode.ERROR, message: span.error },
    attributes: span.attributes,
    links: span.links.map(({ traceId, spanId }): Link => ({ context: contextOf(traceId, spanId) })),
    events: span.events.map(({ name, atMs }) => ({ name, time: hrTime(atMs), attributes: {} })),
    ended: true,
    resource,
    instrumentationScope: instrumentation,
    droppedAttributesCount: 0,
    droppedEventsCount: 0,
    droppedLinksCount: 0
  }
}
