/**
 * The trace of a query, built from its record when it is over:
 * `dns.query` → `cache.lookup`, `queue.wait`, `upstream.resolve` → `upstream.attempt`, one each try.
 *
 * Of queries that shared an exchange, the attempts stand in the trace of the one that asked; the others have a link to
 * its exchange. Names are OpenTelemetry's where its semantic conventions have one.
 */
import { rule as ruleForm } from "../config/codec/rule.ts"
import { Flag, rcodeName } from "../dns/codes.ts"
import { formatName } from "../dns/name.ts"
import { typeName } from "../dns/record-types.ts"
import { socketKindOf } from "../io/protocols.ts"
import { isEarly } from "./query-outcome.ts"
import { newSpanId, type QueryTrace } from "./query-trace.ts"
import {
  type AttemptOutcome,
  type AttemptRecord,
  type ClientProtocol,
  NO_RCODE,
  type QueryRecord,
  type ResolutionRecord
} from "./record.ts"

export interface TraceSpan {
  readonly traceId: string
  readonly spanId: string
  readonly parentId: string | undefined
  readonly name: string
  readonly kind: "server" | "internal" | "client"
  /** Milliseconds since 1970. */
  readonly startMs: number
  readonly endMs: number
  readonly attributes: Readonly<Record<string, string | number | boolean>>
  /** Why it failed, for people; undefined where it did not. */
  readonly error: string | undefined
  readonly events: ReadonlyArray<{ readonly name: string; readonly atMs: number }>
  /** Spans of other traces that it has to do with. */
  readonly links: ReadonlyArray<{ readonly traceId: string; readonly spanId: string }>
}

/** The root comes first. */
export type Trace = readonly [root: TraceSpan, ...others: ReadonlyArray<TraceSpan>]

type Attributes = Record<string, string | number | boolean>

/** The query that asked, where this one waited for its exchange. */
export const leaderOf = (record: QueryRecord): QueryRecord | undefined => {
  const leader = record.resolution?.leader
  return leader === record ? undefined : leader
}

/**
 * @param trace the record's own
 * @param worker the number of the thread
 * @param wallMs milliseconds since 1970 of a time in the record
 */
export const traceOf = (
  record: QueryRecord,
  trace: QueryTrace,
  worker: number | undefined,
  wallMs: (ms: number) => number
): Trace => {
  const { traceId, spanId } = trace
  const spanAt = (startMs: number, endMs: number) => ({
    traceId,
    startMs: wallMs(startMs),
    endMs: wallMs(Math.max(endMs, startMs)),
    events: [],
    links: []
  })
  const failure = failureOf(record)
  const root: TraceSpan = {
    ...spanAt(record.startedMs, record.endedMs),
    spanId,
    parentId: trace.parentId,
    name: "dns.query",
    kind: "server",
    attributes: { ...attributesOf(record, trace, worker), ...failure.attributes },
    error: failure.error
  }
  const child = (name: string, startMs: number, endMs: number, attributes: Attributes): TraceSpan => ({
    ...spanAt(startMs, endMs),
    spanId: newSpanId(),
    parentId: spanId,
    name,
    kind: "internal",
    attributes,
    error: undefined
  })
  if (isEarly(record)) return [root]
  const { resolution } = record
  const spans: Array<TraceSpan> = [
    child("cache.lookup", record.startedMs, record.lookedUpMs, {
      "cache.outcome": resolution?.isShared === true ? "shared" : record.outcome,
      ...(record.refreshes ? { "strand.refreshes": true } : {})
    })
  ]
  if (record.admittedMs > 0) spans.push(child("queue.wait", record.lookedUpMs, record.admittedMs, {}))
  if (resolution === undefined) return [root, ...spans]
  // An exchange that was joined began before; and its times are those of turns, which begin before what happens in
  // them.
  const startMs = Math.max(resolution.startedMs, record.lookedUpMs, record.admittedMs)
  const endMs = resolution.endedMs === 0 ? record.endedMs : resolution.endedMs
  const isShared = resolution.isShared === true
  const leader = leaderOf(record)?.trace
  spans.push({
    ...child(isShared ? "cache.shared" : "upstream.resolve", startMs, endMs, {
      "strand.coalesced": record.coalesced,
      ...(isShared ? {} : { "strand.attempts": resolution.attempts.length }),
      ...failure.attributes
    }),
    spanId: trace.exchangeId,
    error: failure.error,
    links: leader === undefined ? [] : [{ traceId: leader.traceId, spanId: leader.exchangeId }]
  })
  if (leader === undefined) spans.push(...attemptsOf(resolution, trace, startMs, endMs, wallMs))
  return [root, ...spans]
}

