/**
 * A shard of the table: what a writer does there, under the shard's lock.
 *
 * Eviction is S3-FIFO (Yang et al., SOSP 2023): a new answer goes into the small ring. One that was asked for while there
 * moves to the main ring when the small one needs its place; the rest leave, and a ghost of each stays for a while: an
 * answer that comes back so soon goes straight to the main ring. At the main ring's end what was asked for gets another
 * round, once for each time it was asked, three times at most. So a scan passes through the small ring and
 * leaves the main one alone. While the main ring has never been full, everything goes there.
 *
 * A writer may die between any two writes. The order of the writes makes sure that the shard is whole then: an entry is
 * written where no slot leads and the ring does not reach, then the ring takes it in, then its slot is set, in one write.
 * What can be left is a slot that leads to nothing (its checksum is wrong, its place is not live), an entry without a slot
 * (it leaves with the ring), and an entry that was being overwritten in place (its checksum is wrong, its size is not).
 *
 * Work per store is bounded: as many entries leave as the new one needs room, and few get another round.
 */

import type { Checksum } from "./checksum.ts"
import { BODY, type Entry, EXPIRES, HASH, NAME_WORD, nameLengthOf, SHAPE, SUM, sizeOf, VIEW } from "./entry.ts"
import { Ghosts } from "./ghosts.ts"
import { Lock } from "./lock.ts"
import { Header, LINE_SLOTS, LINE_WORDS, ShardHeader, type ShardMemory } from "./memory.ts"
import { Ring } from "./ring.ts"
import { cooler, frequencyOf, heatOf, NEW_HEAT, Slots, TAG_MASK, tagOf, unitOf, warmer } from "./slots.ts"

/** Times that an entry must have been asked for in the small ring to be worth the main one. */
const WORTH_KEEPING = 1
/** Entries of the main ring that one store gives another round; after that they go, however hot. */
const MAX_SECOND_CHANCES = 16

export class Shard {
  readonly words: Int32Array
  readonly octets: Uint8Array
  readonly slots: Slots
  readonly lock: Lock
  private readonly header: Int32Array
  private readonly checksum: Checksum
  private readonly onEviction: () => void
  private readonly ghosts: Ghosts
  private readonly small: Ring
  private readonly main: Ring
  private secondChances = 0

  constructor(
    memory: ShardMemory,
    header: Int32Array,
    shardBits: number,
    checksum: Checksum,
    writer: number,
    onEviction: () => void
  ) {
    const { words, layout } = memory
    this.words = words
    this.octets = memory.octets
    this.header = header
    this.checksum = checksum
    this.onEviction = onEviction
    this.lock = new Lock(memory.lock, 0, writer)
    this.ghosts = new Ghosts(memory.ghosts)
    this.small = new Ring(words, ShardHeader.SmallHead, ShardHeader.SmallTail, layout.smallStart, layout.mainStart)
    this.main = new Ring(words, ShardHeader.MainHead, ShardHeader.MainTail, layout.mainStart, layout.end)
    this.slots = new Slots(memory, shardBits, this.small, this.main)
  }

  /** Entries that are kept. */
  get entries(): number {
    return this.isFlushed ? 0 : this.words[ShardHeader.Entries]!
  }

  /** Units that they take. */
  get units(): number {
    return this.isFlushed ? 0 : this.words[ShardHeader.Units]!
  }

  /**
   * Keeps the entry, in place of an earlier one of its key.
   *
   * @returns whether it was kept: not while another writer holds the shard, nor if it is larger than a ring
   */
  store(entry: Entry): boolean {
    if (entry.units > this.main.largest || !this.lock.take()) return false
    if (this.isFlushed) this.begin()
    const present = this.find(entry)
    if (present === 0 || !this.overwrite(present, entry)) {
      this.secondChances = MAX_SECOND_CHANCES
      this.append(present, entry)
    }
    this.lock.release()
    return true
  }

