/**
 * Flushes by name: every answer to a name, or to it and all below it, of whatever type, flags or view, is forgotten.
 *
 * An entry is found by the hash of its whole key, so the whole index is gone through, in slices: a bucket's entries
 * stay in their bucket, wherever they move in the rings meanwhile. What is stored behind the slices is newer than the
 * flush.
 */
import { NAME_WORD, nameLengthOf, SHAPE } from "./entry.ts"
import { unitOf } from "./hash-index.ts"
import { UNIT } from "./memory.ts"
import type { Shard } from "./shard.ts"

/** Buckets that are gone through with the shard's lock held, about 20 µs. */
const BUCKETS_A_LOCK = 16
/** Times that the lock is taken in one slice. */
const LOCKS_A_SLICE = 16

/** Whether a name is meant: `length` octets from `at`, uncompressed, in lower case. */
export type NameTest = (octets: Uint8Array, at: number, length: number) => boolean

export const isName =
  (name: Uint8Array): NameTest =>
  (octets, at, length) =>
    length === name.length && isSame(octets, at, name)

/** The name itself and every name that has it at its end. */
export const isAtOrBelow =
  (name: Uint8Array): NameTest =>
  (octets, at, length) => {
    let next = at
    let left = length
    while (left > name.length) {
      const label = octets[next]! + 1
      next += label
      left -= label
    }
    return left === name.length && isSame(octets, next, name)
  }

const isSame = (octets: Uint8Array, at: number, name: Uint8Array): boolean => {
  for (let i = 0; i < name.length; i++) if (octets[at + i] !== name[i]) return false
  return true
}

/**
 * Forgets the entries whose name passes the test, in slices of less than a millisecond.
 *
 * @returns how many they were
 */
export function* flushNames(shards: ReadonlyArray<Shard>, test: NameTest): Generator<void, number> {
  let count = 0
  for (const shard of shards) {
    const { buckets } = shard.index
    let locks = 0
    for (let bucket = 0; bucket < buckets; ) {
      if (shard.lock.take()) {
        const end = Math.min(bucket + BUCKETS_A_LOCK, buckets)
        for (; bucket < end; bucket++) count += flushBucket(shard, bucket, test)
        shard.lock.release()
        locks++
      } else {
        locks = LOCKS_A_SLICE
      }
      if (locks >= LOCKS_A_SLICE) {
        yield
        locks = 0
      }
    }
    yield
  }
  return count
}

const flushBucket = (shard: Shard, bucket: number, test: NameTest): number => {
  let count = 0
  shard.index.forEachIn(bucket, (slotAt) => {
    const unit = unitOf(shard.words[slotAt]!)
    const nameLength = nameLengthOf(shard.words[(unit << 1) + SHAPE]!)
    if (!test(shard.octets, unit * UNIT + NAME_WORD * 4, nameLength)) return
    if (shard.index.isLive(slotAt)) count++
    shard.forget(slotAt)
  })
  return count
}
