/**
 * Few exchanges at once of one question for different client networks; the others wait in a queue.
 *
 * A forger has a chance with each exchange of a question that is under way (RFC 5452 §5, the birthday attack). Equal
 * questions share one exchange, but with EDNS Client Subnet each network has its own, and clients choose how many
 * networks there are (RFC 7871 §11.2). An exchange whose turn comes looks into the cache first: an answer of a wide
 * scope serves all clients in it.
 *
 * The queue is bounded by the permits: each exchange in it has one. An exchange that waits for a query's whole time
 * fails with the deadline.
 */
import { Effect, Exit } from "effect"
import { AnswerCache } from "../../cache/answer-cache.ts"
import { Configuration } from "../../config/configuration.ts"
import { type Question, questionKey } from "../../dns/question.ts"
import { type Due, type Timer, TimerWheel } from "../../runtime/timer-wheel.ts"
import { Counters } from "../../telemetry/counters.ts"
import type { ResolutionRecord } from "../../telemetry/record.ts"
import {
  type Abandonable,
  type Answer,
  type Begin,
  deadlinePassed,
  type Outcome,
  type OutcomeTaker
} from "../../upstream/answer.ts"
import { findAlive } from "./lookup.ts"

/** Networks for which one question is asked at the same time, by one thread. */
const AT_ONCE = 4
/** Turns taken at once; what else there is to do comes between. */
const SLICE = 16

/** The same way upstream, with few networks at once. Questions without a client network pass. */
export const fewNetworksAtOnce = (
  begin: Begin
): Effect.Effect<Begin, never, AnswerCache | Configuration | Counters | TimerWheel> =>
  Effect.gen(function* () {
    const cache = yield* AnswerCache
    const counters = yield* Counters
    const wheel = yield* TimerWheel
    const deadlineMs = (yield* Configuration).queryTimeoutSecs * 1000
    const lines = new Map<string, Line>()
    const tools: Tools = { begin, wheel, deadlineMs, find: (question) => findAlive(cache, question) }
    return (question, record, taker) => {
      if (question.origin?.subnet === undefined) return begin(question, record, taker)
      const key = questionKey({ ...question, origin: undefined })
      let line = lines.get(key)
      if (line === undefined) {
        line = new Line(() => lines.delete(key))
        lines.set(key, line)
      }
      const exchange = new NetworkExchange(tools, line, question, record, taker)
      if (line.take(exchange)) exchange.begin()
      else counters.add("upstream.queued")
      return exchange
    }
  })

interface Tools {
  readonly begin: Begin
  readonly wheel: TimerWheel["Service"]
  readonly deadlineMs: number
  readonly find: (question: Question) => Answer | undefined
}

/** One question's exchanges, for whatever networks. */
class Line {
  private readonly onEmpty: () => void
  private readonly waiting = new Set<NetworkExchange>()
  private underWay = 0
  private isMoving = false

  constructor(onEmpty: () => void) {
    this.onEmpty = onEmpty
  }

  /** Whether the exchange may begin at once; else it stands in line. */
  take(exchange: NetworkExchange): boolean {
    if (this.underWay < AT_ONCE && this.waiting.size === 0) {
      this.underWay++
      return true
    }
    this.waiting.add(exchange)
    return false
  }

  /** Another one may begin: what was under way is over. */
  release(): void {
    this.underWay--
    this.moveOn()
  }

  /** It does not stand in line any more. */
  leave(exchange: NetworkExchange): void {
    this.waiting.delete(exchange)
    this.moveOn()
  }

  /** Begins those whose turn it is; one that is over at once makes room for the next within the same loop. */
  private moveOn(): void {
    if (this.isMoving) return
    this.isMoving = true
    let turns = 0
    for (const next of this.waiting) {
      if (this.underWay >= AT_ONCE) break
      if (turns++ === SLICE) {
        setImmediate(() => this.moveOn())
        break
      }
      this.waiting.delete(next)
      this.underWay++
      next.takeTurn()
    }
    this.isMoving = false
    if (this.underWay === 0 && this.waiting.size === 0) this.onEmpty()
  }
}

class NetworkExchange implements OutcomeTaker, Abandonable, Due {
  private readonly tools: Tools
  private readonly line: Line
  private readonly question: Question
  private readonly record: ResolutionRecord
  private readonly taker: OutcomeTaker
  private readonly timer: Timer
  private state: "waiting" | "under-way" | "over" = "waiting"
  private exchange: Abandonable | undefined

  constructor(tools: Tools, line: Line, question: Question, record: ResolutionRecord, taker: OutcomeTaker) {
    this.tools = tools
    this.line = line
    this.question = question
    this.record = record
    this.taker = taker
    this.timer = tools.wheel.after(tools.deadlineMs, this)
  }

  /** There is room. A throw is told like any other outcome: those behind it in line have nothing to do with it. */
  begin(): void {
    this.state = "under-way"
    this.tools.wheel.cancel(this.timer)
    try {
      this.exchange = this.tools.begin(this.question, this.record, this)
    } catch (defect) {
      this.onOutcome(Exit.die(defect))
    }
  }

  /** Its turn has come: it is over at once where there is an answer by now. */
  takeTurn(): void {
    this.state = "under-way"
    const found = this.tools.find(this.question)
    if (found === undefined) this.begin()
    else this.onOutcome(Exit.succeed(found))
  }

  onOutcome(outcome: Outcome): void {
    if (this.end()) this.taker.onOutcome(outcome)
  }

  abandon(): void {
    const { state } = this
    if (!this.end()) return
    if (state === "under-way") this.exchange?.abandon()
  }

  /** It stood in line for as long as a query may take. */
  fire(): void {
    if (this.state === "waiting") this.onOutcome(deadlinePassed)
  }

  /** Makes room; whether it was not over before. */
  private end(): boolean {
    const { line, state } = this
    if (state === "over") return false
    this.state = "over"
    this.tools.wheel.cancel(this.timer)
    if (state === "under-way") line.release()
    else line.leave(this)
    return true
  }
}
