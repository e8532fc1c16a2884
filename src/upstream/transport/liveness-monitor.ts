/**
 * The liveness monitor of a connection: it detects silence and idleness.
 *
 * A connection can die without notice: a router forgets it, a server hangs, and the kernel goes on sending for a
 * quarter of an hour (Node has no TCP_USER_TIMEOUT). So a connection on which questions wait and nothing comes in
 * becomes suspect after a time: no more is asked on it, and it is told of the silence each time that it has lasted as
 * long again. The server may also answer in order and be busy with a slow question: so the waiting questions are asked
 * on another connection (`stream-connection.ts`), and this one is closed when no question waits on it any more.
 *
 * One timer a connection, moved only where it would fire too late.
 */
import type { Timer, TimerTarget, TimerWheel } from "../../runtime/timer-wheel.ts"

export interface Monitored {
  /** Questions on it that are not abandoned. */
  readonly awaited: number
  readonly silenceMs: () => number
  /** It has been silent for `times` times as long as it may be. */
  readonly onSilence: (times: number) => void
  readonly onDead: () => void
  readonly onIdle: () => void
}

/** A connection that can be told of its silence, and be closed. */
interface Closable {
  readonly awaited: number
  readonly onSilence: (times: number) => void
  readonly break: (message: string) => void
}

/** Makes a connection of any protocol one that can be monitored. */
export class MonitoredConnection implements Monitored {
  readonly silenceMs: () => number
  private readonly connection: Closable

  constructor(connection: Closable, silenceMs: () => number) {
    this.connection = connection
    this.silenceMs = silenceMs
  }

  get awaited(): number {
    return this.connection.awaited
  }

  onSilence(times: number): void {
    this.connection.onSilence(times)
  }

  onDead(): void {
    this.connection.break("the upstream fell silent")
  }

  onIdle(): void {
    this.connection.break("nothing to do")
  }
}

/** After an exception it is checked again after this time. */
const THROWN_MS = 1_000

export class LivenessMonitor implements TimerTarget {
  private isOver = false
  private silences = 0
  private readonly wheel: TimerWheel["Service"]
  private readonly monitored: Monitored
  private readonly idleMs: number
  private timer: Timer
  private dueMs: number
  private activeMs: number
  /** Since when an answer is due; undefined where none is. */
  private owesSinceMs: number | undefined

  constructor(wheel: TimerWheel["Service"], monitored: Monitored, idleMs: number) {
    this.wheel = wheel
    this.monitored = monitored
    this.idleMs = idleMs
    this.activeMs = wheel.nowMs()
    this.dueMs = this.activeMs + idleMs
    this.timer = wheel.after(idleMs, this)
  }

  /** Whether an answer has been due for longer than it may. */
  get isSuspect(): boolean {
    return this.silences > 0
  }

  /** Whether no answer is due, or one for less than half of the time that it may be. */
  get isLively(): boolean {
    return this.owesSinceMs === undefined || 2 * (this.wheel.nowMs() - this.owesSinceMs) < this.monitored.silenceMs()
  }

  /** A question was written. */
  asked(): void {
    if (this.owesSinceMs === undefined) this.owe()
  }

  /** Something came in. */
  heard(): void {
    this.silences = 0
    this.activeMs = this.wheel.nowMs()
    this.owesSinceMs = undefined
    if (this.monitored.awaited > 0) this.owe()
  }

  end(): void {
    this.isOver = true
    this.wheel.cancel(this.timer)
  }

  private owe(): void {
    this.owesSinceMs = this.wheel.nowMs()
    const silenceMs = this.monitored.silenceMs()
    if (this.dueMs > this.owesSinceMs + silenceMs) this.arm(silenceMs)
  }

  /** The timer's time has come. */
  fire(): void {
    const { timer } = this
    try {
      const nowMs = this.wheel.nowMs()
      if (this.owesSinceMs === undefined) this.lookIdle(nowMs)
      else this.lookSilent(nowMs, this.owesSinceMs)
    } catch (thrown) {
      // Monitoring goes on.
      if (!this.isOver && this.timer === timer) this.arm(THROWN_MS)
      throw thrown
    }
  }

  private lookIdle(nowMs: number): void {
    const idleMs = nowMs - this.activeMs
    if (this.monitored.awaited === 0 && idleMs >= this.idleMs) this.monitored.onIdle()
    else this.arm(this.idleMs - idleMs)
  }

  private lookSilent(nowMs: number, sinceMs: number): void {
    const silenceMs = this.monitored.silenceMs()
    const quietMs = nowMs - sinceMs
    if (quietMs < silenceMs) {
      this.arm(silenceMs - quietMs)
    } else if (this.isSuspect && this.monitored.awaited === 0) {
      this.monitored.onDead()
    } else {
      this.owesSinceMs = nowMs
      this.arm(silenceMs)
      this.monitored.onSilence(++this.silences)
    }
  }

  private arm(delayMs: number): void {
    this.wheel.cancel(this.timer)
    this.dueMs = this.wheel.nowMs() + delayMs
    this.timer = this.wheel.after(delayMs, this)
  }
}
