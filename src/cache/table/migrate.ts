/**
 * Migrates the entries of one table to another: how a table gets another size while it is in use.
 *
 * The most valuable entries go first, so that those that find no room are the least valuable: the most often used ones
 * at first, the expired ones at the end. What is stored into the old table behind the slices is lost.
 */
import { EXPIRES } from "./entry.ts"
import { frequencyOf, MAX_FREQUENCY, unitOf } from "./hash-index.ts"
import type { Reader } from "./reader.ts"
import type { Shard } from "./shard.ts"

/** What a slice may cost: a bucket that is looked at, an entry that is copied. */
const COST_OF_SLICE = 4000
const COST_OF_COPY = 8

/**
 * Copies the entries of `from` to where `shardFor` says, as long as there is room.
 *
 * @param reader of the table they are taken from
 * @param now in ticks
 */
export function* migrate(
  from: ReadonlyArray<Shard>,
  reader: Reader,
  shardFor: (hash: number) => Shard,
  now: () => number
): Generator<void, void> {
  let cost = 0
  for (let worth = MAX_FREQUENCY; worth >= STALE; worth--) {
    for (const bucket of spread(from[0]!.index.buckets)) {
      for (const shard of from) {
        cost++
        shard.index.forEachIn(bucket, (slotAt) => {
          const usage = shard.index.usage(slotAt)
          if (worth !== STALE && frequencyOf(usage) !== worth) return
          cost += COST_OF_COPY
          if (!reader.copy(shard.words, unitOf(shard.words[slotAt]!))) return
          const isAlive = ((reader.entry.words[EXPIRES]! - now()) | 0) > 0
          if (isAlive !== (worth === STALE)) shardFor(reader.entry.hash).restore(reader.entry, usage)
        })
        if (cost >= COST_OF_SLICE) {
          yield
          cost = 0
        }
      }
    }
  }
}

/** The last round's: what is past its life, however often it was asked for. */
const STALE = -1

/** Buckets are in the order of their hashes: taken in that order, the first ones would fill the new table. */
function* spread(buckets: number): Generator<number, void> {
  const stride = 61
  for (let first = 0; first < stride; first++) {
    for (let bucket = first; bucket < buckets; bucket += stride) yield bucket
  }
}
