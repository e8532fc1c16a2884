/** The record of a query, as it begins. */
import type { Rule } from "../config/codec/rule.ts"
import type { Question } from "../dns/question.ts"
import type { QueryTrace } from "../telemetry/query-trace.ts"
import type { QueryRecord } from "../telemetry/record.ts"
import type { ReplyPath } from "./packet.ts"

export const newRecord = (
  path: ReplyPath,
  question: Question,
  startedMs: number,
  lookedUpMs: number,
  outcome: QueryRecord["outcome"],
  rule: Rule | undefined,
  trace: QueryTrace | undefined
): QueryRecord => ({
  question,
  client: path.client,
  transport: path.transport.protocol,
  server: path.transport.server,
  rule,
  startedMs,
  lookedUpMs,
  outcome,
  refreshes: false,
  admittedMs: 0,
  coalesced: false,
  resolution: undefined,
  endedMs: 0,
  rcode: 0,
  flags: 0,
  reason: undefined,
  error: "",
  errorType: undefined,
  trace
})
