/**
 * Keeps queries from a Redis that answers late or not at all.
 *
 * Closed: queries ask it. A few in a row that it did not answer in time open it: none waits for it any more. HalfOpen:
 * it is tried off the queries' way; only an answer in time closes it again.
 *
 * Pure.
 */

/** Turns' questions in a row that were not answered in time. */
const THRESHOLD = 3

export class RedisBreaker {
  state: "Closed" | "Open" | "HalfOpen" = "Open"
  private failures = 0

  get isClosed(): boolean {
    return this.state === "Closed"
  }

  onAnswer(): void {
    this.failures = 0
  }

  onFailure(): void {
    if (++this.failures >= THRESHOLD) this.open()
  }

  open(): void {
    this.state = "Open"
  }

  beginTrial(): void {
    if (this.state === "Open") this.state = "HalfOpen"
  }

  /** @param isInTime whether the trial was answered as fast as a query would have to be */
  endTrial(isInTime: boolean): void {
    if (this.state !== "HalfOpen") return
    this.state = isInTime ? "Closed" : "Open"
    this.failures = 0
  }
}