  /** Forgets the entry of this slot. Only for the holder of the lock. */
  forget(slotAt: number): void {
    if (this.slots.isLive(slotAt)) this.uncount(unitOf(this.words[slotAt]!))
    this.words[slotAt] = 0
  }

  /** Takes in an entry of another table with its heat, as long as nothing has to leave for it. */
  restore(entry: Entry, heat: number): boolean {
    if (!this.lock.take()) return false
    if (this.isFlushed) this.begin()
    const { units } = entry
    entry.giveSize(units)
    const slotAt = this.slots.emptyFor(entry.hash)
    const fits = slotAt !== 0 && this.main.isFilling(units) && this.find(entry) === 0
    if (fits) this.write(this.main, this.main.place(units), entry, slotAt, heat)
    this.lock.release()
    return fits
  }

  private get isFlushed(): boolean {
    return this.words[ShardHeader.Epoch] !== this.header[Header.Epoch]
  }

  /** After a flush: the entries are void already. If this stops half-way, it is done again. */
  private begin(): void {
    const { words } = this
    this.small.clear()
    this.main.clear()
    words[ShardHeader.Entries] = 0
    words[ShardHeader.Units] = 0
    words[ShardHeader.Epoch] = this.header[Header.Epoch]!
  }

  /** The slot of the entry with the same key; 0 where there is none. */
  private find(entry: Entry): number {
    const { words } = this
    const hash = entry.words[HASH]!
    const tag = tagOf(hash)
    let line = this.slots.lineOf(hash)
    for (let n = 0; n < 2; n++, line ^= LINE_WORDS) {
      for (let i = line; i < line + LINE_SLOTS; i++) {
        const slot = words[i]!
        if ((slot & TAG_MASK) !== tag || slot === 0) continue
        if (this.hasKeyOf(entry, unitOf(slot) << 1) && this.slots.isLive(i)) return i
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
    const first = NAME_WORD
    const length = nameLengthOf(shape)
    const whole = first + (length >>> 2)
    for (let i = first; i < whole; i++) if (words[at + i] !== key[i]) return false
    // The octets past the name are the type's: the same as well.
    return words[at + whole] === key[whole]
  }

  /**
   * Writes the entry over the one that it replaces, if it takes about as much room.
   *
   * Most answers that are stored again are as long as before: so they leave no dead octets behind.
   */
  private overwrite(slotAt: number, entry: Entry): boolean {
    const at = unitOf(this.words[slotAt]!) << 1
    const size = sizeOf(this.words[at + SHAPE]!)
    const { units } = entry
    if (units > size || size - units > size >> 2) return false
    entry.giveSize(size)
    this.words[at + SUM] = this.checksum.copy(entry.words, 0, this.words, at, entry.words[BODY]!)
    this.setHeat(slotAt, warmer(this.heat(slotAt)))
    return true
  }

  private append(present: number, entry: Entry): void {
    const { words } = this
    const { units, hash } = entry
    const isProven = present !== 0 && this.main.contains(unitOf(words[present]!))
    const inMain = isProven || this.ghosts.take(hash) || this.main.isFilling(units) || units > this.small.largest >> 1
    const ring = inMain ? this.main : this.small
    const unit = inMain ? this.placeInMain(units) : this.placeInSmall(units)
    const heat = present === 0 ? NEW_HEAT : warmer(this.heat(present))
    const slotAt = present === 0 ? this.slots.forNew(hash) : present
    if (words[slotAt] !== 0 && this.slots.isLive(slotAt)) {
      if (slotAt === present) this.uncount(unitOf(words[slotAt]!))
      else this.evicted(slotAt)
    }
    this.write(ring, unit, entry, slotAt, heat)
  }

  /** Writes the entry where there is room, takes it into the ring, and points a slot that is free to it. */
  private write(ring: Ring, unit: number, entry: Entry, slotAt: number, heat: number): void {
    const { words } = this
    const { units } = entry
    const at = unit << 1
    words[at + SUM] = this.checksum.copy(entry.words, 0, words, at, entry.words[BODY]!)
    ring.push(unit, units)
    this.setHeat(slotAt, heat)
    words[slotAt] = tagOf(entry.hash) | unit
    words[ShardHeader.Entries] = words[ShardHeader.Entries]! + 1
    words[ShardHeader.Units] = words[ShardHeader.Units]! + units
  }

  private placeInSmall(units: number): number {
    for (;;) {
      const unit = this.small.place(units)
      if (unit !== 0) return unit
      this.leaveSmall(this.small.oldest())
    }
  }

  private placeInMain(units: number): number {
    for (;;) {
      const unit = this.main.place(units)
      if (unit !== 0) return unit
      this.leaveMain(this.main.oldest())
    }
  }

  /** The small ring's oldest entry moves to the main one, or goes. */
  private leaveSmall(unit: number): void {
    if (unit === 0) return
    const { words } = this
    const hash = words[(unit << 1) + HASH]!
    const slotAt = this.slots.of(hash, unit)
    if (slotAt !== 0) {
      const isWorth = frequencyOf(this.heat(slotAt)) >= WORTH_KEEPING && !this.isExpired(unit)
      if (isWorth) {
        const units = sizeOf(words[(unit << 1) + SHAPE]!)
        this.move(slotAt, unit, this.placeInMain(units), this.heat(slotAt) & ~3)
      } else {
        this.ghosts.add(hash)
        this.evicted(slotAt)
        words[slotAt] = 0
      }
    }
    this.small.drop(unit)
  }

  /** The main ring's oldest entry gets another round, if it was asked for since the last, or goes. */
  private leaveMain(unit: number): void {
    if (unit === 0) return
    const { words } = this
    const slotAt = this.slots.of(words[(unit << 1) + HASH]!, unit)
    const units = sizeOf(words[(unit << 1) + SHAPE]!)
    this.main.drop(unit)
    if (slotAt === 0) return
    const heat = this.heat(slotAt)
    const isHot = frequencyOf(heat) > 0 && this.secondChances-- > 0 && !this.isExpired(unit)
    // At the ring's seam there may be no place for it: then it goes, however hot.
    const next = isHot ? this.main.place(units) : 0
    if (next !== 0) {
      this.move(slotAt, unit, next, cooler(heat))
    } else {
      this.evicted(slotAt)
      words[slotAt] = 0
    }
  }

  /**
   * Copies an entry to a place of the main ring, which may overlap it from below, and points its slot there.
   *
   * One whose checksum is wrong, because whoever overwrote it died, goes.
   */
  private move(slotAt: number, from: number, to: number, heat: number): void {
    const { words } = this
    const source = from << 1
    const sum = words[source + SUM]!
    const units = sizeOf(words[source + SHAPE]!)
    if (this.checksum.copy(words, source, words, to << 1, words[source + BODY]!) !== sum) {
      this.evicted(slotAt)
      words[slotAt] = 0
      return
    }
    words[(to << 1) + SUM] = sum
    this.main.push(to, units)
    this.setHeat(slotAt, heat)
    words[slotAt] = (words[slotAt]! & TAG_MASK) | to
  }

  private isExpired(unit: number): boolean {
    return ((this.words[(unit << 1) + EXPIRES]! - this.header[Header.Ticks]!) | 0) <= 0
  }

  private heat(slotAt: number): number {
    return this.octets[heatOf(slotAt)]!
  }

  private setHeat(slotAt: number, heat: number): void {
    this.octets[heatOf(slotAt)] = heat
  }

  private evicted(slotAt: number): void {
    this.uncount(unitOf(this.words[slotAt]!))
    this.onEviction()
  }

  private uncount(unit: number): void {
    const { words } = this
    words[ShardHeader.Entries] = words[ShardHeader.Entries]! - 1
    words[ShardHeader.Units] = words[ShardHeader.Units]! - sizeOf(words[(unit << 1) + SHAPE]!)
  }
}
