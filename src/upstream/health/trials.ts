/**
 * Trials: questions that are sent to an upstream though its breaker is not closed, because no other upstream is left.
 *
 * An upstream may be silent about most names and still answer for some: a site without a way to the internet knows its
 * own zone. So a few questions at a time are let through, one for each zone, and none for a zone that was tried in vain
 * a moment ago: zones that cannot be resolved leave room for those that can. Other questions fail at once.
 *
 * Kept by each thread for itself. Pure: it is told the time.
 */
import { zoneOf } from "../../dns/zone.ts"
import { SEED } from "../../runtime/random.ts"

const MAX_UNDER_WAY = 8
/** No trial is waited for longer. */
const LONGEST_MS = 10_000
/** A zone that was asked for in vain is not tried again for so long. */
const IN_VAIN_MS = 2_500
/** Zones that fall into one bucket share its wait. */
const BUCKETS = 64

export class Trials {
  private underWay = 0
  /** Until when a zone is not tried again. */
  private readonly untilMs = new Float64Array(BUCKETS)
  private readonly seed: number

  /** @param seed keys the buckets; secret, so that an attacker cannot choose zones that share one */
  constructor(seed = SEED) {
    this.seed = seed
  }

  /** @param name that is asked for, in lower case */
  mayBegin(name: Uint8Array, nowMs: number): boolean {
    return this.underWay < MAX_UNDER_WAY && nowMs >= this.untilMs[this.bucketOf(name)]!
  }

  begin(name: Uint8Array, nowMs: number): void {
    this.underWay++
    this.untilMs[this.bucketOf(name)] = nowMs + LONGEST_MS
  }

  end(name: Uint8Array, isAnswered: boolean, nowMs: number): void {
    this.underWay--
    this.untilMs[this.bucketOf(name)] = isAnswered ? 0 : nowMs + IN_VAIN_MS
  }

  private bucketOf(name: Uint8Array): number {
    const zone = zoneOf(name, this.seed)
    return (zone ^ (zone >>> 16)) & (BUCKETS - 1)
  }
}
