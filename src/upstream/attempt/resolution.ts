/**
 * The resolution of a question: attempts at upstreams until one gives a good answer.
 *
 * An attempt that is overdue, by what its upstream usually takes, is followed by the next one and goes on: the first
 * good answer wins. Upstreams that were not asked yet come first, none is asked more than three times (RFC 9520 §3.1).
 * One state machine a question, driven by what its attempts tell it and by one timer.
 */
import { Exit } from "effect"
import { Rcode } from "../../dns/codes.ts"
import { isOfPolicy } from "../../dns/extended-error.ts"
import type { Question } from "../../dns/question.ts"
import type { ErrorReason } from "../../dns/reply.ts"
import type { Response } from "../../dns/response.ts"
import type { Timer, TimerTarget, TimerWheel } from "../../runtime/timer-wheel.ts"
import type { Counters } from "../../telemetry/counters.ts"
import type { ResolutionRecord } from "../../telemetry/record.ts"
import {
  type Abandonable,
  type Answer,
  type Asker,
  answerOf,
  deadlinePassed,
  NoUpstreamAvailable,
  type Outcome,
  QuestionUnanswered,
  UpstreamsFailed
} from "../answer.ts"
import { SILENCE } from "../health/breaker.ts"
import type { HealthMonitor } from "../health/monitor.ts"
import type { AttemptFailure } from "../requester.ts"
import { type History, type Member, nextUpstream, type UpstreamGroup } from "../select/group.ts"
import type { Upstream } from "../upstream.ts"
import { type AttemptEvents, UpstreamAttempt } from "./attempt.ts"
import { blameSilent, endAll, failuresOf, hasFailed, isAnyPromising, silenceDueMs, timesAsked } from "./attempts.ts"
import type { Resolver } from "./resolver.ts"
import type { RetryBudget } from "./retry-budget.ts"
import type { RetryPlan } from "./retry-schedule.ts"

const noUpstreamAvailable: Outcome = Exit.fail(new NoUpstreamAvailable())
const questionUnanswered: Outcome = Exit.fail(new QuestionUnanswered())

/**
 * A retry that the budget withholds is tried again after this time, then after twice the time: answers may have filled
 * the budget.
 */
const WITHHELD_MS = 50

export interface ResolutionOptions {
  readonly wheel: TimerWheel["Service"]
  readonly counters: Counters["Service"]
  readonly deadlineMs: number
  readonly attemptTimeoutMs: number
  readonly retries: number
  readonly maxInFlight: number
  readonly budget: RetryBudget
  readonly health: HealthMonitor
  readonly failsOver: (rcode: number) => boolean
  readonly nextPlan: () => RetryPlan
}

export class Resolution implements AttemptEvents, History, TimerTarget, Abandonable {
  readonly question: Question
  readonly options: ResolutionOptions
  private readonly resolver: Resolver
  private readonly ranked: ReadonlyArray<Member>
  private readonly atOnce: number
  readonly record: ResolutionRecord
  private readonly asker: Asker
  private readonly plan: RetryPlan
  private readonly endMs: number
  private attempts: Array<UpstreamAttempt> = none
  /** Whether all breakers were open at the start: then the question fails when the one trial at each gets no answer. */
  private readonly areAllBroken: boolean
  private timer: Timer | undefined
  /** When the last attempt is overdue. */
  private overdueMs = Number.POSITIVE_INFINITY
  /**
   * Attempts after a late one (`retries`), and after an error (`failovers`): each as many as the setting `retries`
   * allows.
   */
  private retries = 0
  private failovers = 0
  private withheldMs = WITHHELD_MS
  /** When the retry schedule, without adaptation, would start the next retry: from then on it needs no token of the budget. */
  private latestMs: number
  private mayHedge: boolean
  private lastError = ""
  /** What a trusted upstream said of its error. */
  private extendedError: ErrorReason | undefined
  private isOver = false

  constructor(
    resolver: Resolver,
    group: UpstreamGroup,
    question: Question,
    record: ResolutionRecord,
    options: ResolutionOptions,
    asker: Asker
  ) {
    this.resolver = resolver
    this.question = question
    this.record = record
    this.options = options
    this.asker = asker
    this.plan = options.nextPlan()
    const nowMs = options.wheel.nowMs()
    const { order, atOnce } = group.rank(nowMs, question.name, question.clientContext?.coordinates)
    this.ranked = order
    this.areAllBroken = order.every(({ upstream }) => !upstream.breaker.isClosed)
    this.atOnce = this.areAllBroken ? order.length : atOnce
    this.mayHedge = order.length > 1 && atOnce === 1
    this.endMs = nowMs + options.deadlineMs
    this.latestMs = nowMs + this.longestWaitMs
  }

