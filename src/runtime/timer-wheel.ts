/**
 * One timer for all that wait: deadlines and attempts by the thousand.
 *
 * A hashed wheel: arming and cancelling link and unlink a node, one fiber turns it. It is driven by `Effect.sleep`, so
 * that a test's clock moves it, and sleeps without waking while nothing is armed. Timers fire up to one tick late,
 * never early.
 *
 * An exception of one timer's callback is reported, and the other timers fire all the same.
 *
 * A thread that was held up finds much overdue at once, though what it waits for may be there and not read yet. It
 * reads that first.
 */
import { Context, Effect, Latch, Layer } from "effect"
import { runGuarded } from "./guard.ts"
import { Incidents } from "./incidents.ts"
import { LoopClock } from "./loop-clock.ts"

/** Milliseconds between two turns. */
const TICK_MS = 5
const SLOTS = 1024
/** A turn that comes so much too late was held up. */
const HELD_UP_MS = 50
/** Turns of the event loop in which what has come meanwhile is read, and what that brings with it. */
const READING_TURNS = 3
/** Who calls, as the log says it. */
const BORDER = "a timer"

/** The target of a timer. An object rather than a function: what waits by the thousand is an object already. */
export interface TimerTarget {
  fire(): void
  /** Ends what `fire` left undone when it threw, and reports the exception. */
  onDefect?(thrown: unknown): void
}

/** A timer that is armed; `cancel` takes it. */
export class Timer {
  dueTick = 0
  previous: Timer | undefined = undefined
  next: Timer | undefined = undefined
  target: TimerTarget | undefined

  constructor(target: TimerTarget | undefined) {
    this.target = target
  }
}

export class TimerWheel extends Context.Service<
  TimerWheel,
  {
    /** Fires `target` once, `delayMs` from now. */
    readonly after: (delayMs: number, target: TimerTarget) => Timer
    /** Disarms a timer; one that has fired or was cancelled stays as it is. */
    readonly cancel: (timer: Timer) => void
    /** When this turn began, in milliseconds; only differences mean something. */
    readonly nowMs: () => number
  }
>()("strand/runtime/TimerWheel") {
  static readonly layer: Layer.Layer<TimerWheel, never, LoopClock> = Layer.effect(
    TimerWheel,
    Effect.gen(function* () {
      const clock = yield* LoopClock
      const wheel = new Wheel(clock, yield* Incidents)
      yield* Effect.forkScoped(
        Effect.gen(function* () {
          while (true) {
            yield* wheel.armed.await
            yield* Effect.sleep(TICK_MS)
            if (wheel.isHeldUp) yield* readFirst
            wheel.advance()
          }
        })
      )
      return TimerWheel.of({
        after: (delayMs, target) => wheel.after(delayMs, target),
        cancel: (timer) => wheel.cancel(timer),
        nowMs: clock.nowMs
      })
    })
  )
}

const readFirst = Effect.repeat(Effect.yieldNow, { times: READING_TURNS - 1 })

class Wheel {
  /** Open while a timer is armed. */
  readonly armed = Latch.makeUnsafe(false)
  private readonly time: LoopClock["Service"]
  private readonly incidents: Incidents
  /** Each slot is a ring around a node of its own. */
  private readonly slots: ReadonlyArray<Timer> = Array.from({ length: SLOTS }, () => ring(new Timer(undefined)))
  private count = 0
  private tick: number

  constructor(time: LoopClock["Service"], incidents: Incidents) {
    this.time = time
    this.incidents = incidents
    this.tick = this.currentTick()
  }

  after(delayMs: number, target: TimerTarget): Timer {
    const timer = new Timer(target)
    if (this.count++ === 0) {
      this.time.refresh()
      this.tick = this.currentTick()
      this.armed.openUnsafe()
    }
    timer.dueTick = Math.max(this.tick + 1, Math.ceil((this.time.nowMs() + delayMs) / TICK_MS))
    const slot = this.slots[timer.dueTick % SLOTS]!
    timer.previous = slot.previous
    timer.next = slot
    slot.previous!.next = timer
    slot.previous = timer
    return timer
  }

  cancel(timer: Timer): void {
    if (timer.target === undefined) return
    timer.target = undefined
    timer.previous!.next = timer.next
    timer.next!.previous = timer.previous
    timer.previous = undefined
    timer.next = undefined
    if (--this.count === 0) this.armed.closeUnsafe()
  }

  /** Whether the last turn was longer ago than the thread slept. */
  get isHeldUp(): boolean {
    return (this.time.preciseMs() / TICK_MS - this.tick - 1) * TICK_MS > HELD_UP_MS
  }

  /** Fires what is due, slot by slot, in the order of their ticks. After a long sleep each slot is looked at once. */
  advance(): void {
    this.time.refresh()
    const now = this.currentTick()
    const first = Math.max(this.tick + 1, now - SLOTS + 1)
    this.tick = now
    for (let tick = first; tick <= now && this.count > 0; tick++) {
      const slot = this.slots[tick % SLOTS]!
      let timer = slot.next!
      while (timer !== slot) {
        const next: Timer = timer.next!
        if (timer.dueTick <= now) {
          const target = timer.target!
          this.cancel(timer)
          this.fire(target)
          // What fires may cancel its neighbours: go on from the ring's head where the next one has gone.
          timer = next.next === undefined ? slot.next! : next
        } else {
          timer = next
        }
      }
    }
  }

  private fire(target: TimerTarget): void {
    try {
      target.fire()
    } catch (thrown) {
      if (target.onDefect === undefined) this.incidents.onDefect(BORDER, thrown)
      else runGuarded(this.incidents, BORDER, () => target.onDefect?.(thrown))
    }
  }

  private currentTick(): number {
    return Math.floor(this.time.nowMs() / TICK_MS)
  }
}

const ring = (node: Timer): Timer => {
  node.previous = node
  node.next = node
  return node
}
