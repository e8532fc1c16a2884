/**
 * What a table did, counted in its memory: each writer adds to cells of its own, with plain arithmetic, and whoever wants
 * to know sums them up.
 */
import { MAX_WRITERS, type TableMemory } from "./memory.ts"

/** Cells of a writer. */
export const Tally = { Hits: 0, Misses: 1, Stores: 2, Unstored: 3, Evictions: 4 } as const

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
export const countsOf = (memory: TableMemory): TableCounts => {
  const sums = new Float64Array(Object.keys(Tally).length)
  for (let writer = 1; writer <= MAX_WRITERS; writer++) {
    const cells = memory.countersOf(writer)
    for (let i = 0; i < sums.length; i++) sums[i]! += cells[i]!
  }
  return {
    hits: sums[Tally.Hits]!,
    misses: sums[Tally.Misses]!,
    stores: sums[Tally.Stores]!,
    unstored: sums[Tally.Unstored]!,
    evictions: sums[Tally.Evictions]!
  }
}
