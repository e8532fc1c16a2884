/** Searching the store: partition by partition, the newest first, until there is enough. */
import { DatabaseSync, type SQLOutputValue } from "node:sqlite"
import { parseName } from "../../dns/name.ts"
import { readClientName } from "../../io/client-name.ts"
import type { ClientProtocol } from "../record.ts"
import { formsOf } from "./logged-client.ts"
import { namesIn } from "./logged-query.ts"
import type { FoundQuery, SearchFilter, SearchResult } from "./search.ts"
import { existing, partitionsIn, rowAt, VERSION } from "./store-schema.ts"

const USUAL_LIMIT = 100
const MAX_LIMIT = 1_000
/** A query is logged when it is over: no later than this after it began. */
const LONGEST_MS = 120_000
const LOCK_MS = 100

type Value = string | number

interface Condition {
  readonly sql: string
  readonly values: ReadonlyArray<Value>
}

/** @param key by which addresses were hashed since the start */
export const searchStore = (folder: string, filter: SearchFilter, key: Uint8Array): SearchResult => {
  const limit = Math.max(1, Math.min(filter.limit ?? USUAL_LIMIT, MAX_LIMIT))
  const conditions = conditionsOf(filter, key)
  const found: Array<FoundQuery> = []
  if (conditions === undefined) return { queries: found, before: undefined }
  for (const partition of partitionsIn(folder).toReversed()) {
    // One more than is asked for tells whether there is more.
    found.push(...searchPartition(partition, conditions, limit + 1 - found.length))
    if (found.length > limit) break
  }
  const queries = found.slice(0, limit)
  return { queries, before: found.length > limit ? queries.at(-1)!.id : undefined }
}

/** Undefined where nothing can match. */
const conditionsOf = (filter: SearchFilter, key: Uint8Array): ReadonlyArray<Condition> | undefined => {
  const conditions: Array<Condition> = []
  const where = (sql: string, ...values: ReadonlyArray<Value>): void => {
    conditions.push({ sql, values })
  }
  if (filter.name !== undefined) {
    const name = reversed(filter.name)
    if (name === undefined) return undefined
    where("reversed_name = ?", name)
  }
  if (filter.suffix !== undefined) {
    const suffix = reversed(filter.suffix)
    if (suffix === undefined) return undefined
    // Behind the dot comes the slash: between the two lie all names below.
    if (suffix !== ".")
      where("(reversed_name = ? OR (reversed_name > ? AND reversed_name < ?))", suffix, `${suffix}.`, `${suffix}/`)
  }
  if (filter.client !== undefined) {
    const name = readClientName(filter.client)
    const forms = formsOf(filter.client, key)
    // No address is a name as well. The index holds those alone that have a name.
    if (name !== undefined) where("client_name <> '' AND client_name = ?", name)
    else where(`client IN (${forms.map(() => "?").join(", ")})`, ...forms)
  }
  if (filter.type !== undefined) where("type = ?", filter.type.toUpperCase())
  if (filter.rcode !== undefined) where("rcode = ?", filter.rcode.toUpperCase())
  if (filter.outcome !== undefined) where("outcome = ?", filter.outcome.toLowerCase())
  if (filter.upstream !== undefined) where("instr(lower(upstream), ?) > 0", filter.upstream.toLowerCase())
  if (filter.slowerThan !== undefined) where("ms >= ?", filter.slowerThan)
  if (filter.before !== undefined) where("id < ?", filter.before)
  if (filter.from !== undefined) where("id >= ? AND at_ms >= ?", rowAt(filter.from), filter.from)
  if (filter.to !== undefined) where("id < ? AND at_ms < ?", rowAt(filter.to + LONGEST_MS), filter.to)
  return conditions
}

const reversed = (text: string): string | undefined => {
  const name = parseName(text.toLowerCase())
  return name === undefined ? undefined : namesIn(name).reversed
}

const searchPartition = (
  path: string,
  conditions: ReadonlyArray<Condition>,
  limit: number
): ReadonlyArray<FoundQuery> => {
  const database = openOrNothing(path)
  if (database === undefined) return []
  try {
    if (database.prepare("PRAGMA user_version").get()?.["user_version"] !== VERSION) return []
    const where = conditions.length === 0 ? "" : ` WHERE ${conditions.map(({ sql }) => sql).join(" AND ")}`
    const statement = database.prepare(`SELECT * FROM queries${where} ORDER BY id DESC LIMIT ?`)
    return statement.all(...conditions.flatMap(({ values }) => values), limit).map(foundIn)
  } catch (cause) {
    if (isDamaged(cause)) return []
    throw cause
  } finally {
    database.close()
  }
}

/** One that was removed meanwhile, or is damaged, has nothing. */
const openOrNothing = (path: string): DatabaseSync | undefined => {
  try {
    return new DatabaseSync(existing(path), { timeout: LOCK_MS })
  } catch {
    return undefined
  }
}

/** SQLITE_CORRUPT and SQLITE_NOTADB. */
const isDamaged = (cause: unknown): boolean => {
  const { errcode = 0 } = cause as { readonly errcode?: number }
  return (errcode & 0xff) === 11 || (errcode & 0xff) === 26
}

const foundIn = (row: Record<string, SQLOutputValue>): FoundQuery => ({
  id: Number(row["id"]),
  atMs: Number(row["at_ms"]),
  durationMs: Number(row["ms"]),
  name: nameOf(String(row["reversed_name"])),
  type: String(row["type"]),
  client: String(row["client"]),
  port: Number(row["port"]),
  clientName: String(row["client_name"]),
  protocol: String(row["protocol"]) as ClientProtocol,
  outcome: String(row["outcome"]),
  rcode: String(row["rcode"]),
  replySize: Number(row["size"]),
  worker: Number(row["worker"]),
  upstream: String(row["upstream"]),
  attempts: Number(row["attempts"]),
  isCoalesced: row["coalesced"] === 1,
  isShared: row["shared"] === 1,
  error: String(row["error"])
})

/** Dots within a label stand behind a backslash, and what is a backslash there behind another. */
const nameOf = (reversedName: string): string =>
  reversedName === "." ? "." : (reversedName.match(/(?:\\.|[^.\\])+/g) ?? []).reverse().join(".")