  begin(): void {
    const { budget, counters, health } = this.options
    budget.onQuestion()
    if (this.areAllBroken) health.onDemand()
    else if (this.ranked.some(({ upstream }) => !upstream.breaker.isClosed)) health.onPassedOver()
    const first = this.next()
    if (first === undefined) {
      this.finish(noUpstreamAvailable)
      return
    }
    counters.add("upstream.attempts")
    this.start(first)
    for (let n = 1; n < this.atOnce && !this.isOver; n++) {
      const other = this.next()
      if (other === undefined || this.timesAsked(other) > 0) break
      counters.add("upstream.attempts")
      this.start(other)
    }
    this.armForNext()
  }

  /** Ends the attempts without telling the asker. */
  abandon(): void {
    if (!this.isOver) this.close(undefined)
  }

  onResponse(attempt: UpstreamAttempt, response: Response): void {
    if (this.isOver || !attempt.isPending) return
    const { upstream } = attempt
    attempt.rcode = response.rcode
    const answer = answerOf(response, upstream.isTrusted, this.options.failsOver)
    if (answer !== undefined) {
      if (response.isRebound === true) this.options.counters.add("answers.rebound")
      attempt.end("answered")
      upstream.breaker.onGoodAnswer(this.nowMs)
      upstream.known.note(this.question, this.nowMs)
      if (!attempt.isHeld) upstream.latency.onAnswer(attempt.waitedMs, this.nowMs)
      this.options.budget.onAnswer(this.question.name)
      this.finish(Exit.succeed(explained(answer, response, upstream)), upstream)
      return
    }
    attempt.end("error-response")
    if (upstream.isTrusted) this.extendedError ??= response.extendedError
    this.goOn()
  }

  onFailure(attempt: UpstreamAttempt, failure: AttemptFailure): void {
    if (this.isOver || !attempt.isPending) return
    const isGarbage = failure._tag === "GarbageReceived"
    if (!isGarbage) this.lastError = failure.message
    attempt.end(isGarbage ? "garbage" : "network-error")
    if (attempt.upstream.breaker.onFailure(this.nowMs, SILENCE)) this.options.health.suspect(attempt.upstream)
    this.goOn(failure._tag === "NetworkFailure" && failure.isUnsent === true)
  }

  /** An ICMP error: the next attempt starts at once, and this one still counts if an answer comes. */
  onTrouble(attempt: UpstreamAttempt, message: string): void {
    if (this.isOver || attempt.isTroubled) return
    this.lastError = message
    attempt.isTroubled = true
    this.goOn()
  }

  /** An exception in a callback of the network or of a timer: the question fails, and its clients get SERVFAIL. */
  onDefect(thrown: unknown): void {
    if (!this.isOver) this.finish(Exit.die(thrown))
  }

  /** The last attempt is overdue, or a hedge is due, or all the time is over. */
  fire(): void {
    const { nowMs } = this
    blameSilent(this.attempts, this.longestWaitMs, nowMs, this.options.health)
    if (nowMs >= this.endMs || (this.areAllBroken && nowMs >= this.overdueMs && !this.mayFollow())) {
      this.finish(this.isOfQuestion ? questionUnanswered : deadlinePassed)
      return
    }
    if (nowMs >= this.overdueMs) this.retry()
    else if (this.mayHedge) this.hedge()
    else this.arm(this.overdueMs)
  }

  /** A hedge: the first attempt is later than usual, so another upstream is asked too, if the budget allows it. */
  private hedge(): void {
    this.mayHedge = false
    const other = this.ranked.find(
      ({ upstream }) =>
        upstream.breaker.isClosed && upstream.busyWith < this.options.maxInFlight && this.timesAsked(upstream) === 0
    )
    if (other !== undefined && this.options.budget.takeHedge(this.question.name)) {
      this.options.counters.add("upstream.hedges")
      other.upstream.observer.hedged()
      const { overdueMs } = this
      this.start(other.upstream)
      this.overdueMs = Math.max(overdueMs, this.nowMs + WITHHELD_MS)
    }
    this.arm(this.overdueMs)
  }

  private retry(): void {
    if (this.retries >= this.options.retries) {
      this.arm(Number.POSITIVE_INFINITY)
      return
    }
    const upstream = this.next()
    if (upstream === undefined) {
      this.arm(Number.POSITIVE_INFINITY)
    } else if (this.nowMs < this.latestMs && upstream.transport === "tcp" && this.timesAsked(upstream) > 0) {
      // A stream loses nothing: this server has the question already.
      this.arm(this.latestMs)
    } else if (this.nowMs >= this.latestMs || this.options.budget.takeRetry(this.question.name)) {
      this.retries++
      this.latestMs += this.plan[this.retries] ?? Number.POSITIVE_INFINITY
      this.follow(upstream)
    } else {
      upstream.observer.withheld()
      this.arm(this.nowMs + this.withheldMs)
      this.withheldMs *= 2
    }
  }

  /** Milliseconds that the first attempt is waited for at most: the attempt's timeout, spread. */
  private get longestWaitMs(): number {
    return this.plan[0] ?? this.options.attemptTimeoutMs
  }

