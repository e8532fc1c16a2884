/**
 * How long an upstream takes, as seen.
 *
 * Two estimates from the same observations. One says how long to wait before the next attempt starts: mean and variation
 * of the answers alone, as RFC 6298 §2 takes them. The other says what it costs to ask this upstream first: there silence
 * and errors count too, so that one that loses questions is dearer than one that is slow.
 *
 * Pure: it is told the time.
 */
import { UNKNOWN_COST } from "./policy.ts"

/** Weights of an observation (RFC 6298 §2.3). */
const MEAN_WEIGHT = 1 / 8
const VARIATION_WEIGHT = 1 / 4
/** What was observed this long ago counts half beside what is observed now. */
const HALF_LIFE_MS = 10_000
/** What an error costs that another upstream did not give. */
const FAULT_MS = 1_000
/** No attempt follows another sooner: timers are coarse, and a busy machine is not a lost datagram. */
export const MIN_PATIENCE_MS = 50
/** No hedge follows sooner. */
const MIN_HEDGE_MS = 20

export class Latency {
  private meanMs = -1
  private variationMs = 0
  private cost = -1
  /** When the cost was observed last; only differences mean something. */
  observedMs = Number.NEGATIVE_INFINITY

  /** It answered a question well after so many milliseconds. */
  onAnswer(elapsedMs: number, nowMs: number): void {
    if (this.meanMs < 0) {
      this.meanMs = elapsedMs
      this.variationMs = elapsedMs / 2
    } else {
      this.variationMs += VARIATION_WEIGHT * (Math.abs(elapsedMs - this.meanMs) - this.variationMs)
      this.meanMs += MEAN_WEIGHT * (elapsedMs - this.meanMs)
    }
    this.observe(elapsedMs, nowMs)
  }

  /** It was silent for so long when another answered: it would have taken longer. */
  onSilence(elapsedMs: number, nowMs: number): void {
    if (elapsedMs > this.cost) this.observe(elapsedMs, nowMs)
  }

  /** It gave an error where another answered well. */
  onFault(nowMs: number): void {
    this.observe(FAULT_MS, nowMs)
  }

  /** Milliseconds that asking it first is expected to take; `UNKNOWN_COST` before anything was seen. */
  get costMs(): number {
    return this.cost < 0 ? UNKNOWN_COST : this.cost
  }

  /** Mean of the answers' times; -1 before the first. */
  get answerMs(): number {
    return this.meanMs
  }

  /** Milliseconds after which an answer is overdue (RFC 6298 §2.3); `limitMs` at most, and where nothing is known. */
  patienceMs(limitMs: number): number {
    if (this.meanMs < 0) return limitMs
    return Math.min(limitMs, Math.max(MIN_PATIENCE_MS, this.meanMs + 4 * this.variationMs))
  }

  /** Milliseconds by which nineteen of twenty answers are there, about; infinite where nothing is known. */
  get hedgeMs(): number {
    if (this.meanMs < 0) return Number.POSITIVE_INFINITY
    return Math.max(MIN_HEDGE_MS, this.meanMs + 2.5 * this.variationMs)
  }

  private observe(elapsedMs: number, nowMs: number): void {
    const sinceMs = nowMs - this.observedMs
    const weight = this.cost < 0 ? 1 : Math.max(MEAN_WEIGHT, sinceMs / (sinceMs + HALF_LIFE_MS))
    this.cost = this.cost < 0 ? elapsedMs : this.cost + weight * (elapsedMs - this.cost)
    this.observedMs = nowMs
  }
}
