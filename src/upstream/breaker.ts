/**
 * A circuit breaker: keeps queries from an upstream that does not answer, and finds out when it does again.
 *
 * Closed: all pass. Open: none does, for a second. HalfOpen: one at a time, as a trial; its answer closes the breaker,
 * its failure opens it again.
 *
 * Pure: it is told the time. What counts as a failure is the caller's to say; here each question counts once in a row
 * of failures, so that one name that always fails does not open it.
 */

/** Different questions that must fail in a row. */
const THRESHOLD = 5
/** An upstream that answered anything this short a time ago is not down. */
const RECENT_MS = 500
/** Milliseconds from opening to the first trial. */
const OPEN_MS = 1_000

export type BreakerState = "Closed" | "Open" | "HalfOpen"

export class Breaker {
  private current: BreakerState = "Closed"
  private readonly failed = new Set<string>()
  private lastSuccessMs = Number.NEGATIVE_INFINITY
  private openedMs = 0
  private isTrialUnderWay = false

  state(nowMs: number): BreakerState {
    if (this.current === "Open" && nowMs - this.openedMs >= OPEN_MS) this.current = "HalfOpen"
    return this.current
  }

  /** Whether `tryPass` would let a query through now. */
  mayPass(nowMs: number): boolean {
    const state = this.state(nowMs)
    return state === "Closed" || (state === "HalfOpen" && !this.isTrialUnderWay)
  }

  /** Whether a query may be sent now. In HalfOpen the one that is let through is the trial. */
  tryPass(nowMs: number): boolean {
    if (!this.mayPass(nowMs)) return false
    this.isTrialUnderWay = this.state(nowMs) === "HalfOpen"
    return true
  }

  onSuccess(nowMs: number): void {
    this.current = "Closed"
    if (this.failed.size > 0) this.failed.clear()
    this.lastSuccessMs = nowMs
    this.isTrialUnderWay = false
  }

  /** @param question what was asked: equal texts count once */
  onFailure(nowMs: number, question: string): void {
    if (this.current === "Open") return
    this.failed.add(question)
    if (this.current === "HalfOpen") this.open(nowMs)
    else if (this.failed.size >= THRESHOLD && nowMs - this.lastSuccessMs > RECENT_MS) this.open(nowMs)
  }

  /** A query that was let through ended without telling anything of the upstream. */
  onUndecided(): void {
    this.isTrialUnderWay = false
  }

  private open(nowMs: number): void {
    this.current = "Open"
    this.openedMs = nowMs
    this.failed.clear()
    this.isTrialUnderWay = false
  }
}
