/**
 * From a question to its answer: attempts at upstreams, one after the other, until one is good.
 *
 * An attempt's timer starts the next attempt; it does not end the first: the first good answer wins, from whomever.
 * Upstreams not yet asked come first, none is asked more than three times (RFC 9520 §3.1). One state machine a question,
 * driven by what its attempts are told and by one timer.
 */
import { Exit } from "effect"
import { type Question, questionKey } from "../dns/question.ts"
import type { Response } from "../dns/response.ts"
import type { Due, Timer, TimerWheel } from "../io/timer-wheel.ts"
import type { Counters } from "../telemetry/counters.ts"
import type { AttemptOutcome, ResolutionRecord } from "../telemetry/record.ts"
import {
  type Answer,
  answerOf,
  DeadlinePassed,
  NoUpstreamAvailable,
  type ResolveError,
  UpstreamsFailed
} from "./answer.ts"
import type { Attempt, AttemptFailure } from "./attempt.ts"
import type { Errand } from "./errand.ts"
import { MAX_ATTEMPTS_AT_ONE, nextUpstream } from "./policy.ts"
import type { Resolver } from "./resolver.ts"
import type { RetryPlan } from "./retry-plan.ts"
import type { Upstream } from "./upstream.ts"

type Outcome = Exit.Exit<Answer, ResolveError>

const noUpstreamAvailable: Outcome = Exit.fail(new NoUpstreamAvailable())
const deadlinePassed: Outcome = Exit.fail(new DeadlinePassed())

export interface ResolutionOptions {
  readonly wheel: TimerWheel["Service"]
  readonly counters: Counters["Service"]
  readonly deadlineMs: number
  readonly attemptTimeoutMs: number
  readonly retries: number
  readonly nextPlan: () => RetryPlan
}

/** Told of the outcome by `resume`, once, unless it is abandoned before. */
export class Resolution implements Due {
  readonly question: Question
  private readonly resolver: Resolver
  private readonly ranked: ReadonlyArray<Upstream>
  private readonly record: ResolutionRecord
  private readonly options: ResolutionOptions
  private readonly resume: (outcome: Outcome) => void
  private readonly plan: RetryPlan
  private readonly endMs: number
  private attempts: Array<UpstreamAttempt> = none
  /** All breakers were open at the start: silence from one trial of each is answer enough. */
  private readonly areAllDown: boolean
  private timer: Timer | undefined
  private sawResponse = false
  private lastError = ""
  private isOver = false

  constructor(
    resolver: Resolver,
    ranked: ReadonlyArray<Upstream>,
    question: Question,
    record: ResolutionRecord,
    options: ResolutionOptions,
    resume: (outcome: Outcome) => void
  ) {
    this.resolver = resolver
    this.ranked = ranked
    this.question = question
    this.record = record
    this.options = options
    this.resume = resume
    this.plan = options.nextPlan()
    const nowMs = options.wheel.nowMs()
    this.endMs = nowMs + options.deadlineMs
    this.areAllDown = ranked.every(({ breaker }) => breaker.state(nowMs) !== "Closed")
  }

  begin(): void {
    if (!this.startAttempt()) this.finish(noUpstreamAvailable)
  }

  /** Nobody waits any more. */
  abandon(): void {
    if (!this.isOver) this.close()
  }

  onResponse(attempt: UpstreamAttempt, response: Response): void {
    if (this.isOver || !attempt.isPending) return
    const { upstream } = attempt
    this.sawResponse = true
    attempt.rcode = response.rcode
    upstream.breaker.onSuccess(this.nowMs)
    const answer = answerOf(response, this.question, upstream.isTrusted)
    if (answer !== undefined) {
      attempt.end("answered")
      this.finish(Exit.succeed(answer))
      return
    }
    attempt.end("error-response")
    this.options.counters.add("upstream.rejected")
    this.goOn()
  }

  onFailure(attempt: UpstreamAttempt, failure: AttemptFailure): void {
    if (this.isOver || !attempt.isPending) return
    const isGarbage = failure._tag === "GarbageReceived"
    if (!isGarbage) this.lastError = failure.message
    attempt.end(isGarbage ? "garbage" : "network-error")
    this.options.counters.add(isGarbage ? "upstream.rejected" : "upstream.errors")
    attempt.upstream.breaker.onFailure(this.nowMs, this.key)
    this.goOn()
  }

  /** An ICMP error: the next attempt starts at once, this one is still listened to. */
  onTrouble(attempt: UpstreamAttempt, message: string): void {
    if (this.isOver || attempt.isTroubled) return
    this.lastError = message
    attempt.isTroubled = true
    this.goOn()
  }

