/** The last queries of all workers, as the admin side shows them: the newest first, by what is asked for. */
import { Effect } from "effect"
import { rcodeName } from "../../dns/codes.ts"
import { formatName } from "../../dns/name.ts"
import { typeName } from "../../dns/record-types.ts"
import { formatClient } from "../../telemetry/client-address.ts"
import { RecentQueryReader } from "../../telemetry/recent-queries/reader.ts"
import { RECENT_QUERIES, type RecentQuery } from "../../telemetry/recent-queries/ring.ts"
import type { Query, Trace } from "../api/queries.ts"
import { orNull } from "../or-null.ts"
import { stepsOf } from "./steps.ts"

/** Queries that are looked at in one turn of the event loop. */
const SLICE = 500

const NONE: ReadonlyMap<number, RecentQueryReader> = new Map()

/** A query, and the worker that it came to. */
export interface Found {
  readonly worker: number
  readonly query: RecentQuery
}

export type Matches = (found: RecentQuery) => boolean

export class RecentView {
  /** The name of the upstream that is counted at a slot. */
  readonly upstreamAt: (slot: number) => string
  private readonly isShown: () => boolean
  private readonly rings: () => ReadonlyMap<number, SharedArrayBuffer>
  private readonly readers = new Map<number, RecentQueryReader>()

  /** @param isShown whether queries are to be remembered: they are written for the query log as well */
  constructor(
    rings: () => ReadonlyMap<number, SharedArrayBuffer>,
    upstreamAt: (slot: number) => string,
    isShown: () => boolean
  ) {
    this.isShown = isShown
    this.rings = rings
    this.upstreamAt = upstreamAt
  }

  /** A reader for each worker that there was. */
  all(): ReadonlyMap<number, RecentQueryReader> {
    for (const [worker, ring] of this.rings()) {
      if (!this.readers.has(worker)) this.readers.set(worker, new RecentQueryReader(ring))
    }
    if (this.isShown()) return this.readers
    for (const reader of this.readers.values()) reader.hide()
    return NONE
  }

  /**
   * The newest first, in slices between which other things happen.
   *
   * @param limit how many, at most
   */
  latest(
    limit: number,
    matches: Matches
  ): Effect.Effect<{ readonly found: ReadonlyArray<Found>; readonly examined: number }> {
    return Effect.gen({ self: this }, function* () {
      const cursors = [...this.all()].map(([worker, reader]) => new Cursor(worker, reader))
      const found: Array<Found> = []
      let examined = 0
      while (found.length < limit && examined < RECENT_QUERIES) {
        let newest: Cursor | undefined
        for (const cursor of cursors) {
          const { query } = cursor
          if (query !== undefined && (newest?.query === undefined || query.startedAtMs > newest.query.startedAtMs))
            newest = cursor
        }
        if (newest?.query === undefined) break
        if (matches(newest.query)) found.push({ worker: newest.worker, query: newest.query })
        newest.goBack()
        if (++examined % SLICE === 0) yield* Effect.yieldNow
      }
      return { found, examined }
    })
  }

  find(worker: number, sequence: number): Found | undefined {
    const query = this.all().get(worker)?.read(sequence)
    return query === undefined ? undefined : { worker, query }
  }

  shown({ worker, query }: Found): typeof Query.Type {
    const last = query.attempts.at(-1)
    return {
      id: idOf(worker, query.sequence),
      atMs: query.startedAtMs,
      tookMs: query.durationMs,
      name: query.name.length === 0 ? "" : formatName(query.name),
      type: query.type === 0 ? "" : typeName(query.type),
      client: formatClient(query.address, query.isIPv4),
      clientPort: query.port,
      clientName: orNull(query.clientName),
      protocol: query.protocol,
      outcome: query.outcome,
      rcode: query.rcode < 0 ? null : rcodeName(query.rcode),
      octets: query.replySize,
      upstream: last === undefined ? null : this.upstreamAt(last.upstream),
      attempts: query.attempts.length,
      isCoalesced: query.isCoalesced,
      isShared: query.isShared,
      worker,
      error: orNull(query.error)
    }
  }

  traceOf(found: Found): typeof Trace.Type {
    return { query: this.shown(found), steps: stepsOf(found.query, this.upstreamAt) }
  }
}

/** Goes back through the queries of one worker. */
class Cursor {
  readonly worker: number
  query: RecentQuery | undefined
  private readonly reader: RecentQueryReader
  private sequence: number

  constructor(worker: number, reader: RecentQueryReader) {
    this.worker = worker
    this.reader = reader
    this.sequence = reader.written()
    this.goBack()
  }

  goBack(): void {
    this.sequence = (this.sequence - 1) | 0
    this.query = this.reader.read(this.sequence)
  }
}

export const idOf = (worker: number, sequence: number): string => `${worker}-${sequence >>> 0}`

/** The worker and the number of a query; undefined where the text is none. */
export const readId = (id: string): { readonly worker: number; readonly sequence: number } | undefined => {
  const [, worker, sequence] = /^(\d{1,3})-(\d{1,10})$/.exec(id) ?? []
  return worker === undefined ? undefined : { worker: Number(worker), sequence: Number(sequence) | 0 }
}
