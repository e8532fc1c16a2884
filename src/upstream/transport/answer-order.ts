/** Whether a server answers the questions of one connection in the order in which they came, as far as was seen. */

/** What its answers have shown, or its silence to a question that was moved from one silent connection to another. */
export type SeenOrder = "kept" | "any" | "seems kept"

export type Order = "kept" | "any" | "unknown"

const KNOWN_MS = 600_000
/** A silence may have other reasons. */
const SEEMS_MS = 10_000

/** Pure: it is told the time. */
export class AnswerOrder {
  private keptUntilMs = Number.NEGATIVE_INFINITY
  private anyUntilMs = Number.NEGATIVE_INFINITY

  onSeen(order: SeenOrder, nowMs: number): void {
    if (order === "any") this.anyUntilMs = nowMs + KNOWN_MS
    else this.keptUntilMs = Math.max(this.keptUntilMs, nowMs + (order === "kept" ? KNOWN_MS : SEEMS_MS))
  }

  /** One answer out of turn says more than many in turn. */
  at(nowMs: number): Order {
    return nowMs < this.anyUntilMs ? "any" : nowMs < this.keptUntilMs ? "kept" : "unknown"
  }
}
