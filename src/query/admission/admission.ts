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
import { clientOf } from "./client-key.ts"
import { FairLine, Waiter } from "./fair-queue.ts"
import { type Holder, Holders } from "./permit-holders.ts"

/** Too many queries wait. Answered with SERVFAIL at once. */
export class Shed extends Schema.TaggedError<Shed>()("Shed", {}) {}

/** The query's deadline passed before its turn came. */
export class WaitedTooLong extends Schema.TaggedError<WaitedTooLong>()("WaitedTooLong", {}) {}

/** Who stands in line looks so often whether somebody has come to hold too much for too long. */
const TRY_AGAIN_MS = 250

const shed = Effect.fail(new Shed())
const waitedTooLong = Effect.fail(new WaitedTooLong())

type Resume = (effect: Effect.Effect<void, Shed | WaitedTooLong>) => void

export interface Gate {
  /** Takes a permit if one is free; says whether. */
  readonly take: Effect.Effect<boolean>
  /** Notes who holds a permit. */
  readonly hold: (holder: Holder) => void
  /** Gives a permit back: to the next in line, if anybody stands there. */
  readonly release: (holder: Holder) => Effect.Effect<unknown>
  /**
   * Stands in line until there is a permit to hold, for so many milliseconds at most. Interruptible: who leaves is no
   * longer in line.
   */
  readonly standInLine: (holder: Holder, deadlineMs: number) => Effect.Effect<void, Shed | WaitedTooLong>
  /** How many stand in line. */
  readonly waiting: () => number
  /** Whether so many wait that nothing should be begun that nobody waits for. */
  readonly isBusy: () => boolean
}

export const makeGate = (maxConcurrent: number, maxQueued: number, wheel: TimerWheel["Service"]): Effect.Effect<Gate> =>
  Effect.map(Semaphore.make(maxConcurrent), (semaphore) => {
    const line = new FairLine<InLine>()
    const holders = new Holders()
    const release = semaphore.release(1)
    const handOn = Effect.suspend((): Effect.Effect<unknown> => {
      const next = line.shift()
      if (next === undefined) return release
      next.end(Effect.void)
      return Effect.void
    })

    const wait = (zone: number, client: number, deadlineMs: number): Effect.Effect<void, Shed | WaitedTooLong> =>
      Effect.callback((resume) => {
        const waiter = new InLine(line, wheel, resume, takeOver, deadlineMs)
        line.push(waiter, zone, client)
        return Effect.suspend(() => {
          wheel.cancel(waiter.timer!)
          // Interrupted between being handed the permit and taking it: it goes on to the next.
          return line.remove(waiter) ? Effect.void : handOn
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
      if (line.length < maxQueued) return true
      const victim = line.victimFor(zone, client)
      if (victim === undefined) return false
      line.remove(victim)
      victim.end(shed)
      return true
    }

    return {
      take: semaphore.takeIfAvailable(1),
      hold: (holder) => holders.add(holder, wheel.nowMs()),
      // One that was shed has no permit any more.
      release: (holder) => (holders.remove(holder) ? handOn : Effect.void),
      waiting: () => line.length,
      isBusy: () => line.length > 0 || holders.length * 2 > maxConcurrent,
      standInLine: (holder, deadlineMs) =>
        Effect.suspend((): Effect.Effect<void, Shed | WaitedTooLong> => {
          const zone = zoneOf(holder.question.name, SEED)
          const client = clientOf(holder.client)
          if (takeOver(zone, client)) return Effect.void
          return hasPlace(zone, client) ? Effect.interruptible(wait(zone, client, deadlineMs)) : shed
        })
    }
  })

class InLine extends Waiter {
  timer: Timer | undefined
  private readonly line: FairLine<InLine>
  private readonly wheel: TimerWheel["Service"]
  private readonly resume: Resume
  private readonly takeOver: (zone: number, client: number) => boolean
  private readonly endMs: number

  constructor(
    line: FairLine<InLine>,
    wheel: TimerWheel["Service"],
    resume: Resume,
    takeOver: (zone: number, client: number) => boolean,
    deadlineMs: number
  ) {
    super()
    this.line = line
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
    this.line.remove(this)
    this.resume(hasPermit ? Effect.void : waitedTooLong)
  }

  private arm(): void {
    this.timer = this.wheel.after(Math.min(TRY_AGAIN_MS, this.endMs - this.wheel.nowMs()), this)
  }
}
