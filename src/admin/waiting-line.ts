/**
 * Requests that wait while too much is asked, by their client or by all: few, and not for long. So who makes one change
 * after another is slowed down, and not refused; who asks on many connections at once is.
 */
import type { ServerResponse } from "node:http"

const PLACES = 8
/** Between two looks who may go on. */
const LOOK_MS = 100
const WAIT_MS = 2_000

interface Waiting {
  readonly response: Pick<ServerResponse, "destroyed">
  readonly untilMs: number
  readonly mayGoOn: () => boolean
  readonly goOn: () => void
  readonly giveUp: () => void
}

export class WaitingLine {
  private waiting: ReadonlyArray<Waiting> = []
  private isLooking = false

  /**
   * Calls one of the two later, or neither where the client has gone meanwhile.
   *
   * @returns whether there was a place: else neither is called
   */
  join(request: Omit<Waiting, "untilMs">): boolean {
    this.forgetGone()
    if (this.waiting.length >= PLACES) return false
    this.waiting = [...this.waiting, { ...request, untilMs: performance.now() + WAIT_MS }]
    this.lookLater()
    return true
  }

  private lookLater(): void {
    if (this.isLooking || this.waiting.length === 0) return
    this.isLooking = true
    setTimeout(() => this.look(), LOOK_MS)
  }

  private look(): void {
    this.isLooking = false
    this.forgetGone()
    const nowMs = performance.now()
    const over: Array<() => void> = []
    const staying: Array<Waiting> = []
    for (const request of this.waiting) {
      if (request.mayGoOn()) over.push(request.goOn)
      else if (request.untilMs <= nowMs) over.push(request.giveUp)
      else staying.push(request)
    }
    this.waiting = staying
    this.lookLater()
    for (const leave of over) leave()
  }

  private forgetGone(): void {
    this.waiting = this.waiting.filter(({ response }) => !response.destroyed)
  }
}
