/**
 * The health monitor checks upstreams of which queries show too little: suspect ones and broken ones.
 *
 * A broken upstream is checked again and again: less and less often while others answer or nobody asks; several times a
 * second, all of them together, while queries find no upstream to ask. So the first one that returns is found within a
 * second.
 *
 * One thread of the process at a time checks an upstream: the one that holds its probe lease (`probe-lease.ts`). The
 * result is in the upstream's breaker, which all threads share. That queries of any thread find no upstream, and how
 * many checks may still be sent, is in shared memory too.
 *
 * Driven by the timer wheel: nothing runs while all upstreams are well.
 */
import type { Timer, TimerTarget } from "../../runtime/timer-wheel.ts"
import type { Upstream } from "../upstream.ts"
import { BORDER, type CheckOptions, HealthCheck } from "./health-check.ts"
import { Common } from "./shared-state.ts"

/** How long a check is put off when too many were sent. */
const PUT_OFF_MS = 100
/**
 * The time between two checks of a broken upstream: this while queries find no upstream to ask; otherwise the pauses
 * below, growing.
 */
const URGENT_MS = 600
const SPREAD = 0.2
const FIRST_PAUSE_MS = 1_000
const LONGEST_PAUSE_MS = 10_000
const PAUSE_GROWTH = 1.5
/** For this long after a query found no upstream to ask, checks are urgent. */
const DEMAND_MS = 2_000
/** At most one note in 50 ms that a query found no upstream: more would say nothing new. */
const DEMAND_GRAIN_MS = 50
/** How often a thread that asks upstreams looks whether a broken one is checked by nobody, at most. */
const CLAIM_MS = 1_000
/** How often a thread that checks anything looks at what other threads have found. */
const LOOK_MS = 100
/** Check questions a second, for all upstreams and threads together. */
const CHECKS_PER_SECOND = 5

export interface HealthMonitorOptions extends CheckOptions {
  readonly random: () => number
  /** All upstreams that may be asked. */
  readonly upstreams: () => ReadonlyArray<Upstream>
  /** Shared by all threads: `Common`. */
  readonly common: Float64Array
}

/** A suspect or broken upstream whose probe lease this thread holds. */
interface Probed {
  readonly upstream: Upstream
  wasOpened: boolean
  /** How many questions it was checked by. */
  probes: number
  pauseMs: number
  timer: Timer | undefined
  dueMs: number
}

export class HealthMonitor implements TimerTarget {
  private readonly options: HealthMonitorOptions
  private readonly probed = new Map<Upstream, Probed>()
  private look: Timer | undefined
  /** When broken upstreams were looked for that nobody checks. */
  private claimedMs = Number.NEGATIVE_INFINITY

  constructor(options: HealthMonitorOptions) {
    this.options = options
    // Upstreams whose leases a dead thread of the same number left, or that no thread checks any more.
    this.claimUnprobed()
  }

  /** The upstream has become suspect: it is checked. */
  suspect(upstream: Upstream): void {
    if (this.probed.has(upstream) || !upstream.probeLease.claim(this.nowMs)) return
    upstream.observer.note?.("suspect: it is checked")
    this.checkNow(this.begin(upstream, false))
  }

  /** A query found no upstream to ask. */
  onDemand(): void {
    const { nowMs } = this
    const { common, upstreams } = this.options
    if (nowMs - common[Common.Demand]! < DEMAND_GRAIN_MS) return
    common[Common.Demand] = nowMs
    if (this.probed.size < upstreams().length) this.claimUnprobed()
    this.hurry()
  }

  /**
   * A query passed over a broken upstream, for there are others. Somebody checks it, in whatever thread: unless that thread
   * has ended, or the upstream was in no group for a while.
   */
  onPassedOver(): void {
    if (this.nowMs - this.claimedMs >= CLAIM_MS) this.claimUnprobed()
  }

  /**
   * Looks at what other threads have done: an upstream may be well again, a lease lost, a query without an upstream.
   */
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

  /** Takes the leases of broken upstreams that no thread checks. */
  private claimUnprobed(): void {
    this.claimedMs = this.nowMs
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

  /** Moves checks that are far off to now. */
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
    // A trial was answered meanwhile, or the upstream is in no group any more.
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
    // The next check does not wait for the result of this one: an upstream may be far away.
    if (probed.wasOpened) this.scheduleNext(probed)
  }

  /** Runs the action; after an exception the upstream is checked again. */
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

  /**
   * Takes one check from the rate limit. Two threads at the same instant may take the same one: that is one check more.
   */
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
