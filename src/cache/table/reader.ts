/**
 * Finds entries without a lock.
 *
 * A slot leads to an entry that may be overwritten at that very moment. So the entry is copied to memory of this thread
 * and its checksum taken in the same pass; only the copy is looked at after that. On a machine that orders memory
 * weakly (ARM) a slot may be seen before what it leads to: that is the same case. What does not check is read again a
 * few times, for whoever writes there is done in a fraction of a microsecond, and is then as good as absent.
 *
 * Hot path: no allocation.
 */
import type { Checksum } from "./checksum.ts"
import { BODY, ENTRY_WORDS, Entry, HASH, lengthOf, SUM } from "./entry.ts"
import { TAG_MASK, tagOf, unitOf } from "./hash-index.ts"
import type { Key } from "./key.ts"
import { LINE_SLOTS, LINE_WORDS } from "./memory.ts"
import type { Shard } from "./shard.ts"

const ATTEMPTS = 4

export class Reader {
  /** The entry that was found last. */
  readonly entry = new Entry()
  /** The word of its slot. */
  slotAt = 0
  private readonly checksum: Checksum
  private isTorn = false

  constructor(checksum: Checksum) {
    this.checksum = checksum
  }

  /** Whether the shard has an entry of this key; it is in `entry` then. */
  find(shard: Shard, key: Key): boolean {
    for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
      this.isTorn = false
      const line = shard.index.lineOf(key.hash)
      if (this.findInLine(shard, key, line) || this.findInLine(shard, key, line ^ LINE_WORDS)) return true
      if (!this.isTorn) return false
    }
    return false
  }

  private findInLine(shard: Shard, key: Key, line: number): boolean {
    const { words } = shard
    const tag = tagOf(key.hash)
    for (let i = line; i < line + LINE_SLOTS; i++) {
      const slot = words[i]!
      if ((slot & TAG_MASK) !== tag || slot === 0) continue
      const unit = unitOf(slot)
      if (unit === 0) continue
      if (words[(unit << 1) + HASH] === key.hash) {
        if (!this.copy(words, unit)) this.isTorn = true
        else if (this.entry.isOf(key)) {
          this.slotAt = i
          return true
        }
      } else if (Atomics.load(words, i) !== slot) {
        this.isTorn = true
      }
    }
    return false
  }

  /** Copies the entry at `unit` to `entry`; says whether its checksum is right. */
  copy(words: Int32Array, unit: number): boolean {
    const at = unit << 1
    const body = words[at + BODY]!
    const sum = words[at + SUM]!
    if (at + ENTRY_WORDS + ((lengthOf(body) + 3) >>> 2) > words.length) return false
    return this.checksum.copy(words, at, this.entry.words, 0, body) === sum
  }
}
