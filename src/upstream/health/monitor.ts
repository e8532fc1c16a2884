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
import type { Timer, TimerTarget } from "../../runtime/timer-wheel.ts"
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

export interface HealthMonitorOptions extends CheckOptions {
  readonly random: () => number
  /** Whatever may be asked. */
  readonly upstreams: () => ReadonlyArray<Upstream>
  /** What all threads know together: `Common`. */
  readonly common: Float64Array
}

/** An upstream that is suspect or broken, and this thread's to watch. */
interface Probed {
  readonly upstream: Upstream
  wasOpened: boolean
  /** Questions that it was checked by. */
  probes: number
  pauseMs: number
  timer: Timer | undefined
  dueMs: number
}

export class HealthMonitor implements TimerTarget {
  private readonly options: HealthMonitorOptions
  private readonly probed = new Map<Upstream, Probed>()
  private look: Timer | undefined

  constructor(options: HealthMonitorOptions) {
    this.options = options
    // What a thread of the same number left when it died, or what nobody watches any more.
    this.claimUnprobed()
  }

  /** The upstream failed often enough to be looked at. */
  suspect(upstream: Upstream): void {
    if (this.probed.has(upstream) || !upstream.probeLease.claim(this.nowMs)) return
    upstream.observer.note?.("suspect: it is checked")
    this.checkNow(this.begin(upstream, false))
  }

  /** A query found nobody to ask. */
  onDemand(): void {
    const { nowMs } = this
    const { common, upstreams } = this.options
    if (nowMs - common[Common.Demand]! < DEMAND_GRAIN_MS) return
    common[Common.Demand] = nowMs
    if (this.probed.size < upstreams().length) this.claimUnprobed()
    this.hurry()
  }

  /** Looks at what other threads have done: at an upstream that is well again, at a watch lost, at queries in need. */
  fire(): void {
    this.look = undefined
    try {
      for (const probed of this.probed.values()) {
        const { breaker, probeLease } = probed.upstream
        if (probed.wasOpened && breaker.isClosed) this.forget(probed)
        else if (!probeLease.renew(this.nowMs)) this.drop(probed)
      }
      if (this.isUrgent) this.hurry()
    } finally {
      this.lookOn()
    }
  }

  /** Watches what is broken and has nobody who watches it. */
  private claimUnprobed(): void {
    for (const upstream of this.options.upstreams()) {
      if (this.probed.has(upstream)) continue
      if (upstream.breaker.isClosed) {
        if (upstream.probeLease.isOurs) upstream.probeLease.release()
      } else if (upstream.probeLease.claim(this.nowMs)) {
        this.checkNow(this.begin(upstream, true))
      }
    }
  }

  private begin(upstream: Upstream, wasOpened: boolean): Probed {
    const probed: Probed = { upstream, wasOpened, probes: 0, pauseMs: FIRST_PAUSE_MS, timer: undefined, dueMs: 0 }
    this.probed.set(upstream, probed)
    this.lookOn()
    return probed
  }

  /** Checks that are far off come sooner. */
  private hurry(): void {
    const { nowMs } = this
    for (const probed of this.probed.values()) {
      if (probed.timer === undefined || probed.dueMs - nowMs <= URGENT_MS * (1 + SPREAD)) continue
      this.after(probed, this.options.random() * PUT_OFF_MS)
    }
  }

  private checkNow(probed: Probed): void {
    this.goOn(probed, () => this.check(probed))
  }

  private check(probed: Probed): void {
    const { upstream } = probed
    probed.timer = undefined
    // A question of a client's was tried meanwhile, and answered; or nobody asks it any more.
    if ((probed.wasOpened && upstream.breaker.isClosed) || !this.options.upstreams().includes(upstream)) {
      this.forget(probed)
      return
    }
    if (!this.takeRoom()) {
      this.after(probed, PUT_OFF_MS)
      return
    }
    const times = probed.wasOpened ? 1 : 2
    const { nowMs } = this
    const onVerdict = (isWell: boolean) => this.goOn(probed, () => this.onVerdict(probed, isWell, nowMs))
    new HealthCheck(upstream, this.options, times, probed.probes, onVerdict).start()
    probed.probes += times
    // The next one does not wait for this one's verdict: an upstream may be far away.
    if (probed.wasOpened) this.scheduleNext(probed)
  }

  /** Whatever throws here: the upstream is checked again. */
  private goOn(probed: Probed, action: () => void): void {
    try {
      action()
    } catch (thrown) {
      this.options.incidents.onDefect(BORDER, thrown)
      if (this.probed.get(probed.upstream) === probed) this.after(probed, FIRST_PAUSE_MS)
    }
  }

  private onVerdict(probed: Probed, isWell: boolean, sinceMs: number): void {
    const { upstream } = probed
    if (this.probed.get(upstream) !== probed) return
    upstream.observer.note?.(isWell ? "checked: it answers" : "checked: it does not answer")
    const { breaker } = upstream
    if (isWell) {
      if (!probed.wasOpened) this.options.counters.add("upstream.cleared")
      breaker.onGoodAnswer(this.nowMs)
      this.forget(probed)
    } else if (probed.wasOpened) {
      breaker.remainOpen(this.nowMs)
    } else if (breaker.hasAnsweredSince(sinceMs)) {
      // It has answered a client's question meanwhile, in whatever thread.
      this.forget(probed)
    } else {
      breaker.open(this.nowMs)
      probed.wasOpened = true
      this.scheduleNext(probed)
    }
  }

  private scheduleNext(probed: Probed): void {
    const { isUrgent } = this
    const spread = 1 - SPREAD + 2 * SPREAD * this.options.random()
    this.after(probed, spread * (isUrgent ? URGENT_MS : probed.pauseMs))
    probed.pauseMs = isUrgent ? FIRST_PAUSE_MS : Math.min(probed.pauseMs * PAUSE_GROWTH, LONGEST_PAUSE_MS)
  }

  private forget(probed: Probed): void {
    this.drop(probed)
    probed.upstream.probeLease.release()
  }

  private drop(probed: Probed): void {
    if (probed.timer !== undefined) this.options.wheel.cancel(probed.timer)
    this.probed.delete(probed.upstream)
  }

  private after(probed: Probed, delayMs: number): void {
    const { wheel } = this.options
    if (probed.timer !== undefined) wheel.cancel(probed.timer)
    probed.dueMs = wheel.nowMs() + delayMs
    probed.timer = wheel.after(delayMs, { fire: () => this.checkNow(probed) })
  }

  private lookOn(): void {
    if (this.look === undefined && this.probed.size > 0) this.look = this.options.wheel.after(LOOK_MS, this)
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
