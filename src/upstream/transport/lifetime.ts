/**
 * How many questions an upstream answers on one connection, where it closes connections on which others still wait.
 *
 * It is learned from the first that is closed so, and forgotten after a while: the server may have been restarted just
 * then. Where it does so again it is remembered for twice as long. Pure: it is told the time.
 */

/** A server that has answered so many was not counting them. */
const MANY = 1_000
const FIRST_KNOWN_MS = 10_000
const LONGEST_KNOWN_MS = 600_000

export class Lifetime {
  private answers = Number.POSITIVE_INFINITY
  private knownForMs = 0
  private untilMs = Number.NEGATIVE_INFINITY

  /** Questions that a connection opened now is good for. */
  at(nowMs: number): number {
    return nowMs < this.untilMs ? this.answers : Number.POSITIVE_INFINITY
  }

  /** A connection was closed after so many answers while questions waited on it. */
  onClosedAfter(answers: number, nowMs: number): void {
    if (answers < 1 || answers >= MANY) return
    if (nowMs >= this.untilMs) {
      const isOften = nowMs - this.untilMs < LONGEST_KNOWN_MS
      this.knownForMs = isOften ? Math.min(2 * this.knownForMs, LONGEST_KNOWN_MS) : FIRST_KNOWN_MS
      this.untilMs = nowMs + this.knownForMs
    }
    this.answers = answers
  }
}
