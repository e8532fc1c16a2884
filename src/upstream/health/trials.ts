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
/** Zones that are remembered at most: of more, those that were tried longest ago may be tried sooner. */
const MAX_ZONES = 1_000

export class Trials {
  private underWay = 0
  /** Until when a zone is not tried again, by its hash; what was noted last stands last. */
  private readonly untilMs = new Map<number, number>()
  private readonly seed: number

  /** @param seed keys the hashes; secret, so that an attacker cannot choose zones that share one */
  constructor(seed = SEED) {
    this.seed = seed
  }

  /** @param name that is asked for, in lower case */
  mayBegin(name: Uint8Array, nowMs: number): boolean {
    return this.underWay < MAX_UNDER_WAY && nowMs >= (this.untilMs.get(zoneOf(name, this.seed)) ?? 0)
  }

  begin(name: Uint8Array, nowMs: number): void {
    this.underWay++
    this.note(zoneOf(name, this.seed), nowMs + LONGEST_MS)
  }

  end(name: Uint8Array, isAnswered: boolean, nowMs: number): void {
    this.underWay--
    const zone = zoneOf(name, this.seed)
    if (isAnswered) this.untilMs.delete(zone)
    else this.note(zone, nowMs + IN_VAIN_MS)
  }

  private note(zone: number, untilMs: number): void {
    this.untilMs.delete(zone)
    this.untilMs.set(zone, untilMs)
    if (this.untilMs.size <= MAX_ZONES) return
    for (const oldest of this.untilMs.keys()) {
      this.untilMs.delete(oldest)
      return
    }
  }
}
