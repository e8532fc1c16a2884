/**
 * How long an upstream takes, as seen.
 *
 * Two estimates from the same observations. One says how long to wait before the next attempt starts: mean and
 * variation of the answers alone, as RFC 6298 §2 takes them. The other says what it costs to ask this upstream first:
 * there silence and errors count too, so that one that loses questions is dearer than one that is slow.
 *
 * All threads of a process add what they see to one pair of estimates. It is added without a lock: of two answers at
 * the same instant one may be lost.
 *
 * Pure: it is told the time.
 */
import { Estimate, ownState, type UpstreamState } from "../health/shared-state.ts"
import { UNKNOWN_COST } from "./policy.ts"

/** Weights of an observation (RFC 6298 §2.3). */
const MEAN_WEIGHT = 1 / 8
const VARIATION_WEIGHT = 1 / 4
/** What was observed this long ago counts half beside what is observed now. */
const HALF_LIFE_MS = 10_000
/** As good as never: a number, also where nothing was observed yet. */
const LONG_AGO_MS = 1e9
/** What an error costs that another upstream did not give. */
const FAULT_MS = 1_000
/** No attempt follows another sooner: a busy machine is not a lost datagram. */
export const MIN_PATIENCE_MS = 50
/**
 * An answer is never late before the mean and this much more, however steady the answers are: clocks are coarse, and a
 * thread may be held up (RFC 6298 §2, the granularity G).
 */
const GRANULARITY_MS = 25
/** Of a near server a segment that was lost is there by then: kernels send it again after some 200 ms. */
const MIN_SILENCE_MS = 250
const SILENCE_PATIENCES = 3

export class Latency {
  private readonly estimates: Float64Array

  constructor({ estimates }: UpstreamState = ownState()) {
    this.estimates = estimates
  }

  /** When the cost was observed last; only differences mean something. */
  get observedMs(): number {
    return this.estimates[Estimate.Observed]!
  }

  /** It answered a question well after so many milliseconds. */
  onAnswer(elapsedMs: number, nowMs: number): void {
    const { estimates } = this
    const meanMs = estimates[Estimate.Mean]!
    if (meanMs < 0) {
      estimates[Estimate.Variation] = elapsedMs / 2
      estimates[Estimate.Mean] = elapsedMs
    } else {
      estimates[Estimate.Variation]! +=
        VARIATION_WEIGHT * (Math.abs(elapsedMs - meanMs) - estimates[Estimate.Variation]!)
      estimates[Estimate.Mean] = meanMs + MEAN_WEIGHT * (elapsedMs - meanMs)
    }
    this.observe(elapsedMs, nowMs)
  }

  /** It was silent for so long when another answered: it would have taken longer. */
  onSilence(elapsedMs: number, nowMs: number): void {
    if (elapsedMs > this.estimates[Estimate.Cost]!) this.observe(elapsedMs, nowMs)
  }

  /** It gave an error where another answered well. */
  onFault(nowMs: number): void {
    this.observe(FAULT_MS, nowMs)
  }

  /** Milliseconds that asking it first is expected to take; `UNKNOWN_COST` before anything was seen. */
  get costMs(): number {
    const cost = this.estimates[Estimate.Cost]!
    return cost < 0 ? UNKNOWN_COST : cost
  }

  /** Mean of the answers' times; -1 before the first. */
  get answerMs(): number {
    return this.estimates[Estimate.Mean]!
  }

  /** Milliseconds after which an answer is overdue (RFC 6298 §2.3); `limitMs` at most, and where nothing is known. */
  patienceMs(limitMs: number): number {
    const meanMs = this.answerMs
    if (meanMs < 0) return limitMs
    return Math.min(limitMs, Math.max(MIN_PATIENCE_MS, meanMs + this.spreadMs(4)))
  }

  /**
   * Milliseconds of silence on a connection on which questions wait, after which it may be dead: a quarter of a second
   * at least; `limitMs` at most, and where nothing is known. Long beside what an answer takes: one slow answer, or a
   * segment that is sent again, is no silence.
   */
  silenceMs(limitMs: number): number {
    return Math.max(MIN_SILENCE_MS, Math.min(limitMs, SILENCE_PATIENCES * this.patienceMs(limitMs)))
  }

  /** Milliseconds by which nineteen of twenty answers are there, about; infinite where nothing is known. */
  get hedgeMs(): number {
    const meanMs = this.answerMs
    if (meanMs < 0) return Number.POSITIVE_INFINITY
    return meanMs + this.spreadMs(2.5)
  }

  /** So many times the variation, but the granularity at least. */
  private spreadMs(variations: number): number {
    return Math.max(GRANULARITY_MS, variations * this.estimates[Estimate.Variation]!)
  }

  private observe(elapsedMs: number, nowMs: number): void {
    const { estimates } = this
    const cost = estimates[Estimate.Cost]!
    const sinceMs = Math.min(nowMs - estimates[Estimate.Observed]!, LONG_AGO_MS)
    const weight = Math.max(MEAN_WEIGHT, sinceMs / (sinceMs + HALF_LIFE_MS))
    estimates[Estimate.Cost] = cost < 0 ? elapsedMs : cost + weight * (elapsedMs - cost)
    estimates[Estimate.Observed] = nowMs
  }
}
