/**
 * The limit on questions at once for an upstream that has said that it gets too many (RFC 6585 §4), and the time until
 * it may be asked again.
 *
 * The limit begins as the number of questions that it was answering when it refused others, and is halved each time it
 * refuses again. When it has refused none for a while, the limit grows by one for each round of answers, until there is
 * none any more. Pure: it is told the time.
 */

/** The pause where the server does not say one: doubled each time. */
const FIRST_PAUSE_MS = 100
const LONGEST_PAUSE_MS = 2_000
/** For so long after a refusal the limit is not raised: a question that is refused may wait longer than it has time. */
const STEADY_MS = 10_000
/** From so many questions at once on there is no limit any more. */
const NO_LIMIT = 1_024
/** A limit that was learned so long ago is forgotten. */
const KNOWN_FOR_MS = 600_000

export class Throttle {
  private limit = Number.POSITIVE_INFINITY
  private refusedMs = Number.NEGATIVE_INFINITY
  private untilMs = Number.NEGATIVE_INFINITY
  private pauseMs = FIRST_PAUSE_MS

  /** Read for every question. */
  get isSet(): boolean {
    return this.limit !== Number.POSITIVE_INFINITY
  }

  /** Milliseconds until it may be asked. */
  waitMs(nowMs: number): number {
    return Math.max(0, this.untilMs - nowMs)
  }

  /** @param asked questions under way */
  hasRoom(asked: number, nowMs: number): boolean {
    if (nowMs - this.refusedMs >= KNOWN_FOR_MS) this.limit = Number.POSITIVE_INFINITY
    return nowMs >= this.untilMs && asked < Math.floor(this.limit)
  }

  /**
   * It refused a question.
   *
   * @param asked others that are under way
   * @param waitMs until it wants to be asked again; undefined where it did not say
   */
  onRefused(asked: number, waitMs: number | undefined, nowMs: number): void {
    // What was asked together is refused together: that is one refusal.
    if (nowMs >= this.untilMs) {
      this.limit /= 2
      this.untilMs = nowMs + this.pauseMs
      this.pauseMs = Math.min(2 * this.pauseMs, LONGEST_PAUSE_MS)
    }
    this.limit = Math.max(1, Math.min(this.limit, asked))
    this.refusedMs = nowMs
    if (waitMs !== undefined) this.untilMs = Math.max(this.untilMs, nowMs + waitMs)
  }

  onAnswered(nowMs: number): void {
    if (!this.isSet) return
    if (nowMs - this.refusedMs >= STEADY_MS) this.limit += 1 / this.limit
    if (nowMs >= this.untilMs) this.pauseMs = FIRST_PAUSE_MS
    if (this.limit >= NO_LIMIT) this.limit = Number.POSITIVE_INFINITY
  }
}
