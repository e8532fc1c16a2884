/**
 * Queries in files of SQLite, in which those of days are searched.
 *
 * All files together have no more octets than are configured: before rows are written that might not have room, the
 * oldest file is removed, whole, which takes no longer for a large one. What another process locks, a full disk, a file
 * that is damaged or gone: rows are lost, and a second later it is tried again.
 */
import { closeSync, mkdirSync, openSync, statSync } from "node:fs"
import { join } from "node:path"
import { DatabaseSync, type StatementSync } from "node:sqlite"
import { Worker } from "node:worker_threads"
import { Effect } from "effect"
import { programAt } from "../../runtime/entry-points.ts"
import type { LoggedQuery } from "./logged-query.ts"
import type { Output } from "./output.ts"
import type { Report } from "./report.ts"
import { octetsOf, partitionName, partitionsIn, removePartition, rowAt, SCHEMA, VERSION } from "./store-schema.ts"

const INDEXER = programAt("telemetry/query-log/indexer")
const RETRY_MS = 1_000
/** Whoever holds the lock for longer costs rows. */
const LOCK_MS = 50
/** A partition's share of the store before it is indexed. */
const PARTITION_SHARE = 1 / 16
const MAX_PARTITION_OCTETS = 64 << 20
/** How large a partition becomes by its indexes. */
const INDEXED = 2
/** More than a row takes, in what is written before and in the file. */
const ROW_OCTETS = 600
const PAGE_OCTETS = 4_096
const MODE = 0o640

type Index = (partition: string, done: () => void) => void

interface Partition {
  readonly path: string
  readonly inode: number
  readonly database: DatabaseSync
  readonly insert: StatementSync
}

export class QueryStore {
  private readonly folder: string
  private readonly maxOctets: number
  private readonly partitionOctets: number
  private readonly index: Index
  private partition: Partition | undefined
  /** Octets of all other partitions, when they are indexed. */
  private otherOctets = 0
  /** Those that are to be indexed. */
  private readonly unindexed = new Set<string>()
  private lastRow = 0
  private lookedMs = 0

  /** @param index what is done with a partition that is full; it calls `done` when it is over */
  constructor(folder: string, maxOctets: number, index: Index) {
    this.folder = folder
    this.maxOctets = maxOctets
    this.partitionOctets = Math.min(maxOctets * PARTITION_SHARE, MAX_PARTITION_OCTETS)
    this.index = index
  }

  /** Writes all of them or throws. */
  write(queries: ReadonlyArray<LoggedQuery>): void {
    const { database, insert } = this.roomFor(queries.length)
    database.exec("BEGIN IMMEDIATE")
    try {
      for (const query of queries) {
        this.lastRow = Math.max(this.lastRow + 1, rowAt(query.atMs + query.durationMs))
        insert.run(...valuesOf(this.lastRow, query))
      }
      database.exec("COMMIT")
    } catch (cause) {
      if (database.isTransaction) database.exec("ROLLBACK")
      throw cause
    }
  }

  close(): void {
    const { partition } = this
    this.partition = undefined
    partition?.database.close()
  }

  /** The partition to write to, with room for so many rows. */
  private roomFor(rows: number): Partition {
    const nowMs = Date.now()
    if (nowMs - this.lookedMs >= RETRY_MS) {
      this.lookedMs = nowMs
      const { partition } = this
      const isThere =
        partition !== undefined && statSync(partition.path, { throwIfNoEntry: false })?.ino === partition.inode
      if (!isThere) this.close()
    }
    this.partition ??= this.openNewest() ?? this.begin(nowMs)
    const { path } = this.partition
    if (octetsOf(path) >= this.partitionOctets) {
      this.close()
      this.unindexed.add(path)
      this.index(path, () => this.unindexed.delete(path))
      this.partition = this.begin(nowMs)
    }
    const needed = INDEXED * (octetsOf(this.partition.path) + rows * ROW_OCTETS)
    if (this.otherOctets + needed > this.maxOctets) this.makeRoom(this.partition.path, needed)
    return this.partition
  }

  /** Goes on with the newest partition, where it is one of this version and can be read. */
  private openNewest(): Partition | undefined {
    mkdirSync(this.folder, { recursive: true, mode: 0o750 })
    const newest = partitionsIn(this.folder).at(-1)
    if (newest === undefined) return undefined
    try {
      return this.openAt(newest)
    } catch (cause) {
      // One that is damaged is left as it is until its time comes; one that is locked may be free in a second.
      if (isLocked(cause)) throw cause
      return undefined
    }
  }

  /** What could not be begun leaves nothing behind: a disk may be full for days. */
  private begin(nowMs: number): Partition {
    const path = join(this.folder, partitionName(nowMs))
    try {
      return this.openAt(path)
    } catch (cause) {
      removePartition(path)
      throw cause
    }
  }