  /** The time of the last attempt is over, or all of it. */
  fire(): void {
    for (const attempt of this.attempts) if (attempt.isPending) attempt.isTimedOut = true
    const isLate = this.nowMs >= this.endMs
    if (isLate || (this.areAllDown && !this.mayFollow())) this.finish(deadlinePassed)
    else if (!(this.mayRetry() && this.startAttempt())) this.arm(Number.POSITIVE_INFINITY)
  }

  /** An attempt failed: another follows where one may, else what is pending decides, else it is over. */
  private goOn(): void {
    if (this.mayFollow() && this.startAttempt()) return
    if (this.attempts.some((attempt) => attempt.isPending && !attempt.isTroubled)) return
    const message = this.lastError === "" ? "no upstream gave a usable answer" : this.lastError
    this.finish(Exit.fail(new UpstreamsFailed({ isOfQuestion: this.sawResponse, message })))
  }

  private mayRetry(): boolean {
    return this.attempts.length <= this.options.retries
  }

  /** Whether an upstream is left to ask: one that is up, or one that is down, due for a trial and not yet tried. */
  private mayFollow(): boolean {
    const { nowMs } = this
    return (
      this.mayRetry() &&
      this.ranked.some((upstream) => {
        const times = this.timesAsked(upstream)
        const isUp = upstream.breaker.state(nowMs) === "Closed"
        return times < MAX_ATTEMPTS_AT_ONE && (isUp || (times === 0 && upstream.breaker.mayPass(nowMs)))
      })
    )
  }

  timesAsked(upstream: Upstream): number {
    let times = 0
    for (const attempt of this.attempts) if (attempt.upstream === upstream) times++
    return times
  }

  private startAttempt(): boolean {
    const upstream = nextUpstream(this.ranked, this, this.nowMs)
    if (upstream === undefined) return false
    const attempt = new UpstreamAttempt(this, upstream)
    if (this.record.attempts.length === 0) this.record.attempts = [attempt]
    else this.record.attempts.push(attempt)
    if (this.attempts.length === 0) this.attempts = [attempt]
    else this.attempts.push(attempt)
    this.options.counters.add(this.attempts.length === 1 ? "upstream.attempts" : "upstream.retries")
    this.arm(this.areAllDown ? this.options.attemptTimeoutMs : (this.plan[this.attempts.length - 1] ?? Infinity))
    attempt.errand = this.resolver.begin(attempt)
    return true
  }

  private arm(delayMs: number): void {
    const { wheel } = this.options
    if (this.timer !== undefined) wheel.cancel(this.timer)
    this.timer = wheel.after(Math.min(delayMs, this.endMs - wheel.nowMs()), this)
  }

  private finish(outcome: Outcome): void {
    this.close()
    this.resume(outcome)
  }

  /** What is still waiting counts against an upstream where it was silent, not where it was overtaken. */
  private close(): void {
    this.isOver = true
    this.record.endedMs = this.nowMs
    if (this.timer !== undefined) this.options.wheel.cancel(this.timer)
    for (const attempt of this.attempts) {
      if (!attempt.isPending) continue
      const { breaker } = attempt.upstream
      if (attempt.isTimedOut || attempt.isTroubled) breaker.onFailure(this.nowMs, this.key)
      else breaker.onUndecided()
      if (attempt.isTimedOut) this.options.counters.add("upstream.timeouts")
      attempt.end(attempt.isTroubled ? "network-error" : attempt.isTimedOut ? "timeout" : "overtaken")
      attempt.errand?.giveUp()
    }
  }

  get nowMs(): number {
    return this.options.wheel.nowMs()
  }

  private get key(): string {
    return questionKey(this.question)
  }
}

class UpstreamAttempt implements Attempt {
  readonly upstream: Upstream
  readonly startedMs: number
  transport: "udp" | "tcp"
  endedMs = 0
  outcome: AttemptOutcome = "waiting"
  rcode = -1
  errand: Errand | undefined
  isTroubled = false
  isTimedOut = false
  private readonly resolution: Resolution

  constructor(resolution: Resolution, upstream: Upstream) {
    this.resolution = resolution
    this.upstream = upstream
    this.startedMs = resolution.nowMs
    this.transport = upstream.protocol
  }

  get question(): Question {
    return this.resolution.question
  }

  get isPending(): boolean {
    return this.outcome === "waiting"
  }

  end(outcome: AttemptOutcome): void {
    this.endedMs = this.resolution.nowMs
    this.outcome = outcome
  }

  onResponse(response: Response): void {
    this.resolution.onResponse(this, response)
  }

  onFailure(failure: AttemptFailure): void {
    this.resolution.onFailure(this, failure)
  }

  onTrouble(message: string): void {
    this.resolution.onTrouble(this, message)
  }
}

/** What an array of attempts is before the first: arrays that grow from nothing take room for many. */
const none: Array<UpstreamAttempt> = []
