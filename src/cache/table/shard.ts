/**
 * A shard of the table: what a writer does there, under the shard's lock.
 *
 * A writer may die between any two writes. Their order makes sure that the shard is whole then: an entry is written
 * where no slot leads and the ring does not reach, then the ring takes it in, then its slot is set, in one write. What
 * can be left is a slot that leads to nothing (its checksum is wrong, its place is not live), an entry without a slot
 * (it leaves with the ring), and an entry that was being overwritten in place (its checksum is wrong, its size is not).
 */

import type { Checksum } from "./checksum.ts"
import {
  BODY,
  ENTRY_WORDS,
  type Entry,
  HASH,
  isForNetwork,
  lengthOf,
  NAME_WORD,
  NETWORK_SIZE,
  nameLengthOf,
  SHAPE,
  STORED,
  SUM,
  sizeOf,
  VIEW
} from "./entry.ts"
import { Eviction } from "./eviction.ts"
import { HashIndex, incremented, NEW_USAGE, TAG_MASK, tagOf, unitOf } from "./hash-index.ts"
import { Lock } from "./lock.ts"
import { Header, LINE_SLOTS, LINE_WORDS, ShardHeader, type ShardMemory } from "./memory.ts"
import { Occupancy } from "./occupancy.ts"
import type { Ring } from "./ring.ts"

export class Shard {
  readonly words: Int32Array
  readonly octets: Uint8Array
  readonly index: HashIndex
  readonly lock: Lock
  private readonly header: Int32Array
  private readonly checksum: Checksum
  private readonly occupancy: Occupancy
  private readonly eviction: Eviction

  constructor(
    memory: ShardMemory,
    header: Int32Array,
    shardBits: number,
    checksum: Checksum,
    writer: number,
    onEviction: () => void
  ) {
    this.words = memory.words
    this.octets = memory.octets
    this.header = header
    this.checksum = checksum
    this.lock = new Lock(memory.lock, 0, writer)
    this.index = new HashIndex(memory, shardBits)
    this.occupancy = new Occupancy(memory.words, onEviction)
    this.eviction = new Eviction(memory, header, this.index, checksum, this.occupancy)
  }

  /** Entries that are kept. */
  get entries(): number {
    return this.isFlushed ? 0 : this.occupancy.entries
  }

  /** Units that they take. */
  get units(): number {
    return this.isFlushed ? 0 : this.occupancy.units
  }

  /**
   * Keeps the entry, in place of an earlier one of its key.
   *
   * @returns whether it was kept: not while another writer holds the shard, nor if it is larger than a ring
   */
  store(entry: Entry): boolean {
    if (entry.units > this.index.main.largest || !this.lock.take()) return false
    if (this.isFlushed) this.begin()
    const present = this.find(entry)
    if (present === 0 || !this.overwrite(present, entry)) this.append(present, entry)
    this.lock.release()
    return true
  }

  /** Takes an entry of another table, with its usage, as long as no entry has to leave for it. */
  restore(entry: Entry, usage: number): boolean {
    if (!this.lock.take()) return false
    if (this.isFlushed) this.begin()
    const { main } = this.index
    const { units } = entry
    entry.giveSize(units)
    const slotAt = this.index.emptyFor(entry.hash)
    const fits = slotAt !== 0 && main.isFilling(units) && this.find(entry) === 0
    if (fits) this.write(main, main.place(units), entry, slotAt, usage)
    this.lock.release()
    return fits
  }

  /**
   * Forgets the entry with the same key, if there is one that was stored before this one.
   *
   * @returns whether there is none any more: it may be there while another writer holds the shard
   */
  remove(entry: Entry): boolean {
    if (!this.lock.take()) return false
    const present = this.isFlushed ? 0 : this.find(entry)
    if (present !== 0 && this.isOlder(present, entry)) this.forget(present)
    this.lock.release()
    return true
  }

  /** Forgets the entry of this slot. Only for the holder of the lock. */
  forget(slotAt: number): void {
    if (this.index.isLive(slotAt)) this.occupancy.remove(unitOf(this.words[slotAt]!))
    this.words[slotAt] = 0
  }

  private isOlder(slotAt: number, { words }: Entry): boolean {
    const stored = this.words[(unitOf(this.words[slotAt]!) << 1) + STORED]!
    return ((stored - words[STORED]!) | 0) < 0
  }