  private openAt(path: string): Partition {
    // Made here, for SQLite would let others read it.
    closeSync(openSync(path, "a", MODE))
    const database = new DatabaseSync(path, { timeout: LOCK_MS })
    try {
      const pages = Math.max(64, Math.min(1_000, Math.floor(this.partitionOctets / PAGE_OCTETS / 8)))
      database.exec(`PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL; PRAGMA wal_autocheckpoint = ${pages}`)
      const version = Number(database.prepare("PRAGMA user_version").get()?.["user_version"])
      if (version !== VERSION) {
        if (version !== 0) throw new Error(`tables of another version: ${version}`)
        database.exec(`${SCHEMA}PRAGMA user_version = ${VERSION}`)
      }
      this.lastRow = Math.max(
        this.lastRow,
        Number(database.prepare("SELECT max(id) AS id FROM queries").get()?.["id"] ?? 0)
      )
      const insert = database.prepare(`INSERT INTO queries VALUES (${Array(COLUMNS).fill("?").join(", ")})`)
      this.otherOctets = sumOf(this.othersThan(path))
      return { path, inode: statSync(path).ino, database, insert }
    } catch (cause) {
      database.close()
      throw cause
    }
  }

  /** Removes the oldest partitions until there is room beside them. */
  private makeRoom(current: string, needed: number): void {
    const others = this.othersThan(current)
    this.otherOctets = sumOf(others)
    for (const { path, octets } of others) {
      if (this.otherOctets + needed <= this.maxOctets) return
      removePartition(path)
      this.unindexed.delete(path)
      this.otherOctets -= octets
    }
  }

  /** The oldest first. */
  private othersThan(current: string): ReadonlyArray<{ readonly path: string; readonly octets: number }> {
    return partitionsIn(this.folder)
      .filter((path) => path !== current)
      .map((path) => ({ path, octets: octetsOf(path) * (this.unindexed.has(path) ? INDEXED : 1) }))
  }
}

const sumOf = (partitions: ReadonlyArray<{ readonly octets: number }>): number =>
  partitions.reduce((sum, { octets }) => sum + octets, 0)

const COLUMNS = 18

const valuesOf = (row: number, query: LoggedQuery): ReadonlyArray<number | string> => [
  row,
  query.atMs,
  query.durationMs,
  query.reversedName,
  query.type,
  query.client,
  query.port,
  query.clientName,
  query.protocol,
  query.outcome,
  query.rcode,
  query.replySize,
  query.worker,
  upstreamOf(query),
  query.attempts.length,
  query.isCoalesced ? 1 : 0,
  query.isShared ? 1 : 0,
  query.error
]

/** The one that gave the answer, or the one that was asked last. */
const upstreamOf = ({ attempts }: LoggedQuery): string =>
  (attempts.find(({ outcome }) => outcome === "answered") ?? attempts.at(-1))?.upstream ?? ""

/** SQLITE_BUSY and SQLITE_LOCKED. */
const isLocked = (cause: unknown): boolean => {
  const { errcode } = cause as { readonly errcode?: number }
  return errcode !== undefined && ((errcode & 0xff) === 5 || (errcode & 0xff) === 6)
}

export const storeOutput = (folder: string, maxOctets: number, report: Report): Output => {
  const store = new QueryStore(folder, maxOctets, inThread())
  let retryMs = 0
  return {
    write: (queries) => {
      if (queries.length === 0) return
      const nowMs = Date.now()
      if (nowMs < retryMs) return report.lost(queries.length)
      try {
        store.write(queries)
        report.written(queries.length)
        report.over()
      } catch (cause) {
        retryMs = nowMs + RETRY_MS
        report.lost(queries.length)
        report.trouble(cause instanceof Error ? cause.message : String(cause))
        if (!isLocked(cause)) closeQuietly(store)
      }
    },
    close: Effect.sync(() => closeQuietly(store))
  }
}

/** Indexes one partition after the other. One that cannot be is searched without. */
const inThread = (): Index => {
  const waiting: Array<{ readonly partition: string; readonly done: () => void }> = []
  let isRunning = false
  const next = (): void => {
    const first = waiting.shift()
    isRunning = first !== undefined
    if (first === undefined) return
    const thread = new Worker(INDEXER, { workerData: first.partition, name: "query log index" })
    thread.on("error", () => {})
    thread.on("exit", () => {
      first.done()
      next()
    })
    thread.unref()
  }
  return (partition, done) => {
    waiting.push({ partition, done })
    if (!isRunning) next()
  }
}

const closeQuietly = (store: QueryStore): void => {
  try {
    store.close()
  } catch {
    // What could not be written is lost, and was counted.
  }
}
