/**
 * Requests that wait while the admin side is busy: few, in the order they came in, and not for long. So who makes one
 * change after another is slowed down, and not refused; who asks on many connections at once is.
 */
import type { ServerResponse } from "node:http"

const PLACES = 8
/** Between two looks whether it is busy still: one request goes on at each. */
const LOOK_MS = 100
const WAIT_MS = 2_000

interface Waiting {
  readonly response: Pick<ServerResponse, "destroyed">
  readonly untilMs: number
  readonly goOn: () => void
  readonly giveUp: () => void
}

export class WaitingLine {
  private readonly isBusy: () => boolean
  private readonly waiting: Array<Waiting> = []

  constructor(isBusy: () => boolean) {
    this.isBusy = isBusy
  }

  get isEmpty(): boolean {
    return this.waiting.length === 0
  }

  /**
   * Calls one of the two later, or neither where the client has gone meanwhile.
   *
   * @returns whether there was a place: else neither is called
   */
  join(response: Waiting["response"], goOn: () => void, giveUp: () => void): boolean {
    if (this.waiting.length >= PLACES) return false
    this.waiting.push({ response, goOn, giveUp, untilMs: performance.now() + WAIT_MS })
    if (this.waiting.length === 1) this.lookLater()
    return true
  }

  private lookLater(): void {
    setTimeout(() => this.look(), LOOK_MS)
  }

  private look(): void {
    const nowMs = performance.now()
    while (this.waiting[0]?.response.destroyed === true) this.waiting.shift()
    if (this.waiting.length > 0 && !this.isBusy()) {
      this.waiting.shift()!.goOn()
    } else {
      while (this.waiting.length > 0 && this.waiting[0]!.untilMs <= nowMs) this.waiting.shift()!.giveUp()
    }
    if (this.waiting.length > 0) this.lookLater()
  }
}
