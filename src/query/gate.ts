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
  /**
   * Runs `effect` with a permit.
   *
   * @param deadlineMs milliseconds that it may stand in line
   * @param onAdmitted called when a query that stood in line gets its turn
   */
  readonly run: <A, E, R>(
    effect: Effect.Effect<A, E, R>,
    deadlineMs: number,
    onAdmitted: () => void
  ) => Effect.Effect<A, E | Shed | WaitedTooLong, R>
  /** Queries that stand in line. */
  readonly waiting: () => number
}

interface Waiter {
  resume: ((effect: Effect.Effect<void, WaitedTooLong>) => void) | undefined
}

export const makeGate = (maxConcurrent: number, maxQueued: number, wheel: TimerWheel["Service"]): Effect.Effect<Gate> =>
  Effect.map(Semaphore.make(maxConcurrent), (semaphore) => {
    // A set keeps the order of arrival and lets anyone leave from the middle.
    const line = new Set<Waiter>()

    const handOn = Effect.suspend((): Effect.Effect<unknown> => {
      for (const waiter of line) {
        line.delete(waiter)
        waiter.resume?.(Effect.void)
        return Effect.void
      }
      return semaphore.release(1)
    })

    /** Ends with a permit in hand. */
    const standInLine = (deadlineMs: number): Effect.Effect<void, WaitedTooLong> =>
      Effect.callback((resume) => {
        const waiter: Waiter = { resume: undefined }
        const timer = wheel.after(deadlineMs, () => {
          line.delete(waiter)
          resume(waitedTooLong)
        })
        waiter.resume = (effect) => {
          wheel.cancel(timer)
          resume(effect)
        }
        line.add(waiter)
        return Effect.suspend(() => {
          wheel.cancel(timer)
          // Interrupted between being handed the permit and taking it: it goes on to the next.
          return line.delete(waiter) ? Effect.void : handOn
        })
      })

    return {
      waiting: () => line.size,
      run: <A, E, R>(effect: Effect.Effect<A, E, R>, deadlineMs: number, onAdmitted: () => void) =>
        Effect.uninterruptibleMask((restore) =>
          Effect.flatMap(semaphore.takeIfAvailable(1), (isFree): Effect.Effect<A, E | Shed | WaitedTooLong, R> => {
            if (isFree) return Effect.ensuring(restore(effect), handOn)
            if (line.size >= maxQueued) return shed
            return Effect.flatMap(restore(standInLine(deadlineMs)), () => {
              onAdmitted()
              return Effect.ensuring(restore(effect), handOn)
            })
          })
        )
    }
  })
