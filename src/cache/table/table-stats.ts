/**
 * Statistics of a table, in its memory: each writer adds to counters of its own with plain arithmetic; a reader sums
 * them up.
 */
import { COUNTERS_PER_WRITER, type TableMemory } from "./memory.ts"

/** The counters of a writer. */
export const TableStat = { Hits: 0, Misses: 1, Stores: 2, Unstored: 3, Evictions: 4 } as const

export interface TableCounts {
  readonly hits: number
  readonly misses: number
  readonly stores: number
  /** Answers that were not kept: too large, or another thread was writing at their place. */
  readonly unstored: number
  /** Answers that left before their time, for room. */
  readonly evictions: number
}

/** The sums over all writers. */
export const countsOf = ({ counters }: TableMemory): TableCounts => {
  const sumOf = (cell: number): number => {
    let sum = 0
    for (let i = cell; i < counters.length; i += COUNTERS_PER_WRITER) sum += counters[i]!
    return sum
  }
  return {
    hits: sumOf(TableStat.Hits),
    misses: sumOf(TableStat.Misses),
    stores: sumOf(TableStat.Stores),
    unstored: sumOf(TableStat.Unstored),
    evictions: sumOf(TableStat.Evictions)
  }
}
