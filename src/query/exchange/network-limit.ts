/**
 * Limits the exchanges of one question for different client networks at the same time; the others wait in a queue.
 *
 * Each exchange of the same question gives a forger another chance (RFC 5452 §5, the birthday attack). Equal questions
 * share one exchange, but with EDNS Client Subnet each network has its own, and clients choose how many networks there
 * are (RFC 7871 §11.2). An exchange that leaves the queue looks into the cache first: an answer of a wide scope serves
 * all clients in it.
 *
 * The queue is bounded by the permits, for each exchange in it has one. An exchange that waits in it for a query's
 * whole time fails with the deadline.
 */
import { Effect, Exit } from "effect"
import { AnswerCache } from "../../cache/answer-cache.ts"
import { Configuration } from "../../config/configuration.ts"
import { type Question, questionKey } from "../../dns/question.ts"
import { type Timer, type TimerTarget, TimerWheel } from "../../runtime/timer-wheel.ts"
import { Counters } from "../../telemetry/counters.ts"
import type { ResolutionRecord } from "../../telemetry/record.ts"
import {
  type Abandonable,
  type Answer,
  type Asker,
  type Begin,
  deadlinePassed,
  type Outcome
} from "../../upstream/answer.ts"
import { findAlive } from "./lookup.ts"

/** Networks for which one question is asked at the same time, by one thread. */
const MAX_AT_ONCE = 4
/** Exchanges begun in one turn of the event loop; other work is done between two turns. */
const SLICE = 16

/** Wraps `begin` with the limit. Questions without a client network pass unlimited. */
export const limitNetworks = (
  begin: Begin
): Effect.Effect<Begin, never, AnswerCache | Configuration | Counters | TimerWheel> =>
  Effect.gen(function* () {
    const cache = yield* AnswerCache
    const counters = yield* Counters
    const wheel = yield* TimerWheel
    const configuration = yield* Configuration
    const deadlineMs = (): number => configuration.current().queryTimeoutSecs * 1000
    const queues = new Map<string, NetworkQueue>()
    const tools: Tools = { begin, wheel, deadlineMs, find: (question) => findAlive(cache, question) }
    return (question, record, asker) => {
      if (question.clientContext?.subnet === undefined) return begin(question, record, asker)
      const key = questionKey({ ...question, clientContext: undefined })
      let queue = queues.get(key)
      if (queue === undefined) {
        queue = new NetworkQueue(() => queues.delete(key))
        queues.set(key, queue)
      }
      const exchange = new NetworkExchange(tools, queue, question, record, asker)
      if (queue.take(exchange)) exchange.begin()
      else counters.add("upstream.queued")
      return exchange
    }
  })

interface Tools {
  readonly begin: Begin
  readonly wheel: TimerWheel["Service"]
  readonly deadlineMs: () => number
  readonly find: (question: Question) => Answer | undefined
}

/** One question's exchanges, for whatever networks. */
class NetworkQueue {
  private readonly onEmpty: () => void
  private readonly waiting = new Set<NetworkExchange>()
  private underWay = 0
  private isBeginning = false

  constructor(onEmpty: () => void) {
    this.onEmpty = onEmpty
  }

  /** Whether the exchange may begin at once; else it is queued. */
  take(exchange: NetworkExchange): boolean {
    if (this.underWay < MAX_AT_ONCE && this.waiting.size === 0) {
      this.underWay++
      return true
    }
    this.waiting.add(exchange)
    return false
  }

  /** Another one may begin: what was under way is over. */
  release(): void {
    this.underWay--
    this.beginNext()
  }

  /** The exchange leaves the queue unasked. */
  leave(exchange: NetworkExchange): void {
    this.waiting.delete(exchange)
    this.beginNext()
  }

  /** Begins the next exchanges; one that is over at once makes room for the next within the same loop. */
  private beginNext(): void {
    if (this.isBeginning) return
    this.isBeginning = true
    let begun = 0
    for (const next of this.waiting) {
      if (this.underWay >= MAX_AT_ONCE) break
      if (begun++ === SLICE) {
        setImmediate(() => this.beginNext())
        break
      }
      this.waiting.delete(next)
      this.underWay++
      next.beginOrFind()
    }
    this.isBeginning = false
    if (this.underWay === 0 && this.waiting.size === 0) this.onEmpty()
  }
}

class NetworkExchange implements Asker, Abandonable, TimerTarget {
  private readonly tools: Tools
  private readonly queue: NetworkQueue
  private readonly question: Question
  private readonly record: ResolutionRecord
  private readonly asker: Asker
  private readonly timer: Timer
  private state: "waiting" | "under-way" | "over" = "waiting"
  private exchange: Abandonable | undefined

  constructor(tools: Tools, queue: NetworkQueue, question: Question, record: ResolutionRecord, asker: Asker) {
    this.tools = tools
    this.queue = queue
    this.question = question
    this.record = record
    this.asker = asker
    this.timer = tools.wheel.after(tools.deadlineMs(), this)
  }

  /** Begins the exchange. An exception becomes its outcome: the exchanges behind it in the queue are not affected. */
  begin(): void {
    this.state = "under-way"
    this.tools.wheel.cancel(this.timer)
    try {
      this.exchange = this.tools.begin(this.question, this.record, this)
    } catch (defect) {
      this.onOutcome(Exit.die(defect))
    }
  }

  /** It leaves the queue: where the answer is cached by now, it is over at once. */
  beginOrFind(): void {
    this.state = "under-way"
    const found = this.tools.find(this.question)
    if (found === undefined) this.begin()
    else this.onOutcome(Exit.succeed(found))
  }

  onOutcome(outcome: Outcome): void {
    if (this.end()) this.asker.onOutcome(outcome)
  }

  abandon(): void {
    const { state } = this
    if (!this.end()) return
    if (state === "under-way") this.exchange?.abandon()
  }

  /** It was in the queue for as long as a query may take. */
  fire(): void {
    if (this.state === "waiting") this.onOutcome(deadlinePassed)
  }

  /** Frees its place; says whether it was still under way or queued. */
  private end(): boolean {
    const { queue, state } = this
    if (state === "over") return false
    this.state = "over"
    this.tools.wheel.cancel(this.timer)
    if (state === "under-way") queue.release()
    else queue.leave(this)
    return true
  }
}
