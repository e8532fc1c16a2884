/**
 * The budget of messages beyond the first attempt of each question.
 *
 * A retry, sent because the attempt before is overdue, takes a token; every good answer brings one back. So while
 * upstreams answer, every lost datagram is repaired; when they do not, no more than the burst is sent on top of the
 * questions themselves. A hedge, sent before the first attempt is overdue, takes from a separate budget that a tenth of
 * the questions fill.
 *
 * No zone may take more than half of the burst before its own answers bring tokens back: a zone that nobody can resolve
 * would take the tokens of all others.
 */
import { zoneOf } from "../../dns/zone.ts"
import { SEED } from "../../runtime/random.ts"

const BURST = 500
const BURST_OF_ZONE = 250
const HEDGE_BURST = 100
const HEDGES_PER_QUESTION = 0.1
/** Zones that fall into one bucket share its part of the burst. */
const BUCKETS = 1024

export class RetryBudget {
  private retries = BURST
  private hedges = HEDGE_BURST
  /** Retries that zones have taken and not yet answered for. */
  private readonly owed = new Uint16Array(BUCKETS)
  private owedInAll = 0
  private readonly seed: number

  /** @param seed keys the buckets; secret, so that an attacker cannot choose zones that share one */
  constructor(seed = SEED) {
    this.seed = seed
  }

  onQuestion(): void {
    if (this.hedges < HEDGE_BURST) this.hedges += HEDGES_PER_QUESTION
  }

  /** @param name that was asked for, in lower case */
  onAnswer(name: Uint8Array): void {
    if (this.retries < BURST) this.retries++
    if (this.owedInAll === 0) return
    const bucket = this.bucketOf(name)
    if (this.owed[bucket] === 0) return
    this.owed[bucket]!--
    this.owedInAll--
  }

  takeRetry(name: Uint8Array): boolean {
    const bucket = this.bucketOf(name)
    if (this.retries < 1 || this.owed[bucket]! >= BURST_OF_ZONE) return false
    this.retries--
    this.owed[bucket]!++
    this.owedInAll++
    return true
  }

  takeHedge(name: Uint8Array): boolean {
    if (this.hedges < 1 || this.owed[this.bucketOf(name)]! >= BURST_OF_ZONE) return false
    this.hedges--
    return true
  }

  private bucketOf(name: Uint8Array): number {
    const zone = zoneOf(name, this.seed)
    return (zone ^ (zone >>> 16)) & (BUCKETS - 1)
  }
}
