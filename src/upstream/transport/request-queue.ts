/** Questions that wait for a connection. */
import type { Call } from "./connection.ts"

/** First come, first served; those who are over are passed over. */
export class Line {
  private calls: Array<Call> = []
  private head = 0

  /** With those who are over. */
  get size(): number {
    return this.calls.length - this.head
  }

  get isEmpty(): boolean {
    while (this.head < this.calls.length && this.calls[this.head]!.isOver) this.head++
    if (this.head < this.calls.length) return false
    this.calls = []
    this.head = 0
    return true
  }

  add(call: Call): void {
    this.calls.push(call)
  }

  /** Before the others, as far as there is room: it has waited already. */
  addFirst(call: Call): void {
    if (this.head > 0) this.calls[--this.head] = call
    else this.calls.push(call)
  }

  take(): Call | undefined {
    return this.isEmpty ? undefined : this.calls[this.head++]
  }

  takeAll(): ReadonlyArray<Call> {
    const waiting = this.calls.slice(this.head).filter(({ isOver }) => !isOver)
    this.calls = []
    this.head = 0
    return waiting
  }
}
