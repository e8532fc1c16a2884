/**
 * Lets so many queries wait for the network at once; a bounded line stands behind them, the rest are shed.
 *
 * A `Semaphore` holds the permits. The line is ours: a query that is over hands its permit straight to the next in line,
 * while `Semaphore` would wake all who wait (docs/decisions/0003-gate.md). When the room is full, the client or
 * zone that holds most of it is shed first.
 */
import { Effect, Schema, Semaphore } from "effect"
import { zoneOf } from "../../dns/zone.ts"
import { SEED } from "../../runtime/random.ts"
import type { Timer, TimerWheel } from "../../runtime/timer-wheel.ts"
import { clientKeyOf } from "./client-key.ts"
import { FairQueue, Waiter } from "./fair-queue.ts"
import { type PermitHolder, PermitHolders } from "./permit-holders.ts"

/** Too many queries wait. Answered with SERVFAIL at once. */
export class Shed extends Schema.TaggedError<Shed>()("Shed", {}) {}

/** The query's deadline passed before its turn came. */
export class WaitedTooLong extends Schema.TaggedError<WaitedTooLong>()("WaitedTooLong", {}) {}

/** Who stands in line looks so often whether somebody has come to hold too much for too long. */
const TRY_AGAIN_MS = 250

const shed = Effect.fail(new Shed())
const waitedTooLong = Effect.fail(new WaitedTooLong())

type Resume = (effect: Effect.Effect<void, Shed | WaitedTooLong>) => void

export interface Admission {
  /** Takes a permit if one is free; says whether. */
  readonly take: Effect.Effect<boolean>
  /** Notes who holds a permit. */
  readonly hold: (holder: PermitHolder) => void
  /** Gives a permit back: to the next in line, if anybody stands there. */
  readonly release: (holder: PermitHolder) => Effect.Effect<unknown>
  /**
   * Stands in line until there is a permit to hold, for so many milliseconds at most. Interruptible: who leaves is no
   * longer in line.
   */
  readonly enqueue: (holder: PermitHolder, deadlineMs: number) => Effect.Effect<void, Shed | WaitedTooLong>
  /** How many stand in line. */
  readonly waiting: () => number
  /** Whether so many wait that nothing should be begun that nobody waits for. */
  readonly isBusy: () => boolean
}

export const makeAdmission = (
  maxConcurrent: number,
  maxQueued: number,
  wheel: TimerWheel["Service"]
): Effect.Effect<Admission> =>
  Effect.map(Semaphore.make(maxConcurrent), (semaphore) => {
    const queue = new FairQueue<QueuedQuery>()
    const holders = new PermitHolders()
    const release = semaphore.release(1)
    const handOn = Effect.suspend((): Effect.Effect<unknown> => {
      const next = queue.shift()
      if (next === undefined) return release
      next.end(Effect.void)
      return Effect.void
    })

    const wait = (zone: number, client: number, deadlineMs: number): Effect.Effect<void, Shed | WaitedTooLong> =>
      Effect.callback((resume) => {
        const waiter = new QueuedQuery(queue, wheel, resume, takeOver, deadlineMs)
        queue.push(waiter, zone, client)
        return Effect.suspend(() => {
          wheel.cancel(waiter.timer!)
          // Interrupted between being handed the permit and taking it: it goes on to the next.
          return queue.remove(waiter) ? Effect.void : handOn
        })
      })

    /** Takes over the permit of one that holds too much, if there is one; says whether. */
    const takeOver = (zone: number, client: number): boolean => {
      const holder = holders.victimFor(zone, client, wheel.nowMs())
      if (holder === undefined) return false
      holders.remove(holder)
      holder.shed()
      return true
    }

    /** Whether there is a place in line, made by shedding another where need be. */
    const hasPlace = (zone: number, client: number): boolean => {
      if (queue.length < maxQueued) return true
      const victim = queue.victimFor(zone, client)
      if (victim === undefined) return false
      queue.remove(victim)
      victim.end(shed)
      return true
    }

    return {
      take: semaphore.takeIfAvailable(1),
      hold: (holder) => holders.add(holder, wheel.nowMs()),
      // One that was shed has no permit any more.
      release: (holder) => (holders.remove(holder) ? handOn : Effect.void),
      waiting: () => queue.length,
      isBusy: () => queue.length > 0 || holders.length * 2 > maxConcurrent,
      enqueue: (holder, deadlineMs) =>
        Effect.suspend((): Effect.Effect<void, Shed | WaitedTooLong> => {
          const zone = zoneOf(holder.question.name, SEED)
          const client = clientKeyOf(holder.client)
          if (takeOver(zone, client)) return Effect.void
          return hasPlace(zone, client) ? Effect.interruptible(wait(zone, client, deadlineMs)) : shed
        })
    }
  })

class QueuedQuery extends Waiter {
  timer: Timer | undefined
  private readonly queue: FairQueue<QueuedQuery>
  private readonly wheel: TimerWheel["Service"]
  private readonly resume: Resume
  private readonly takeOver: (zone: number, client: number) => boolean
  private readonly endMs: number

  constructor(
    queue: FairQueue<QueuedQuery>,
    wheel: TimerWheel["Service"],
    resume: Resume,
    takeOver: (zone: number, client: number) => boolean,
    deadlineMs: number
  ) {
    super()
    this.queue = queue
    this.wheel = wheel
    this.resume = resume
    this.takeOver = takeOver
    this.endMs = wheel.nowMs() + deadlineMs
    this.arm()
  }

  /** It is no longer in line: it has a permit, or must go. */
  end(effect: Effect.Effect<void, Shed | WaitedTooLong>): void {
    this.wheel.cancel(this.timer!)
    this.resume(effect)
  }

  fire(): void {
    const hasPermit = this.takeOver(this.zone, this.client)
    if (!hasPermit && this.wheel.nowMs() < this.endMs) {
      this.arm()
      return
    }
    this.queue.remove(this)
    this.resume(hasPermit ? Effect.void : waitedTooLong)
  }

  private arm(): void {
    this.timer = this.wheel.after(Math.min(TRY_AGAIN_MS, this.endMs - this.wheel.nowMs()), this)
  }
}