  /**
   * After a failed attempt: another follows if one may, else pending attempts decide, else the question fails.
   *
   * @param isUnsent the failed attempt asked nobody: another upstream is asked however few attempts are allowed
   */
  private goOn(isUnsent = false): void {
    const upstream = this.next()
    if (upstream !== undefined && this.mayFailOver(upstream, isUnsent)) {
      if (!isUnsent) this.failovers++
      this.latestMs = Math.max(this.latestMs, this.nowMs + (this.plan[this.retries] ?? 0))
      this.follow(upstream)
      return
    }
    if (isAnyPromising(this.attempts)) return
    const message = this.lastError === "" ? "no upstream gave a usable answer" : this.lastError
    const { extendedError, isOfQuestion } = this
    this.finish(Exit.fail(new UpstreamsFailed({ isOfQuestion, message, extendedError })))
  }

  /**
   * Whether the question itself seems to be the reason, and not its upstreams: then the failure may be cached (RFC 9520
   * §3.2).
   */
  private get isOfQuestion(): boolean {
    return this.attempts.some((attempt) => attempt.isOfQuestion)
  }

  private mayFailOver(upstream: Upstream, isUnsent: boolean): boolean {
    // Asking an upstream for the first time is no repetition: it needs no token of the budget.
    if (this.timesAsked(upstream) === 0) return isUnsent || this.failovers < this.options.retries
    return this.failovers < this.options.retries && this.options.budget.takeRetry(this.question.name)
  }

  private mayFollow(): boolean {
    return this.retries < this.options.retries && this.next() !== undefined
  }

  private next(): Upstream | undefined {
    return nextUpstream(this.ranked, this, this.nowMs, this.options.maxInFlight)
  }

  timesAsked(upstream: Upstream): number {
    return timesAsked(this.attempts, upstream)
  }

  hasFailed(upstream: Upstream): boolean {
    return hasFailed(this.attempts, upstream)
  }

  private follow(upstream: Upstream): void {
    this.options.counters.add("upstream.retries")
    upstream.observer.retried()
    this.start(upstream)
    this.armForNext()
  }

  private start(upstream: Upstream): void {
    const { attemptTimeoutMs } = this.options
    const patienceMs = upstream.latency.patienceMs(attemptTimeoutMs)
    const attempt = new UpstreamAttempt(this, upstream, patienceMs, failuresOf(this.attempts, upstream))
    if (this.record.attempts.length === 0) this.record.attempts = [attempt]
    else this.record.attempts.push(attempt)
    if (this.attempts.length === 0) this.attempts = [attempt]
    else this.attempts.push(attempt)
    const planMs = this.plan[this.retries] ?? Number.POSITIVE_INFINITY
    this.overdueMs =
      this.nowMs + (this.areAllBroken ? attemptTimeoutMs : planMs * (attempt.patienceMs / attemptTimeoutMs))
    attempt.exchange = this.resolver.begin(attempt)
  }

  private armForNext(): void {
    if (this.isOver) return
    const hedgeMs = this.mayHedge ? this.nowMs + this.attempts.at(-1)!.upstream.latency.hedgeMs : this.overdueMs
    this.arm(Math.min(hedgeMs, this.overdueMs))
  }

  private arm(dueMs: number): void {
    const { wheel } = this.options
    if (this.timer !== undefined) wheel.cancel(this.timer)
    const { nowMs } = this
    const lastMs = nowMs < this.latestMs ? Math.min(this.latestMs, this.endMs) : this.endMs
    // However early the retries were sent, the timer also fires when a silence has lasted long enough to be counted.
    const soonestMs = Math.min(dueMs, lastMs, silenceDueMs(this.attempts, this.longestWaitMs))
    this.timer = wheel.after(soonestMs - nowMs, this)
  }

  /** @param winner the upstream that answered well */
  private finish(outcome: Outcome, winner?: Upstream): void {
    this.close(winner)
    this.asker.onOutcome(outcome)
  }

  private close(winner: Upstream | undefined): void {
    this.isOver = true
    this.record.endedMs = this.nowMs
    if (this.timer !== undefined) this.options.wheel.cancel(this.timer)
    endAll(this.attempts, winner, this.nowMs, this.options)
  }

  get nowMs(): number {
    return this.options.wheel.nowMs()
  }
}

/** The shared empty start: an array that grows from nothing takes memory for many. */
const none: Array<UpstreamAttempt> = []

/** What a trusted upstream says of an answer is passed on where the answer is an error, or a policy's. */
const explained = (answer: Answer, { extendedError, rcode }: Response, { isTrusted }: Upstream): Answer => {
  if (extendedError === undefined || !isTrusted) return answer
  const isError = rcode !== Rcode.NoError && rcode !== Rcode.NXDomain
  return isError || isOfPolicy(extendedError.code) ? { ...answer, extendedError } : answer
}
