/**
 * The context of a trace in an EDNS option, TRACEPARENT: which trace a query belongs to, and the span that asked.
 *
 * As dnsdist 2.1 and PowerDNS Recursor 5.3 have it (draft-edns-otel-trace-ids), by W3C's Trace Context: an octet for the
 * version, one that is reserved, 16 of the trace, 8 of the span that asked, one of flags. The option has no number of
 * IANA's: all use 65500 unless they are told otherwise.
 *
 * That it is there asks for a trace: dnsdist leaves the flags at 0 even where it traces, so that they say nothing.
 */
export interface TraceContext {
  /** 32 hexadecimal digits, not all 0. */
  readonly traceId: string
  /** 16 of them; undefined where the option ends before it. */
  readonly spanId: string | undefined
}

const VERSION = 0
const TRACE_AT = 2
const SPAN_AT = 18
const FLAGS_AT = 26
const SIZE = 27
/** W3C Trace Context §3.2.2.5.1. */
const SAMPLED = 1

/** Where the data of the option with this code begins, among options that may be cut short; -1 where there is none. */
const find = (wire: Uint8Array, start: number, end: number, code: number): number => {
  for (let at = start; at + 4 <= end; at += 4 + lengthAt(wire, at)) {
    if (((wire[at]! << 8) | wire[at + 1]!) === code) return at + 4 + lengthAt(wire, at) <= end ? at + 4 : -1
  }
  return -1
}

const lengthAt = (wire: Uint8Array, at: number): number => (wire[at + 2]! << 8) | wire[at + 3]!

/**
 * The context among the options of a query.
 *
 * @returns undefined where the query has none, one without ids, or one that is not understood: it is as if it were not
 *   there
 */
export const readTraceContext = (
  wire: Uint8Array,
  optionsStart: number,
  optionsEnd: number,
  code: number
): TraceContext | undefined => {
  const at = find(wire, optionsStart, optionsEnd, code)
  if (at < 0 || lengthAt(wire, at - 4) < SPAN_AT || wire[at] !== VERSION) return undefined
  const traceId = hexOf(wire, at + TRACE_AT, at + SPAN_AT)
  if (isZero(traceId)) return undefined
  if (lengthAt(wire, at - 4) < FLAGS_AT) return { traceId, spanId: undefined }
  const spanId = hexOf(wire, at + SPAN_AT, at + FLAGS_AT)
  return { traceId, spanId: isZero(spanId) ? undefined : spanId }
}

/** The option's data, for a query that is traced. */
export const writeTraceContext = (traceId: string, spanId: string): Uint8Array => {
  const data = new Uint8Array(SIZE)
  data[0] = VERSION
  data.set(Buffer.from(traceId, "hex"), TRACE_AT)
  data.set(Buffer.from(spanId, "hex"), SPAN_AT)
  data[FLAGS_AT] = SAMPLED
  return data
}

const hexOf = (wire: Uint8Array, start: number, end: number): string =>
  Buffer.from(wire.buffer, wire.byteOffset + start, end - start).toString("hex")

const isZero = (id: string): boolean => /^0+$/.test(id)
