/** Questions that wait for a connection. */
import type { PendingRequest } from "./connection.ts"

/** First come, first served; those who are over are passed over. */
export class RequestQueue {
  private requests: Array<PendingRequest> = []
  private head = 0

  /** With those who are over. */
  get size(): number {
    return this.requests.length - this.head
  }

  get isEmpty(): boolean {
    while (this.head < this.requests.length && this.requests[this.head]!.isOver) this.head++
    if (this.head < this.requests.length) return false
    this.requests = []
    this.head = 0
    return true
  }

  add(request: PendingRequest): void {
    this.requests.push(request)
  }

  /** Before the others, as far as there is room: it has waited already. */
  addFirst(request: PendingRequest): void {
    if (this.head > 0) this.requests[--this.head] = request
    else this.requests.push(request)
  }

  take(): PendingRequest | undefined {
    return this.isEmpty ? undefined : this.requests[this.head++]
  }

  takeAll(): ReadonlyArray<PendingRequest> {
    const waiting = this.requests.slice(this.head).filter(({ isOver }) => !isOver)
    this.requests = []
    this.head = 0
    return waiting
  }
}
