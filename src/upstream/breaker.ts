/**
 * A circuit breaker: keeps queries from an upstream that does not answer.
 *
 * Closed: all pass. Failures in a row make it suspect, no more: they may be the questions' own, of one zone that nobody
 * can resolve. Whoever told it of the failure has the upstream checked then (`health.ts`), and says what came of it.
 * Open: none passes. HalfOpen: one question is under way as a trial; its answer closes the breaker.
 *
 * Pure: it is told the time.
 */

/** Failures in a row that make it suspect. */
const THRESHOLD = 5
/** An upstream that answered well so short a time ago is not down. */
const RECENT_MS = 500
/** What was seen of a silent upstream this long ago says nothing of it now. Probes come more often while anybody asks. */
const KNOWN_FOR_MS = 2_500
/** Between two trials of one that answers with errors. */
const BETWEEN_TRIALS_MS = 1_500

/** How an attempt failed: the rcode that it was answered with, or no answer. */
export const SILENCE = -1

export type BreakerState = "Closed" | "Open" | "HalfOpen"

export class Breaker {
  state: BreakerState = "Closed"
  /** What it is suspected, or open, for: an rcode or `SILENCE`. */
  fault: number = SILENCE
  private failures = 0
  private lastGoodMs = Number.NEGATIVE_INFINITY
  /** When it was seen to be broken last. */
  private brokenMs = 0

  get isClosed(): boolean {
    return this.state === "Closed"
  }

  /**
   * Whether a trial would be let through now.
   *
   * One that answers, if only with errors, costs next to nothing to try: a question is tried every now and then. One that
   * is silent is not: only where there is nobody else to ask, and long after it was checked.
   *
   * @param isLastResort whether nobody else may be asked
   */
  mayTry(nowMs: number, isLastResort: boolean): boolean {
    if (this.state !== "Open") return false
    if (this.fault !== SILENCE) return nowMs - this.brokenMs >= BETWEEN_TRIALS_MS
    return isLastResort && nowMs - this.brokenMs >= KNOWN_FOR_MS
  }

  /** A question is sent as a trial. */
  beginTrial(): void {
    this.state = "HalfOpen"
  }

  onGoodAnswer(nowMs: number): void {
    this.state = "Closed"
    this.failures = 0
    this.lastGoodMs = nowMs
  }

  /** An error that says nothing of the upstream but that it is there. */
  onError(nowMs: number): void {
    if (this.state === "Closed") {
      if (this.fault === SILENCE) this.failures = 0
    } else if (this.fault === SILENCE) {
      this.onGoodAnswer(nowMs)
    } else {
      this.onUndecided()
    }
  }

  /**
   * It failed a question, `fault` being how.
   *
   * @returns whether it has become suspect and ought to be checked
   */
  onFailure(nowMs: number, fault: number): boolean {
    if (this.state === "HalfOpen") this.open(nowMs)
    if (this.state === "Open") return false
    this.fault = fault
    return ++this.failures >= THRESHOLD && nowMs - this.lastGoodMs > RECENT_MS
  }

  /** A trial ended without telling anything. */
  onUndecided(): void {
    if (this.state === "HalfOpen") this.state = "Open"
  }

  /** It was checked, and is broken. */
  open(nowMs: number): void {
    this.state = "Open"
    this.brokenMs = nowMs
    this.failures = 0
  }
}