  private get isFlushed(): boolean {
    return this.words[ShardHeader.Epoch] !== this.header[Header.Epoch]
  }

  /** After a flush: the entries are void already. If this stops half-way, it is done again. */
  private begin(): void {
    this.index.small.clear()
    this.index.main.clear()
    this.occupancy.clear()
    this.words[ShardHeader.Epoch] = this.header[Header.Epoch]!
  }

  /** The slot of the entry with the same key; 0 where there is none. */
  private find(entry: Entry): number {
    const { words } = this
    const { hash } = entry
    const tag = tagOf(hash)
    let line = this.index.lineOf(hash)
    for (let n = 0; n < 2; n++, line ^= LINE_WORDS) {
      for (let i = line; i < line + LINE_SLOTS; i++) {
        const slot = words[i]!
        if ((slot & TAG_MASK) !== tag || slot === 0) continue
        if (this.hasKeyOf(entry, unitOf(slot) << 1) && this.index.isLive(i)) return i
      }
    }
    return 0
  }

  private hasKeyOf(entry: Entry, at: number): boolean {
    const { words } = this
    const key = entry.words
    const shape = key[SHAPE]!
    if (
      words[at + HASH] !== key[HASH] ||
      words[at + SHAPE]! >>> 16 !== shape >>> 16 ||
      words[at + BODY]! >>> 16 !== key[BODY]! >>> 16 ||
      words[at + VIEW] !== key[VIEW]
    ) {
      return false
    }
    // The last word may hold octets past the name: they are the type's, the same as well.
    const last = NAME_WORD + (nameLengthOf(shape) >>> 2)
    for (let i = NAME_WORD; i <= last; i++) if (words[at + i] !== key[i]) return false
    return !isForNetwork(shape) || this.hasNetworkOf(entry, at)
  }

  /** Whether both are for the same client network; the scopes behind may differ. */
  private hasNetworkOf(entry: Entry, at: number): boolean {
    const mine = (at + ENTRY_WORDS) * 4 + lengthOf(this.words[at + BODY]!) - NETWORK_SIZE
    const its = entry.answerLength
    for (let i = 0; i < NETWORK_SIZE - 1; i++) if (this.octets[mine + i] !== entry.wire[its + i]) return false
    return true
  }

  /**
   * Writes the entry over the one that it replaces, if it takes about as much room.
   *
   * Most answers that are stored again are as long as before: so they leave no dead octets behind. That it is stored
   * again says that it was asked for.
   */
  private overwrite(slotAt: number, entry: Entry): boolean {
    const at = unitOf(this.words[slotAt]!) << 1
    const size = sizeOf(this.words[at + SHAPE]!)
    const { units } = entry
    if (units > size || size - units > size >> 2) return false
    entry.giveSize(size)
    this.words[at + SUM] = this.checksum.copy(entry.words, 0, this.words, at, entry.words[BODY]!)
    this.index.setUsage(slotAt, incremented(this.index.usage(slotAt)))
    return true
  }

  /** @param present the slot of the entry that this one replaces; 0 where it is new */
  private append(present: number, entry: Entry): void {
    const { words, index } = this
    const { units, hash } = entry
    const ring = this.eviction.ringFor(hash, units, present === 0 ? 0 : unitOf(words[present]!))
    const unit = this.eviction.placeIn(ring, units)
    // Who left may have been the one that this one replaces, or may have left a slot empty.
    const slotAt = present === 0 ? index.forNew(hash) : present
    const usage = present === 0 ? NEW_USAGE : incremented(index.usage(present))
    if (words[slotAt] !== 0 && index.isLive(slotAt)) {
      if (slotAt === present) this.occupancy.remove(unitOf(words[slotAt]!))
      else this.occupancy.evict(unitOf(words[slotAt]!))
    }
    this.write(ring, unit, entry, slotAt, usage)
  }

  /** Writes the entry where there is room, takes it into the ring, and points a slot to it. */
  private write(ring: Ring, unit: number, entry: Entry, slotAt: number, usage: number): void {
    const { words } = this
    const at = unit << 1
    words[at + SUM] = this.checksum.copy(entry.words, 0, words, at, entry.words[BODY]!)
    ring.push(unit, entry.units)
    this.index.setUsage(slotAt, usage)
    words[slotAt] = tagOf(entry.hash) | unit
    this.occupancy.add(entry.units)
  }
}
