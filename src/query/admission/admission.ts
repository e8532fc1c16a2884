/**
 * Admission: a bounded number of queries wait for the network at once, a bounded queue waits for their permits, and
 * queries beyond that are shed.
 *
 * A `Semaphore` holds the permits. The queue is our own: a query that is over hands its permit to the next one in the
 * queue, while `Semaphore` would wake all that wait (docs/decisions/0003-gate.md). When all permits are taken, the
 * client or zone that holds most of them is shed first.
 */
import { Effect, Schema, Semaphore } from "effect"
import type { Settings } from "../../config/schema/settings.ts"
import { zoneOf } from "../../dns/zone.ts"
import { SEED } from "../../runtime/random.ts"
import type { Timer, TimerWheel } from "../../runtime/timer-wheel.ts"
import { clientKeyOf } from "./client-key.ts"
import { FairQueue, Waiter } from "./fair-queue.ts"
import { type PermitHolder, PermitHolders } from "./permit-holders.ts"

/** Too many queries wait. Answered with SERVFAIL at once. */
export class Shed extends Schema.TaggedError<Shed>()("Shed", {}) {}

/** The query's deadline passed while it was in the queue. */
export class WaitedTooLong extends Schema.TaggedError<WaitedTooLong>()("WaitedTooLong", {}) {}

/** How often a queued query checks whether a client or zone has come to hold too many permits for too long. */
const TRY_AGAIN_MS = 250

const shed = Effect.fail(new Shed())
const waitedTooLong = Effect.fail(new WaitedTooLong())

type Resume = (effect: Effect.Effect<void, Shed | WaitedTooLong>) => void

/** How many queries may wait for the network, and how many behind them. */
export type Limits = Pick<Settings, "maxConcurrentQueries" | "maxQueuedQueries">

export interface Admission {
  /** Takes a permit if one is free; says whether. */
  readonly take: Effect.Effect<boolean>
  /** Notes who holds a permit. */
  readonly hold: (holder: PermitHolder) => void
  /** Gives a permit back: to the next query in the queue, if there is one. */
  readonly release: (holder: PermitHolder) => Effect.Effect<unknown>
  /** Waits in the queue for a permit, for `deadlineMs` at most. An interrupted query leaves the queue. */
  readonly enqueue: (holder: PermitHolder, deadlineMs: number) => Effect.Effect<void, Shed | WaitedTooLong>
  /** How many queries hold a permit. */
  readonly held: () => number
  /** How many queries are in the queue. */
  readonly waiting: () => number
  /** Whether the load is so high that no refresh should begin: nobody waits for a refresh. */
  readonly isBusy: () => boolean
  /** Has so many permits from now on, and so many places in the queue. What is under way or queued stays. */
  readonly resize: (limits: Limits) => void
}

export const makeAdmission = (first: Limits, wheel: TimerWheel["Service"]): Effect.Effect<Admission> =>
  Effect.map(Semaphore.make(first.maxConcurrentQueries), (semaphore) => {
    const queue = new FairQueue<QueuedQuery>()
    const holders = new PermitHolders()
    let limits = first
    const release = semaphore.release(1)
    const handOn = Effect.suspend((): Effect.Effect<unknown> => {
      // There are fewer permits than there were: this one is given up.
      if (holders.length >= limits.maxConcurrentQueries) return release
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
          // Interrupted after the permit was handed over and before it was taken: the permit goes to the next query.
          return queue.remove(waiter) ? Effect.void : handOn
        })
      })

    /** Takes the permit of a query whose client or zone holds too many; says whether there was one. */
    const takeOver = (zone: number, client: number): boolean => {
      const holder = holders.victimFor(zone, client, wheel.nowMs())
      if (holder === undefined) return false
      holders.remove(holder)
      holder.shed()
      return true
    }

    /** Whether the queue has room, made by shedding another query where needed. */
    const hasRoom = (zone: number, client: number): boolean => {
      if (queue.length < limits.maxQueuedQueries) return true
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
      held: () => holders.length,
      waiting: () => queue.length,
      isBusy: () => queue.length > 0 || holders.length * 2 > limits.maxConcurrentQueries,
      resize: (next) => {
        limits = next
        Effect.runSync(semaphore.resize(next.maxConcurrentQueries))
        while (queue.length > 0 && Effect.runSync(semaphore.takeIfAvailable(1))) queue.shift()!.end(Effect.void)
      },
      enqueue: (holder, deadlineMs) =>
        Effect.suspend((): Effect.Effect<void, Shed | WaitedTooLong> => {
          const zone = zoneOf(holder.question.name, SEED)
          const client = clientKeyOf(holder.client)
          if (takeOver(zone, client)) return Effect.void
          return hasRoom(zone, client) ? Effect.interruptible(wait(zone, client, deadlineMs)) : shed
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

  /** Ends the wait, with a permit or with a failure. */
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
