/**
 * The queries that hold a permit, oldest first, and which of them is shed when no permit is left.
 *
 * Nothing is counted while permits are free. When none is left, and the oldest holder has waited so long that it will
 * hardly be answered, a zone or a client that holds more than half of the permits loses them, one by one, to queries of
 * others.
 */
import { zoneOf } from "../../dns/zone.ts"
import type { Peer } from "../../io/peer.ts"
import { SEED } from "../../runtime/random.ts"
import { clientKeyOf } from "./client-key.ts"

/** A query that has waited so long for the network may be shed for another. */
const LONG_WAIT_MS = 500
/** How long the result of a search for the majority is reused. */
const MAJORITY_FOR_MS = 50
/**
 * A zone or client with fewer permits is never a majority, however few permits there are: one slow query is no flood.
 */
const MIN_MAJORITY = 4

export const NOT_HELD = -1

export interface PermitHolder {
  readonly question: { readonly name: Uint8Array }
  /** The client that asked; undefined for a refresh. */
  readonly client: Peer | undefined
  /** When it got its permit; below 0 while it has none. */
  heldSinceMs: number
  newer: PermitHolder | undefined
  older: PermitHolder | undefined
  /** The permit was given to another query: this one ends now. */
  shed(): void
}

/** The key by which holders are counted: zone or client. */
type KeyOf = (holder: PermitHolder) => number

const zoneOfHolder: KeyOf = ({ question }) => zoneOf(question.name, SEED)
const clientKeyOfHolder: KeyOf = ({ client }) => clientKeyOf(client)

export class PermitHolders {
  length = 0
  private oldest: PermitHolder | undefined
  private newest: PermitHolder | undefined
  private majorityZone: number | undefined
  private majorityClient: number | undefined
  private foundMs = Number.NEGATIVE_INFINITY

  add(holder: PermitHolder, nowMs: number): void {
    holder.heldSinceMs = nowMs
    holder.older = this.newest
    if (this.newest === undefined) this.oldest = holder
    else this.newest.newer = holder
    this.newest = holder
    this.length++
  }

  /** Returns whether it was here. */
  remove(holder: PermitHolder): boolean {
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

  /**
   * The holder to shed for a query of this zone and client; undefined where no holder has waited long, or no other zone
   * and no other client has the majority.
   */
  victimFor(zone: number, client: number, nowMs: number): PermitHolder | undefined {
    if (this.oldest === undefined || nowMs - this.oldest.heldSinceMs < LONG_WAIT_MS) return undefined
    if (nowMs - this.foundMs > MAJORITY_FOR_MS) {
      this.foundMs = nowMs
      this.majorityZone = this.findMajority(zoneOfHolder)
      this.majorityClient = this.findMajority(clientKeyOfHolder)
    }
    const majorityZone = this.majorityZone === zone ? undefined : this.majorityZone
    const majorityClient = this.majorityClient === client ? undefined : this.majorityClient
    if (majorityZone === undefined && majorityClient === undefined) return undefined
    for (let holder = this.oldest; holder !== undefined; holder = holder.newer as PermitHolder) {
      if (nowMs - holder.heldSinceMs < LONG_WAIT_MS) return undefined
      if (majorityZone !== undefined && zoneOfHolder(holder) === majorityZone) return holder
      if (majorityClient !== undefined && clientKeyOfHolder(holder) === majorityClient) return holder
    }
    return undefined
  }

  /** The zone, or client, of more than half of the holders (Boyer and Moore's majority vote, then counted). */
  private findMajority(keyOf: KeyOf): number | undefined {
    let candidate = 0
    let lead = 0
    for (let holder = this.oldest; holder !== undefined; holder = holder.newer) {
      const key = keyOf(holder)
      if (lead === 0) candidate = key
      lead += key === candidate ? 1 : -1
    }
    let count = 0
    for (let holder = this.oldest; holder !== undefined; holder = holder.newer) {
      if (keyOf(holder) === candidate) count++
    }
    return count >= MIN_MAJORITY && count * 2 > this.length ? candidate : undefined
  }
}
