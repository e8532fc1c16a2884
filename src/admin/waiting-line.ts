/**
 * Requests that wait while the admin side is busy: few, and not for long. So who makes one change after another is slowed
 * down, and not refused; who asks on many connections at once is.
 */
import type { ServerResponse } from "node:http"

const PLACES = 8
/** Between two looks whether it is busy still. */
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
  private waiting: ReadonlyArray<Waiting> = []
  private isLooking = false

  constructor(isBusy: () => boolean) {
    this.isBusy = isBusy
  }

  /**
   * Calls one of the two later, or neither where the client has gone meanwhile.
   *
   * @returns whether there was a place: else neither is called
   */
  join(response: Waiting["response"], goOn: () => void, giveUp: () => void): boolean {
    this.forgetGone()
    if (this.waiting.length >= PLACES) return false
    this.waiting = [...this.waiting, { response, goOn, giveUp, untilMs: performance.now() + WAIT_MS }]
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
    const isBusy = this.isBusy()
    const nowMs = performance.now()
    const over = this.waiting.filter(({ untilMs }) => !isBusy || untilMs <= nowMs)
    this.waiting = this.waiting.filter((waiting) => !over.includes(waiting))
    this.lookLater()
    for (const { goOn, giveUp } of over) {
      if (isBusy) giveUp()
      else goOn()
    }
  }

  private forgetGone(): void {
    this.waiting = this.waiting.filter(({ response }) => !response.destroyed)
  }
}
