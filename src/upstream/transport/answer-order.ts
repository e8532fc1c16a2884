/** Whether a server answers the questions of one connection in the order in which they came, as far as was seen. */

/** What its answers have shown. */
export type SeenOrder = "kept" | "any"

export type Order = SeenOrder | "unknown"

const KNOWN_MS = 600_000

/** Pure: it is told the time. */
export class AnswerOrder {
  private keptUntilMs = Number.NEGATIVE_INFINITY
  private anyUntilMs = Number.NEGATIVE_INFINITY

  onSeen(order: SeenOrder, nowMs: number): void {
    if (order === "any") this.anyUntilMs = nowMs + KNOWN_MS
    else this.keptUntilMs = nowMs + KNOWN_MS
  }

  /** One answer out of turn says more than many in turn. */
  at(nowMs: number): Order {
    return nowMs < this.anyUntilMs ? "any" : nowMs < this.keptUntilMs ? "kept" : "unknown"
  }
}
