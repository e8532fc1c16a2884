/**
 * Lets so many queries wait for the network at once; a bounded line stands behind them, the rest are shed.
 *
 * A `Semaphore` holds the permits. The line is ours: a query that is over hands its permit straight to the first in
 * line, while `Semaphore` would wake all who wait (docs/decisions/0003-gate.md).
 */
import { Effect, Schema, Semaphore } from "effect"
import type { TimerWheel } from "../io/timer-wheel.ts"

/** Too many queries wait. Answered with SERVFAIL at once. */
export class Shed extends Schema.TaggedError<Shed>()("Shed", {}) {}

/** The query's deadline passed before its turn came. */
export class WaitedTooLong extends Schema.TaggedError<WaitedTooLong>()("WaitedTooLong", {}) {}

const shed = Effect.fail(new Shed())
const waitedTooLong = Effect.fail(new WaitedTooLong())

export interface Gate {
  /** Takes a permit if one is free; says whether. */
  readonly take: Effect.Effect<boolean>
  /** Gives a permit back: to the first in line, if anybody stands there. */
  readonly release: Effect.Effect<unknown>
  /**
   * Stands in line until there is a permit to hold, for so many milliseconds at most. Interruptible: who leaves is no
   * longer in line.
   */
  readonly standInLine: (deadlineMs: number) => Effect.Effect<void, Shed | WaitedTooLong>
  /** How many stand in line. */
  readonly waiting: () => number
}

export const makeGate = (maxConcurrent: number, maxQueued: number, wheel: TimerWheel["Service"]): Effect.Effect<Gate> =>
  Effect.map(Semaphore.make(maxConcurrent), (semaphore) => {
    const line = new Line()
    const release = semaphore.release(1)
    const handOn = Effect.suspend((): Effect.Effect<unknown> => {
      const waiter = line.shift()
      if (waiter === undefined) return release
      waiter.resume(Effect.void)
      return Effect.void
    })

    const wait = (deadlineMs: number): Effect.Effect<void, WaitedTooLong> =>
      Effect.callback((resume) => {
        const waiter = new Waiter((effect) => {
          wheel.cancel(timer)
          resume(effect)
        })
        const timer = wheel.after(deadlineMs, {
          fire: () => {
            line.remove(waiter)
            resume(waitedTooLong)
          }
        })
        line.push(waiter)
        return Effect.suspend(() => {
          wheel.cancel(timer)
          // Interrupted between being handed the permit and taking it: it goes on to the next.
          return line.remove(waiter) ? Effect.void : handOn
        })
      })

    return {
      take: semaphore.takeIfAvailable(1),
      release: handOn,
      waiting: () => line.length,
      standInLine: (deadlineMs) =>
        Effect.suspend(
          (): Effect.Effect<void, Shed | WaitedTooLong> =>
            line.length >= maxQueued ? shed : Effect.interruptible(wait(deadlineMs))
        )
    }
  })

class Waiter {
  next: Waiter | undefined
  previous: Waiter | undefined
  isInLine = false
  readonly resume: (effect: Effect.Effect<void, WaitedTooLong>) => void

  constructor(resume: (effect: Effect.Effect<void, WaitedTooLong>) => void) {
    this.resume = resume
  }
}

/** First come, first served; anyone may leave from the middle. */
class Line {
  length = 0
  private first: Waiter | undefined
  private last: Waiter | undefined

  push(waiter: Waiter): void {
    waiter.isInLine = true
    waiter.previous = this.last
    if (this.last === undefined) this.first = waiter
    else this.last.next = waiter
    this.last = waiter
    this.length++
  }

  shift(): Waiter | undefined {
    const { first } = this
    if (first !== undefined) this.remove(first)
    return first
  }

  /** Returns whether it stood in line. */
  remove(waiter: Waiter): boolean {
    if (!waiter.isInLine) return false
    waiter.isInLine = false
    if (waiter.previous === undefined) this.first = waiter.next
    else waiter.previous.next = waiter.next
    if (waiter.next === undefined) this.last = waiter.previous
    else waiter.next.previous = waiter.previous
    waiter.next = undefined
    waiter.previous = undefined
    this.length--
    return true
  }
}
