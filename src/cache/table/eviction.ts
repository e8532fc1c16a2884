/**
 * Eviction: which entries leave a shard when a new one needs room, by S3-FIFO (Yang et al., "FIFO queues are all you
 * need for cache eviction", SOSP 2023).
 *
 * A new entry goes into the small ring, a tenth of the room. If it was asked for while there, it moves to the main ring
 * when its place is needed; otherwise it leaves, and the ghost queue remembers it for a while: an entry that is stored
 * again so soon goes straight to the main ring. At the end of the main ring an entry that was asked for gets another
 * round, once for each time, three times at most. So a scan passes through the small ring and leaves the main one
 * alone. As long as the main ring has never been full, everything goes there.
 *
 * An expired entry gets no other round. While no upstream answers nothing is stored, so nothing leaves: what may have
 * to be served stale stays.
 *
 * The work is bounded: as many entries leave as room is needed, and few get another round. All of this is for the
 * holder of the shard's lock, and the writes are in an order that leaves the shard whole wherever they stop: a slot is
 * emptied before its entry leaves the ring, and an entry that moves is copied and taken in before its slot leads there.
 */

import type { Checksum } from "./checksum.ts"
import { BODY, EXPIRES, HASH, lengthOf, SHAPE, SUM, sizeOf, unitsFor } from "./entry.ts"
import { GhostQueue } from "./ghost-queue.ts"
import { decremented, frequencyOf, type HashIndex, TAG_MASK, unitOf, withoutFrequency } from "./hash-index.ts"
import { Header, type ShardMemory } from "./memory.ts"
import type { Occupancy } from "./occupancy.ts"
import type { Ring } from "./ring.ts"

/** Times that an entry must have been asked for in the small ring to be worth the main one. */
const WORTH_KEEPING = 1
/** Entries of the main ring that one store gives another round; after that they leave, however often they were used. */
const MAX_SECOND_CHANCES = 16

export class Eviction {
  private readonly words: Int32Array
  private readonly header: Int32Array
  private readonly index: HashIndex
  private readonly checksum: Checksum
  private readonly occupancy: Occupancy
  private readonly ghostQueue: GhostQueue
  private readonly small: Ring
  private readonly main: Ring
  private secondChances = 0

  constructor(memory: ShardMemory, header: Int32Array, index: HashIndex, checksum: Checksum, occupancy: Occupancy) {
    this.words = memory.words
    this.header = header
    this.index = index
    this.checksum = checksum
    this.occupancy = occupancy
    this.ghostQueue = new GhostQueue(memory.ghostQueue)
    this.small = index.small
    this.main = index.main
  }

  /**
   * The ring that a new entry belongs to.
   *
   * @param present the unit of the entry that it replaces; 0 where it is new
   */
  ringFor(hash: number, units: number, present: number): Ring {
    const isWorthMain =
      this.main.contains(present) ||
      this.ghostQueue.take(hash) ||
      this.main.isFilling(units) ||
      units > this.small.largest >> 1
    return isWorthMain ? this.main : this.small
  }

  /** Where in the ring so many units can be written, after as many entries as need be have left. */
  placeIn(ring: Ring, units: number): number {
    this.secondChances = MAX_SECOND_CHANCES
    for (;;) {
      const unit = ring.place(units)
      if (unit !== 0) return unit
      if (ring === this.main) this.leaveMain()
      else this.leaveSmall()
    }
  }

  private leaveSmall(): void {
    const unit = this.small.oldest()
    if (unit === 0) return
    const hash = this.words[(unit << 1) + HASH]!
    const slotAt = this.index.of(hash, unit)
    if (slotAt !== 0) {
      const usage = this.index.usage(slotAt)
      const units = sizeOf(this.words[(unit << 1) + SHAPE]!)
      if (frequencyOf(usage) >= WORTH_KEEPING && units <= this.small.largest && !this.isExpired(unit)) {
        let place = this.main.place(units)
        while (place === 0) {
          this.leaveMain()
          place = this.main.place(units)
        }
        this.moveToMain(slotAt, unit, place, withoutFrequency(usage))
      } else {
        this.ghostQueue.add(hash)
        this.leave(slotAt)
      }
    }
    this.small.drop(unit)
  }

  private leaveMain(): void {
    const unit = this.main.oldest()
    if (unit === 0) return
    const slotAt = this.index.of(this.words[(unit << 1) + HASH]!, unit)
    const units = sizeOf(this.words[(unit << 1) + SHAPE]!)
    this.main.drop(unit)
    if (slotAt === 0) return
    const usage = this.index.usage(slotAt)
    const isHot = frequencyOf(usage) > 0 && this.secondChances-- > 0 && !this.isExpired(unit)
    // At the ring's seam there may be no room for it: then it leaves, however often it was used.
    const place = isHot ? this.main.place(units) : 0
    if (place !== 0) this.moveToMain(slotAt, unit, place, decremented(usage))
    else this.leave(slotAt)
  }

  /**
   * Copies an entry to a place of the main ring, which may overlap it from below, and points its slot there.
   *
   * One that is damaged, because whoever overwrote it died, goes.
   */
  private moveToMain(slotAt: number, from: number, to: number, usage: number): void {
    const { words } = this
    const source = from << 1
    const target = to << 1
    const sum = words[source + SUM]!
    const units = sizeOf(words[source + SHAPE]!)
    const body = words[source + BODY]!
    const isWhole = unitsFor(lengthOf(body)) <= units && this.checksum.copy(words, source, words, target, body) === sum
    if (!isWhole) {
      this.leave(slotAt)
      return
    }
    words[target + SUM] = sum
    this.main.push(to, units)
    this.index.setUsage(slotAt, usage)
    words[slotAt] = (words[slotAt]! & TAG_MASK) | to
  }

  private leave(slotAt: number): void {
    this.occupancy.evict(unitOf(this.words[slotAt]!))
    this.words[slotAt] = 0
  }

  private isExpired(unit: number): boolean {
    return ((this.words[(unit << 1) + EXPIRES]! - this.header[Header.Ticks]!) | 0) <= 0
  }
}
