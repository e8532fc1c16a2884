/**
 * Entries of one table carried over to another: how a table gets another size while it is in use.
 *
 * What is worth most goes first, so that what finds no room is worth least: what was asked for most often, at the end what
 * is past its life. What is stored into the old table behind the slices is lost, no more.
 */
import { EXPIRES } from "./entry.ts"
import type { Reader } from "./reader.ts"
import type { Shard } from "./shard.ts"
import { frequencyOf, heatOf, MAX_FREQUENCY, unitOf } from "./slots.ts"

/** Slots that are looked at in one slice: an entry costs less than a microsecond. */
const SLOTS_A_SLICE = 2000

/**
 * Copies the entries of `from` to where `shardFor` says, as long as there is room.
 *
 * @param reader of the table they are taken from
 * @param now in ticks
 */
export function* carryOver(
  from: ReadonlyArray<Shard>,
  reader: Reader,
  shardFor: (hash: number) => Shard,
  now: () => number
): Generator<void, void> {
  let slots = 0
  for (let worth = MAX_FREQUENCY; worth >= -1; worth--) {
    for (const bucket of spread(from[0]!.slots.buckets)) {
      for (const shard of from) {
        for (const slotAt of shard.slots.inBucket(bucket)) {
          slots++
          const heat = shard.octets[heatOf(slotAt)]!
          if (worth >= 0 && frequencyOf(heat) !== worth) continue
          if (!reader.copy(shard.words, unitOf(shard.words[slotAt]!))) continue
          const isAlive = ((reader.entry.words[EXPIRES]! - now()) | 0) > 0
          if (isAlive === worth >= 0) shardFor(reader.entry.hash).restore(reader.entry, heat)
        }
        if (slots >= SLOTS_A_SLICE) {
          yield
          slots = 0
        }
      }
    }
  }
}

/** Buckets are in the order of their hashes: taken in that order, the first ones would fill the new table. */
function* spread(buckets: number): Generator<number, void> {
  const stride = 61
  for (let first = 0; first < stride; first++) {
    for (let bucket = first; bucket < buckets; bucket += stride) yield bucket
  }
}
