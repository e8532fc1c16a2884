/**
 * Equal questions in flight share one exchange.
 *
 * The exchange lives on its own, with a deadline of its own: whoever asked first may go away without hurting those who
 * wait with it, and each of them keeps its own deadline. Many who wait are woken in slices, so that one popular name
 * does not hold up a turn of the event loop.
 */
import { Context, Effect, Exit, Layer, type Scope } from "effect"
import { type Question, sameQuestion } from "../../dns/question.ts"
import { Incidents } from "../../runtime/incidents.ts"
import { OpenTable } from "../../runtime/open-table.ts"
import { type Timer, TimerWheel } from "../../runtime/timer-wheel.ts"
import { Counters } from "../../telemetry/counters.ts"
import type { ResolutionRecord } from "../../telemetry/record.ts"
import { type Abandonable, type Asker, type Begin, deadlinePassed, type Outcome } from "../../upstream/answer.ts"

/** Followers of one exchange at most; the next one starts another. */
const MAX_FOLLOWERS = 10_000
const WAKE_SLICE = 64

/**
 * Lets the follower wait for its question's exchange, the one under way or a new one, for so long at most. The follower
 * may be told of the outcome before this returns.
 */
export type Join = (follower: Follower, deadlineMs: number) => void

export class Coalescer extends Context.Service<
  Coalescer,
  {
    readonly join: Join
  }
>()("strand/query/Coalescer") {
  /** @param makeBegin makes the function that carries a question upstream and stores the answer, given how to join */
  static readonly layer = <E, R>(
    makeBegin: (join: Join) => Effect.Effect<Begin, E, R>
  ): Layer.Layer<Coalescer, E, Exclude<R, Scope.Scope> | TimerWheel | Counters> =>
    Layer.effect(
      Coalescer,
      Effect.gen(function* () {
        const wheel = yield* TimerWheel
        const counters = yield* Counters
        const incidents = yield* Incidents
        const exchanges: CoalescedExchanges = new OpenTable(
          ({ hash }) => hash,
          (exchange, question) => exchange.isJoinable && sameQuestion(exchange.question, question)
        )
        yield* Effect.addFinalizer(() =>
          Effect.sync(() => {
            for (const exchange of exchanges.values()) exchange.abandon()
          })
        )
        const join: Join = (follower, deadlineMs) => {
          const { question, hash } = follower
          const present = exchanges.get(hash, question)
          const exchange = present ?? new CoalescedExchange(exchanges, question, hash, wheel.nowMs(), incidents)
          follower.wait(exchange, wheel, deadlineMs)
          follower.joined(exchange.record, present !== undefined, exchange.question)
          if (present === undefined) exchange.start(begin)
          else counters.add("upstream.coalesced")
        }
        const begin = yield* makeBegin(join)
        return Coalescer.of({ join })
      })
    )
}

type CoalescedExchanges = OpenTable<CoalescedExchange, Question>

/** One exchange and those who wait for it. */
class CoalescedExchange implements Asker {
  readonly question: Question
  readonly hash: number
  readonly record: ResolutionRecord
  private readonly exchanges: CoalescedExchanges
  private readonly incidents: Incidents
  private underWay: Abandonable | undefined
  /** In the order in which they came, in a ring: who leaves takes only itself out. */
  private first: Follower | undefined
  private count = 0

  constructor(
    exchanges: CoalescedExchanges,
    question: Question,
    hash: number,
    startedMs: number,
    incidents: Incidents
  ) {
    this.incidents = incidents
    this.record = { startedMs, endedMs: 0, attempts: [] }
    this.exchanges = exchanges
    this.question = question
    this.hash = hash
  }

  get isJoinable(): boolean {
    return this.count < MAX_FOLLOWERS
  }

  start(begin: Begin): void {
    this.exchanges.add(this)
    try {
      this.underWay = begin(this.question, this.record, this)
    } catch (defect) {
      this.onOutcome(Exit.die(defect))
    }
  }

  onOutcome(outcome: Outcome): void {
    this.exchanges.delete(this)
    this.tellFollowers(outcome)
  }

  /** Ends the exchange; who still waits is told by its own deadline. */
  abandon(): void {
    this.exchanges.delete(this)
    this.underWay?.abandon()
  }

  /** Ends the exchange if nobody waits for it. */
  abandonIfAlone(): void {
    if (this.count === 0) this.abandon()
  }

  add(follower: Follower): void {
    this.count++
    if (this.first === undefined) {
      this.first = follower
      follower.next = follower
      follower.previous = follower
      return
    }
    const last = this.first.previous!
    last.next = follower
    follower.previous = last
    follower.next = this.first
    this.first.previous = follower
  }

  remove(follower: Follower): void {
    const { next, previous } = follower
    if (next === undefined || previous === undefined) return
    this.count--
    next.previous = previous
    previous.next = next
    if (this.first === follower) this.first = next === follower ? undefined : next
    follower.next = undefined
    follower.previous = undefined
  }

  /** Tells all who wait; a slice of them in this turn, the others in later ones. */
  private tellFollowers(outcome: Outcome): void {
    for (let told = 0; this.first !== undefined; told++) {
      if (told === WAKE_SLICE) {
        setImmediate(() => this.tellFollowers(outcome))
        return
      }
      const { first } = this
      first.leave()
      try {
        first.onOutcome(outcome)
      } catch (thrown) {
        this.incidents.onDefect("an exchange's outcome", thrown)
      }
    }
  }
}

/** Who waits for an exchange: what the outcome is given to, once, unless it leaves before. */
export abstract class Follower {
  abstract readonly question: Question
  /** The question's, by a key that nobody knows. */
  abstract readonly hash: number
  next: Follower | undefined
  previous: Follower | undefined
  private timer: Timer | undefined
  private exchange: CoalescedExchange | undefined
  private wheel: TimerWheel["Service"] | undefined

  /** Told of the exchange: its record, whether another query began it, for which question object. */
  abstract joined(record: ResolutionRecord, isShared: boolean, exchanged: Question): void

  /** The outcome; the failure of a deadline is this follower's alone. */
  abstract onOutcome(outcome: Outcome): void

  wait(exchange: CoalescedExchange, wheel: TimerWheel["Service"], deadlineMs: number): void {
    this.exchange = exchange
    this.wheel = wheel
    this.timer = wheel.after(deadlineMs, this)
    exchange.add(this)
  }

  /** The deadline has passed. */
  fire(): void {
    this.leave()
    this.onOutcome(deadlinePassed)
  }

  /** Leaves, and ends the exchange if nobody else waits for it. */
  abandon(): void {
    const { exchange } = this
    this.leave()
    exchange?.abandonIfAlone()
  }

  leave(): void {
    if (this.timer !== undefined) this.wheel!.cancel(this.timer)
    this.exchange?.remove(this)
    this.timer = undefined
    this.exchange = undefined
  }
}
