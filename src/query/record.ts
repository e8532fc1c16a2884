/** The record of a query, as it begins. */
import type { Question } from "../dns/question.ts"
import type { QueryRecord } from "../telemetry/record.ts"
import type { ReplyPath } from "./packet.ts"

export const newRecord = (
  path: ReplyPath,
  question: Question,
  startedMs: number,
  lookedUpMs: number,
  outcome: QueryRecord["outcome"]
): QueryRecord => ({
  question,
  client: path.client,
  transport: path.transport.protocol,
  startedMs,
  lookedUpMs,
  outcome,
  refreshes: false,
  admittedMs: 0,
  coalesced: false,
  resolution: undefined,
  endedMs: 0,
  rcode: 0,
  error: ""
})
