/**
 * Checks upstreams of which nothing can be learnt from traffic: those that are suspect, and those that are broken.
 *
 * One that is broken is checked again and again, less and less often while others answer, or nobody asks; several times
 * a second, all together, while queries find nobody to ask. So the first that returns is found within a second.
 *
 * Driven by the timer wheel: nothing runs while all are well.
 */
import type { Timer } from "../io/timer-wheel.ts"
import { type CheckOptions, HealthCheck } from "./health-check.ts"
import type { Upstream } from "./upstream.ts"

/** A check that finds no room is put off by so long. */
const PUT_OFF_MS = 100
/** Between two checks of a broken upstream: while queries find nobody to ask, and otherwise, growing by half. */
const URGENT_MS = 600
const FIRST_PAUSE_MS = 1_000
const LONGEST_PAUSE_MS = 10_000
const PAUSE_GROWTH = 1.5
/** A query that found nobody to ask makes it urgent for so long. */
const DEMAND_MS = 2_000

export interface HealthOptions extends CheckOptions {
  readonly random: () => number
  /** Checks a second at most, all upstreams together. */
  readonly perSecond: number
}

/** An upstream that is suspect or broken. */
interface Watched {
  readonly upstream: Upstream
  wasOpened: boolean
  pauseMs: number
  timer: Timer | undefined
  dueMs: number
}

export class Health {
  private readonly options: HealthOptions
  private readonly watched = new Map<Upstream, Watched>()
  private demandMs = Number.NEGATIVE_INFINITY
  private room: number
  private roomMs = 0

  constructor(options: HealthOptions) {
    this.options = options
    this.room = options.perSecond
  }

  /** The upstream failed often enough to be looked at. */
  suspect(upstream: Upstream): void {
    if (this.watched.has(upstream)) return
    const watched: Watched = { upstream, wasOpened: false, pauseMs: FIRST_PAUSE_MS, timer: undefined, dueMs: 0 }
    this.watched.set(upstream, watched)
    this.check(watched)
  }

  /** A query found nobody to ask. */
  onDemand(): void {
    const { nowMs } = this
    if (nowMs - this.demandMs < URGENT_MS / 2) return
    this.demandMs = nowMs
    for (const watched of this.watched.values()) {
      if (watched.timer === undefined || watched.dueMs - nowMs <= URGENT_MS) continue
      this.after(watched, this.options.random() * PUT_OFF_MS)
    }
  }

  private check(watched: Watched): void {
    const { upstream } = watched
    watched.timer = undefined
    // A question of a client's was tried meanwhile, and answered.
    if (watched.wasOpened && upstream.breaker.isClosed) {
      this.forget(watched)
      return
    }
    if (!this.takeRoom()) {
      this.after(watched, PUT_OFF_MS)
      return
    }
    const times = watched.wasOpened ? 1 : 2
    new HealthCheck(upstream, this.options, times, (isWell) => this.onVerdict(watched, isWell)).begin()
    // The next one does not wait for this one's verdict: an upstream may be far away.
    if (watched.wasOpened) this.scheduleNext(watched)
  }

  private onVerdict(watched: Watched, isWell: boolean): void {
    const { upstream } = watched
    if (this.watched.get(upstream) !== watched) return
    if (isWell) {
      this.options.counters.add(watched.wasOpened ? "upstream.closed" : "upstream.cleared")
      upstream.breaker.onGoodAnswer(this.nowMs)
      this.forget(watched)
      return
    }
    if (watched.wasOpened && upstream.breaker.isClosed) return
    upstream.breaker.open(this.nowMs)
    if (watched.wasOpened) return
    watched.wasOpened = true
    this.options.counters.add("upstream.opened")
    this.scheduleNext(watched)
  }

  private scheduleNext(watched: Watched): void {
    const isUrgent = this.nowMs - this.demandMs < DEMAND_MS
    const spread = 0.8 + 0.4 * this.options.random()
    this.after(watched, spread * (isUrgent ? URGENT_MS : watched.pauseMs))
    watched.pauseMs = isUrgent ? FIRST_PAUSE_MS : Math.min(watched.pauseMs * PAUSE_GROWTH, LONGEST_PAUSE_MS)
  }

  private forget(watched: Watched): void {
    if (watched.timer !== undefined) this.options.wheel.cancel(watched.timer)
    this.watched.delete(watched.upstream)
  }

  private after(watched: Watched, delayMs: number): void {
    const { wheel } = this.options
    if (watched.timer !== undefined) wheel.cancel(watched.timer)
    watched.dueMs = wheel.nowMs() + delayMs
    watched.timer = wheel.after(delayMs, { fire: () => this.check(watched) })
  }

  private takeRoom(): boolean {
    const { nowMs } = this
    const { perSecond } = this.options
    this.room = Math.min(perSecond, this.room + ((nowMs - this.roomMs) * perSecond) / 1000)
    this.roomMs = nowMs
    if (this.room < 1) return false
    this.room--
    return true
  }

  private get nowMs(): number {
    return this.options.wheel.nowMs()
  }
}
