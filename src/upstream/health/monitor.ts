/**
 * Checks upstreams of which nothing can be learnt from traffic: those that are suspect, and those that are broken.
 *
 * One that is broken is checked again and again, less and less often while others answer, or nobody asks; several times
 * a second, all together, while queries find nobody to ask. So the first that returns is found within a second.
 *
 * Of all threads of the process one at a time watches an upstream (`watch.ts`). What it finds is in the upstream's
 * breaker, which all have in common. That queries of any thread find nobody to ask, and how many checks there is room
 * for, stands in memory that they share.
 *
 * Driven by the timer wheel: nothing runs while all are well.
 */
import type { Due, Timer } from "../../runtime/timer-wheel.ts"
import type { Upstream } from "../upstream.ts"
import { BORDER, type CheckOptions, HealthCheck } from "./health-check.ts"
import { Common } from "./shared-state.ts"

/** A check that finds no room is put off by so long. */
const PUT_OFF_MS = 100
/** Between two checks of a broken upstream: while queries find nobody to ask, and otherwise, growing by half. */
const URGENT_MS = 600
const SPREAD = 0.2
const FIRST_PAUSE_MS = 1_000
const LONGEST_PAUSE_MS = 10_000
const PAUSE_GROWTH = 1.5
/** A query that found nobody to ask makes it urgent for so long. */
const DEMAND_MS = 2_000
/** Whoever finds nobody to ask so soon after another has nothing new to say. */
const DEMAND_GRAIN_MS = 50
/** Between two looks at what other threads have found and want, while this one watches anything. */
const LOOK_MS = 100
/** Questions a second by which upstreams are checked, all together. */
const CHECKS_PER_SECOND = 5

export interface HealthOptions extends CheckOptions {
  readonly random: () => number
  /** Whatever may be asked. */
  readonly upstreams: () => ReadonlyArray<Upstream>
  /** What all threads know together: `Common`. */
  readonly common: Float64Array
}

/** An upstream that is suspect or broken, and this thread's to watch. */
interface Watched {
  readonly upstream: Upstream
  wasOpened: boolean
  /** Questions that it was checked by. */
  probes: number
  pauseMs: number
  timer: Timer | undefined
  dueMs: number
}

export class Health implements Due {
  private readonly options: HealthOptions
  private readonly watched = new Map<Upstream, Watched>()
  private look: Timer | undefined

  constructor(options: HealthOptions) {
    this.options = options
    // What a thread of the same number left when it died, or what nobody watches any more.
    this.takeUnwatched()
  }

  /** The upstream failed often enough to be looked at. */
  suspect(upstream: Upstream): void {
    if (this.watched.has(upstream) || !upstream.watch.claim(this.nowMs)) return
    upstream.observer.note?.("suspect: it is checked")
    this.checkNow(this.begin(upstream, false))
  }

  /** A query found nobody to ask. */
  onDemand(): void {
    const { nowMs } = this
    const { common, upstreams } = this.options
    if (nowMs - common[Common.Demand]! < DEMAND_GRAIN_MS) return
    common[Common.Demand] = nowMs
    if (this.watched.size < upstreams().length) this.takeUnwatched()
    this.hurry()
  }

  /** Looks at what other threads have done: at an upstream that is well again, at a watch lost, at queries in need. */
  fire(): void {
    this.look = undefined
    try {
      for (const watched of this.watched.values()) {
        const { breaker, watch } = watched.upstream
        if (watched.wasOpened && breaker.isClosed) this.forget(watched)
        else if (!watch.keep(this.nowMs)) this.drop(watched)
      }
      if (this.isUrgent) this.hurry()
    } finally {
      this.lookOn()
    }
  }

  /** Watches what is broken and has nobody who watches it. */
  private takeUnwatched(): void {
    for (const upstream of this.options.upstreams()) {
      if (this.watched.has(upstream)) continue
      if (upstream.breaker.isClosed) {
        if (upstream.watch.isOurs) upstream.watch.release()
      } else if (upstream.watch.claim(this.nowMs)) {
        this.checkNow(this.begin(upstream, true))
      }
    }
  }

  private begin(upstream: Upstream, wasOpened: boolean): Watched {
    const watched: Watched = { upstream, wasOpened, probes: 0, pauseMs: FIRST_PAUSE_MS, timer: undefined, dueMs: 0 }
    this.watched.set(upstream, watched)
    this.lookOn()
    return watched
  }

