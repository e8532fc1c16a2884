/**
 * Whether an upstream gives a question back with the letters that it was sent, as far as one thread has seen.
 *
 * A reply with other letters may be forged: the question is asked again by TCP. When that was so several times in a row,
 * the upstream itself is the reason, and is asked in small letters for a while; then it is tried again.
 *
 * Pure: it is told the time.
 */

/** Questions in a row. */
const ENOUGH = 3
const FIRST_MS = 60_000
const LONGEST_MS = 3_600_000

export class CaseSupport {
  private losses = 0
  private untilMs = Number.NEGATIVE_INFINITY
  private forMs = FIRST_MS

  /** Whether it is to be sent mixed letters. */
  isKept(nowMs: number): boolean {
    return nowMs >= this.untilMs
  }

  onKept(): void {
    this.losses = 0
    this.forMs = FIRST_MS
  }

  onLost(nowMs: number): void {
    // Of many that were under way at once the first ones count.
    if (!this.isKept(nowMs) || ++this.losses < ENOUGH) return
    this.untilMs = nowMs + this.forMs
    this.forMs = Math.min(2 * this.forMs, LONGEST_MS)
    // When it is tried again, once is enough.
    this.losses = ENOUGH - 1
  }
}

/** Whether questions to an upstream have their letters mixed, by the setting `mix_case`: nobody else answers on loopback. */
export const mixesCase = (mixing: "auto" | "on" | "off", isOnLoopback: boolean): boolean =>
  mixing === "on" || (mixing === "auto" && !isOnLoopback)
