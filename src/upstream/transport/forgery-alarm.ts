/**
 * Counts replies that no question was sent for. Some of them come to an upstream's sockets when somebody guesses ids
 * (RFC 5452 §9.3): the alarm is raised, and for a while the upstream is asked by TCP, whose connections cannot be
 * guessed.
 *
 * Pure: it is told the time.
 */

/** So many within the window raise it: of 65,536 ids that is one in 3,000. */
const ENOUGH = 20
const WINDOW_MS = 10_000
/** After the last that raised it. */
const LASTS_MS = 10_000

export class ForgeryAlarm {
  private count = 0
  private sinceMs = Number.NEGATIVE_INFINITY
  private untilMs = Number.NEGATIVE_INFINITY

  isRaised(nowMs: number): boolean {
    return nowMs < this.untilMs
  }

  /** @returns whether this one raises the alarm, which was not raised before */
  onForged(nowMs: number): boolean {
    if (nowMs - this.sinceMs > WINDOW_MS) {
      this.sinceMs = nowMs
      this.count = 0
    }
    if (++this.count < ENOUGH) return false
    const wasRaised = this.isRaised(nowMs)
    this.untilMs = nowMs + LASTS_MS
    return !wasRaised
  }
}