  /** Checks that are far off come sooner. */
  private hurry(): void {
    const { nowMs } = this
    for (const watched of this.watched.values()) {
      if (watched.timer === undefined || watched.dueMs - nowMs <= URGENT_MS * (1 + SPREAD)) continue
      this.after(watched, this.options.random() * PUT_OFF_MS)
    }
  }

  private checkNow(watched: Watched): void {
    this.goOn(watched, () => this.check(watched))
  }

  private check(watched: Watched): void {
    const { upstream } = watched
    watched.timer = undefined
    // A question of a client's was tried meanwhile, and answered; or nobody asks it any more.
    if ((watched.wasOpened && upstream.breaker.isClosed) || !this.options.upstreams().includes(upstream)) {
      this.forget(watched)
      return
    }
    if (!this.takeRoom()) {
      this.after(watched, PUT_OFF_MS)
      return
    }
    const times = watched.wasOpened ? 1 : 2
    const { nowMs } = this
    const onVerdict = (isWell: boolean) => this.goOn(watched, () => this.onVerdict(watched, isWell, nowMs))
    new HealthCheck(upstream, this.options, times, watched.probes, onVerdict).start()
    watched.probes += times
    // The next one does not wait for this one's verdict: an upstream may be far away.
    if (watched.wasOpened) this.scheduleNext(watched)
  }

  /** Whatever throws here: the upstream is checked again. */
  private goOn(watched: Watched, action: () => void): void {
    try {
      action()
    } catch (thrown) {
      this.options.incidents.onDefect(BORDER, thrown)
      if (this.watched.get(watched.upstream) === watched) this.after(watched, FIRST_PAUSE_MS)
    }
  }

  private onVerdict(watched: Watched, isWell: boolean, sinceMs: number): void {
    const { upstream } = watched
    if (this.watched.get(upstream) !== watched) return
    upstream.observer.note?.(isWell ? "checked: it answers" : "checked: it does not answer")
    const { breaker } = upstream
    if (isWell) {
      if (!watched.wasOpened) this.options.counters.add("upstream.cleared")
      breaker.onGoodAnswer(this.nowMs)
      this.forget(watched)
    } else if (watched.wasOpened) {
      breaker.remainOpen(this.nowMs)
    } else if (breaker.hasAnsweredSince(sinceMs)) {
      // It has answered a client's question meanwhile, in whatever thread.
      this.forget(watched)
    } else {
      breaker.open(this.nowMs)
      watched.wasOpened = true
      this.scheduleNext(watched)
    }
  }

  private scheduleNext(watched: Watched): void {
    const { isUrgent } = this
    const spread = 1 - SPREAD + 2 * SPREAD * this.options.random()
    this.after(watched, spread * (isUrgent ? URGENT_MS : watched.pauseMs))
    watched.pauseMs = isUrgent ? FIRST_PAUSE_MS : Math.min(watched.pauseMs * PAUSE_GROWTH, LONGEST_PAUSE_MS)
  }

  private forget(watched: Watched): void {
    this.drop(watched)
    watched.upstream.watch.release()
  }

  private drop(watched: Watched): void {
    if (watched.timer !== undefined) this.options.wheel.cancel(watched.timer)
    this.watched.delete(watched.upstream)
  }

  private after(watched: Watched, delayMs: number): void {
    const { wheel } = this.options
    if (watched.timer !== undefined) wheel.cancel(watched.timer)
    watched.dueMs = wheel.nowMs() + delayMs
    watched.timer = wheel.after(delayMs, { fire: () => this.checkNow(watched) })
  }

  private lookOn(): void {
    if (this.look === undefined && this.watched.size > 0) this.look = this.options.wheel.after(LOOK_MS, this)
  }

  /** Two threads at the same instant may take the same room: one check more. */
  private takeRoom(): boolean {
    const { nowMs } = this
    const { common } = this.options
    const sinceMs = Math.max(0, nowMs - common[Common.RoomAt]!)
    const room = Math.min(CHECKS_PER_SECOND, common[Common.Room]! + (sinceMs * CHECKS_PER_SECOND) / 1000)
    common[Common.RoomAt] = nowMs
    common[Common.Room] = room < 1 ? room : room - 1
    return room >= 1
  }

  private get isUrgent(): boolean {
    return this.nowMs - this.options.common[Common.Demand]! < DEMAND_MS
  }

  private get nowMs(): number {
    return this.options.wheel.nowMs()
  }
}
