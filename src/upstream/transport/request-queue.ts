/** Questions that wait for a connection. */
import type { PendingRequest } from "./connection.ts"

/** Places of those that were taken, before the others move up. */
const MANY = 1_024

/** First come, first served; requests that are over are skipped. */
export class RequestQueue {
  private requests: Array<PendingRequest> = []
  private head = 0

  /** The length, with requests that are over. */
  get size(): number {
    return this.requests.length - this.head
  }

  get isEmpty(): boolean {
    while (this.head < this.requests.length && this.requests[this.head]!.isOver) this.head++
    if (this.head < this.requests.length) {
      // A queue that is never empty would keep all that were ever in it.
      if (this.head >= MANY && 2 * this.head >= this.requests.length) {
        this.requests.splice(0, this.head)
        this.head = 0
      }
      return false
    }
    this.requests = []
    this.head = 0
    return true
  }

  add(request: PendingRequest): void {
    this.requests.push(request)
  }

  /** Puts a request first, because it has waited already, where there is room before the others. */
  addFirst(request: PendingRequest): void {
    if (this.head > 0) this.requests[--this.head] = request
    else this.requests.push(request)
  }

  /** The one that is taken next. */
  get first(): PendingRequest | undefined {
    return this.isEmpty ? undefined : this.requests[this.head]
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
