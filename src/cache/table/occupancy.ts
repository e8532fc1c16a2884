/**
 * The occupancy of a shard: how many entries it has, and how many units they take, in two words of its header, written
 * under its lock.
 *
 * A writer that dies between an entry's slot and its count leaves them wrong by one, until the next flush.
 */
import { SHAPE, sizeOf } from "./entry.ts"
import { ShardHeader } from "./memory.ts"

export class Occupancy {
  private readonly words: Int32Array
  private readonly onEviction: () => void

  /** @param onEviction called for each entry that leaves before its time, for room */
  constructor(words: Int32Array, onEviction: () => void) {
    this.words = words
    this.onEviction = onEviction
  }

  get entries(): number {
    return this.words[ShardHeader.Entries]!
  }

  get units(): number {
    return this.words[ShardHeader.Units]!
  }

  add(units: number): void {
    this.change(1, units)
  }

  /** The entry at `unit` is no longer kept. */
  remove(unit: number): void {
    this.change(-1, -sizeOf(this.words[(unit << 1) + SHAPE]!))
  }

  evict(unit: number): void {
    this.remove(unit)
    this.onEviction()
  }

  clear(): void {
    this.words[ShardHeader.Entries] = 0
    this.words[ShardHeader.Units] = 0
  }

  private change(entries: number, units: number): void {
    this.words[ShardHeader.Entries] = Math.max(0, this.words[ShardHeader.Entries]! + entries)
    this.words[ShardHeader.Units] = Math.max(0, this.words[ShardHeader.Units]! + units)
  }
}