const failureOf = ({ error, errorType }: QueryRecord): { readonly error?: string; readonly attributes: Attributes } =>
  error === "" ? { attributes: {} } : { error, attributes: { "error.type": errorType ?? "_OTHER" } }

const attributesOf = (record: QueryRecord, trace: QueryTrace, worker: number | undefined): Attributes => {
  const { question, client, reason, rule } = record
  return {
    // Where no question could be read, there is none.
    ...(question.name.length === 0
      ? {}
      : { "dns.question.name": formatName(question.name), "dns.question.type": typeName(question.type) }),
    ...(record.rcode === NO_RCODE
      ? {}
      : { "dns.response_code": rcodeName(record.rcode), "dns.flags": flagsText(record.flags) }),
    ...(reason === undefined
      ? {}
      : {
          "dns.extended_error.code": reason.code,
          ...(reason.text === "" ? {} : { "dns.extended_error.text": reason.text })
        }),
    "client.address": client.address,
    "client.port": client.port,
    ...(client.clientName === undefined ? {} : { "strand.client_name": client.clientName }),
    ...serverOf(record.server),
    "network.transport": socketKindOf(record.transport),
    "network.protocol.name": protocolNames[record.transport],
    ...(isEarly(record) ? { "strand.outcome": record.outcome } : {}),
    ...(rule === undefined ? {} : { "strand.group": rule.group, "strand.rule": ruleForm.write(rule) }),
    ...(worker === undefined ? {} : { "strand.worker": worker }),
    "strand.kept_for": trace.keptFor
  }
}

/** @param server `127.0.0.1:53` or `[::1]:53` */
const serverOf = (server: string): Attributes => {
  const [, address, port] = /^\[?(.*?)\]?:(\d+)$/.exec(server) ?? []
  return address === undefined ? {} : { "server.address": address, "server.port": Number(port) }
}

const flagNames = [
  [Flag.AA, "AA"],
  [Flag.TC, "TC"],
  [Flag.RD, "RD"],
  [Flag.RA, "RA"],
  [Flag.AD, "AD"],
  [Flag.CD, "CD"]
] as const

const flagsText = (flags: number): string =>
  flagNames
    .filter(([bit]) => (flags & bit) !== 0)
    .map(([, name]) => name)
    .join(" ")

/** Outcomes that are nobody's fault. */
const succeeded: ReadonlySet<AttemptOutcome> = new Set(["answered", "waiting", "overtaken"])

/** Those of the exchange, within its time. */
const attemptsOf = (
  { attempts }: ResolutionRecord,
  { traceId, exchangeId }: QueryTrace,
  notBeforeMs: number,
  overMs: number,
  wallMs: (ms: number) => number
): ReadonlyArray<TraceSpan> =>
  attempts.map((attempt) => {
    const startMs = Math.max(attempt.startedMs, notBeforeMs)
    const endMs = Math.max(startMs, attempt.endedMs === 0 ? overMs : attempt.endedMs)
    const { outcome, tcpSinceMs = 0 } = attempt
    return {
      traceId,
      spanId: attempt.spanId || newSpanId(),
      parentId: exchangeId,
      name: "upstream.attempt",
      kind: "client",
      startMs: wallMs(startMs),
      endMs: wallMs(endMs),
      attributes: attemptAttributes(attempt),
      error: succeeded.has(outcome) ? undefined : outcome,
      events: tcpSinceMs === 0 ? [] : [{ name: "tcp.fallback", atMs: wallMs(Math.max(startMs, tcpSinceMs)) }],
      links: []
    }
  })

/** What is spoken over the transport, as the field calls it (RFC 9499 §6). */
const protocolNames: Record<ClientProtocol, string> = { udp: "dns", tcp: "dns", tls: "dot", https: "doh", http: "doh" }

const attemptAttributes = ({ upstream, transport, outcome, rcode }: AttemptRecord): Attributes => ({
  "server.address": upstream.endpoint.address,
  "server.port": upstream.endpoint.port,
  "network.transport": transport,
  "network.protocol.name": "dns",
  "strand.upstream": upstream.name,
  "strand.outcome": outcome,
  ...(rcode < 0 ? {} : { "dns.response_code": rcodeName(rcode) }),
  ...(succeeded.has(outcome) ? {} : { "error.type": outcome })
})
