/**
 * Equal questions that are asked at the same time share one exchange.
 *
 * The exchange has its own life and its own deadline: the query that began it may end without hurting the others that
 * wait for it (its followers), and each follower has its own deadline. Many followers are told in slices, so that one
 * popular name does not block the event loop.
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
 * Lets the follower wait for the exchange of its question, a present one or a new one, for `deadlineMs` at most. The
 * follower may be told of the outcome before this returns.
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
  /** The followers in the order in which they came, in a ring, so that one can leave from the middle. */
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
    this.record = { startedMs, endedMs: 0, attempts: [], leader: undefined }
    this.exchanges = exchanges
    this.question = question
    this.hash = hash
  }

  get isJoinable(): boolean {
    return this.count < MAX_FOLLOWERS
  }

  /** Whether all who wait can give a stale answer. */
  get takesStale(): boolean {
    return this.followers.every(({ takesStale }) => takesStale)
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

  /** Ends the exchange without an outcome; followers are told by their own deadlines. */
  abandon(): void {
    this.exchanges.delete(this)
    this.underWay?.abandon()
  }

  /** Ends the exchange if nobody waits for it. */
  abandonIfAlone(): void {
    if (this.count === 0) this.abandon()
  }

  /** Tells those who can give a stale answer that there is none yet; the others wait on. */
  tellStaleTakers(outcome: Outcome): void {
    for (const follower of this.followers) if (follower.takesStale) this.tell(follower, outcome)
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

  private get followers(): ReadonlyArray<Follower> {
    const all: Array<Follower> = []
    for (let follower = this.first; all.length < this.count; follower = follower!.next) all.push(follower!)
    return all
  }

  /** Tells the followers: one slice in this turn of the event loop, the others in later turns. */
  private tellFollowers(outcome: Outcome): void {
    for (let told = 0; this.first !== undefined; told++) {
      if (told === WAKE_SLICE) {
        setImmediate(() => this.tellFollowers(outcome))
        return
      }
      this.tell(this.first, outcome)
    }
  }

  private tell(follower: Follower, outcome: Outcome): void {
    follower.leave()
    try {
      follower.onOutcome(outcome)
    } catch (thrown) {
      this.incidents.onDefect("an exchange's outcome", thrown)
    }
  }
}

/** A question that waits for an exchange. It is told of the outcome once, unless it leaves before. */
export abstract class Follower {
  abstract readonly question: Question
  /** Keyed hash of the question, so that a client cannot choose colliding questions. */
  abstract readonly hash: number
  next: Follower | undefined
  previous: Follower | undefined
  private timer: Timer | undefined
  private exchange: CoalescedExchange | undefined
  private wheel: TimerWheel["Service"] | undefined

  /**
   * Told of the exchange that it waits for: its record, whether another query began it, and the question object that it
   * was begun for.
   */
  abstract joined(record: ResolutionRecord, isShared: boolean, exchanged: Question): void

  /** The outcome; the failure of a deadline is this follower's alone. */
  abstract onOutcome(outcome: Outcome): void

  /** Whether it can give a stale answer in the place of a fresh one. */
  get takesStale(): boolean {
    return true
  }

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
