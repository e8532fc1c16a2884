/** The ids of a query's trace, given when it is known that the query is traced: others may have to name them. */
import { randomFillSync } from "node:crypto"
import type { TraceContext } from "../dns/trace-context.ts"

/** Why a query leaves a trace. */
export type KeptFor =
  /** The sampler picked it. */
  | "sampler"
  /** Its client said which trace it belongs to. */
  | "context"
  | "failed"
  /** It found no room. */
  | "shed"
  /** It got an answer past its life. */
  | "stale"
  | "slow"
  /** Another query that is traced waited for its exchange. */
  | "followed"

export interface QueryTrace {
  /** 32 hexadecimal digits. */
  readonly traceId: string
  /** 16 of them: the span of the whole query. */
  readonly spanId: string
  /** The span of its exchange. */
  readonly exchangeId: string
  /** The client's span that asked. */
  readonly parentId: string | undefined
  readonly keptFor: KeptFor
  /** It is on its way, or was dropped: once is enough. */
  isTaken: boolean
}

const TRACE_ID_OCTETS = 16
const SPAN_ID_OCTETS = 8
const pool = Buffer.allocUnsafe(4096)
let next = pool.length

const randomHex = (octets: number): string => {
  if (next + octets > pool.length) {
    randomFillSync(pool)
    next = 0
  }
  next += octets
  return pool.toString("hex", next - octets, next)
}

export const newSpanId = (): string => randomHex(SPAN_ID_OCTETS)

/** @param context what the client said of its own trace */
export const newTrace = (keptFor: KeptFor, context?: TraceContext): QueryTrace => ({
  traceId: context?.traceId ?? randomHex(TRACE_ID_OCTETS),
  spanId: newSpanId(),
  exchangeId: newSpanId(),
  parentId: context?.spanId,
  keptFor,
  isTaken: false
})
