/** What can be looked for in the store, and what is found. */
import type { ClientProtocol } from "../record.ts"

/** All that is said has to hold. */
export interface SearchFilter {
  /** Exactly this name, as people write it. */
  readonly name?: string
  /** This name and all below it. */
  readonly suffix?: string
  /** An address, what stands in the log for one, or what the client calls itself. */
  readonly client?: string
  /** `A`, `AAAA`, … */
  readonly type?: string
  /** `NOERROR`, `SERVFAIL`, … */
  readonly rcode?: string
  /** `hit`, `miss`, … */
  readonly outcome?: string
  /** Part of the name of the upstream that answered, or was asked last. */
  readonly upstream?: string
  /** Milliseconds since 1970 at which the query came: not before `from`, and before `to`. */
  readonly from?: number
  readonly to?: number
  /** Milliseconds that it took at least. */
  readonly slowerThan?: number
  /** At most so many, the newest; 100 by default, 1,000 at most. */
  readonly limit?: number
  /** What `before` of an earlier result says: what comes next. */
  readonly before?: number
}

/** A query as it is found. */
export interface FoundQuery {
  /** Counts up with the time. */
  readonly id: number
  readonly atMs: number
  readonly durationMs: number
  readonly name: string
  readonly type: string
  readonly client: string
  readonly port: number
  /** Empty where the client has none. */
  readonly clientName: string
  readonly protocol: ClientProtocol
  readonly outcome: string
  readonly rcode: string
  readonly replySize: number
  readonly worker: number
  readonly upstream: string
  readonly attempts: number
  readonly isCoalesced: boolean
  readonly isShared: boolean
  readonly error: string
}

export interface SearchResult {
  /** The newest first. */
  readonly queries: ReadonlyArray<FoundQuery>
  /** For the next search; undefined where there is nothing more. */
  readonly before: number | undefined
}

/** What the thread that searches is born with. */
export interface SearchThreadData {
  readonly folder: string
  /** By which addresses are hashed. */
  readonly key: Uint8Array
}

export interface ToSearchThread {
  readonly id: number
  readonly filter: SearchFilter
}

export type FromSearchThread =
  | { readonly id: number; readonly result: SearchResult }
  | { readonly id: number; readonly error: string }
