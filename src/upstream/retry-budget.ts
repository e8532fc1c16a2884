/**
 * What may be sent beyond the first attempt of each question.
 *
 * An attempt that follows because the one before is overdue takes a token, and every good answer brings one back. So while
 * upstreams answer, lost datagrams are repaired however many there are; when they do not, no more than the burst is sent
 * on top of the questions themselves. A hedge, sent before the first attempt is overdue, takes from a purse of its own
 * that a tenth of the questions fill.
 */

const BURST = 500
const HEDGE_BURST = 100
const HEDGES_PER_QUESTION = 0.1

export class RetryBudget {
  private retries = BURST
  private hedges = HEDGE_BURST

  onQuestion(): void {
    if (this.hedges < HEDGE_BURST) this.hedges += HEDGES_PER_QUESTION
  }

  onAnswer(): void {
    if (this.retries < BURST) this.retries++
  }

  takeRetry(): boolean {
    if (this.retries < 1) return false
    this.retries--
    return true
  }

  takeHedge(): boolean {
    if (this.hedges < 1) return false
    this.hedges--
    return true
  }
}
