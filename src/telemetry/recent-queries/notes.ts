/** Where the path of queries says what came of each. */
import { Context } from "effect"
import type { Query } from "../../dns/query.ts"
import type { Peer } from "../../io/peer.ts"
import type { QueryOutcome } from "../query-outcome.ts"
import type { ClientProtocol, QueryRecord } from "../record.ts"

export interface QueryNotes {
  /** Of a query that is over within its batch. */
  readonly note: (
    client: Peer,
    protocol: ClientProtocol,
    query: Query,
    outcome: QueryOutcome,
    rcode: number,
    replySize: number,
    startedMs: number
  ) => void
  /** Of one that waited. */
  readonly noteRecord: (client: Peer, record: QueryRecord, replySize: number) => void
  /** The batch is over: those that were noted without a duration took so long. */
  readonly endBatch: (durationMs: number) => void
}

export const nowhere: QueryNotes = { note: () => {}, noteRecord: () => {}, endBatch: () => {} }

/** Nobody looks at them, unless a layer provides a ring. */
export const RecentQueries: Context.Reference<QueryNotes> = Context.Reference("strand/telemetry/RecentQueries", {
  defaultValue: () => nowhere
})
