/**
 * The tables of the store, and where its files are: each file holds the queries of some time, and the oldest file is
 * removed when there is no room for more.
 *
 * Only files that are full have indexes (`indexer.ts`): the one that is written to is small enough to be read whole.
 *
 * Rows are numbered by when they were logged, so that their order is that of time without an index. Names stand in them
 * with their labels from the last to the first, `com.example.www`: all names below another lie side by side.
 */
import { readdirSync, rmSync, statSync } from "node:fs"
import { join } from "node:path"
import { pathToFileURL } from "node:url"

/** Counts the forms that the tables have had. */
export const VERSION = 2

export const SCHEMA = `
CREATE TABLE IF NOT EXISTS queries (
  id INTEGER PRIMARY KEY,
  at_ms REAL NOT NULL,
  ms REAL NOT NULL,
  reversed_name TEXT NOT NULL,
  type TEXT NOT NULL,
  client TEXT NOT NULL,
  port INTEGER NOT NULL,
  client_name TEXT NOT NULL,
  protocol TEXT NOT NULL,
  outcome TEXT NOT NULL,
  rcode TEXT NOT NULL,
  size INTEGER NOT NULL,
  worker INTEGER NOT NULL,
  upstream TEXT NOT NULL,
  attempts INTEGER NOT NULL,
  coalesced INTEGER NOT NULL,
  shared INTEGER NOT NULL,
  error TEXT NOT NULL
) STRICT;
`

export const INDEXES = `
CREATE INDEX IF NOT EXISTS by_name ON queries (reversed_name, id);
CREATE INDEX IF NOT EXISTS by_client ON queries (client, id);
CREATE INDEX IF NOT EXISTS by_client_name ON queries (client_name, id) WHERE client_name <> '';
`

/** Numbers of rows in a millisecond. With them a row's number is exact until the year 2248. */
const PER_MS = 1_024
export const rowAt = (ms: number): number => Math.floor(ms) * PER_MS

const FILE = /^queries-\d{8}T\d{9}Z\.sqlite$/

export const partitionName = (ms: number): string =>
  `queries-${new Date(ms).toISOString().replace(/[-:.]/g, "")}.sqlite`

/** Of a folder, the oldest first. */
export const partitionsIn = (folder: string): ReadonlyArray<string> =>
  readdirSync(folder)
    .filter((name) => FILE.test(name))
    .sort()
    .map((name) => join(folder, name))

/** Opens one that is there, and makes none that is not. What a process that was killed left half done is undone. */
export const existing = (partition: string): URL => new URL(`${pathToFileURL(partition)}?mode=rw`)

/** What SQLite writes for one partition. */
const filesOf = (partition: string): ReadonlyArray<string> => [
  partition,
  ...["wal", "shm", "journal"].map((ending) => `${partition}-${ending}`)
]

export const octetsOf = (partition: string): number =>
  filesOf(partition).reduce((sum, file) => sum + (statSync(file, { throwIfNoEntry: false })?.size ?? 0), 0)

export const removePartition = (partition: string): void => {
  for (const file of filesOf(partition)) rmSync(file, { force: true })
}
