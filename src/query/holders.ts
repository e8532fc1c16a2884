/**
 * Those who hold a permit, oldest first, and who of them goes when the room is full.
 *
 * Nobody is counted while there is room. When there is none, and the oldest has waited so long that it is hardly going to
 * be answered, a zone that holds more than half of the room gives it up query by query to those of other zones.
 */
import { zoneOf } from "./zone.ts"

/** A query that has waited so long for the network may be shed for another. */
const LONG_MS = 500
/** For so long the zone that was found to hold most is taken to be still the one. */
const FOUND_FOR_MS = 50

export const NOT_HELD = -1

export interface Holder {
  readonly question: { readonly name: Uint8Array }
  /** When it got its permit; below 0 while it has none. */
  heldSinceMs: number
  newer: Holder | undefined
  older: Holder | undefined
  /** Its permit has gone to another: it ends now. */
  shed(): void
}

export class Holders {
  length = 0
  private oldest: Holder | undefined
  private newest: Holder | undefined
  private greedy: number | undefined
  private foundMs = Number.NEGATIVE_INFINITY

  add(holder: Holder, nowMs: number): void {
    holder.heldSinceMs = nowMs
    holder.older = this.newest
    if (this.newest === undefined) this.oldest = holder
    else this.newest.newer = holder
    this.newest = holder
    this.length++
  }

  /** Returns whether it was here. */
  remove(holder: Holder): boolean {
    if (holder.heldSinceMs < 0) return false
    holder.heldSinceMs = NOT_HELD
    if (holder.older === undefined) this.oldest = holder.newer
    else holder.older.newer = holder.newer
    if (holder.newer === undefined) this.newest = holder.older
    else holder.newer.older = holder.older
    holder.newer = undefined
    holder.older = undefined
    this.length--
    return true
  }

  /** Who is to be shed for a query of `zone`; undefined where nobody has waited long or no zone holds too much. */
  victimFor(zone: number, nowMs: number): Holder | undefined {
    if (this.oldest === undefined || nowMs - this.oldest.heldSinceMs < LONG_MS) return undefined
    if (nowMs - this.foundMs > FOUND_FOR_MS) {
      this.foundMs = nowMs
      this.greedy = this.findGreedy()
    }
    if (this.greedy === undefined || this.greedy === zone) return undefined
    for (let holder = this.oldest; holder !== undefined; holder = holder.newer as Holder) {
      if (nowMs - holder.heldSinceMs < LONG_MS) return undefined
      if (zoneOf(holder.question.name) === this.greedy) return holder
    }
    return undefined
  }

  /** The zone of more than half of them (Boyer and Moore's majority vote, then counted). */
  private findGreedy(): number | undefined {
    let candidate = 0
    let lead = 0
    for (let holder = this.oldest; holder !== undefined; holder = holder.newer) {
      const zone = zoneOf(holder.question.name)
      if (lead === 0) candidate = zone
      lead += zone === candidate ? 1 : -1
    }
    let count = 0
    for (let holder = this.oldest; holder !== undefined; holder = holder.newer) {
      if (zoneOf(holder.question.name) === candidate) count++
    }
    return count * 2 > this.length ? candidate : undefined
  }
}
