/**
 * One health check of one upstream: it is asked, in turn, a question that it has answered before, and one that any
 * server can answer, the name servers of the root.
 *
 * A check tells a broken upstream from a zone that nobody can resolve.
 */
import type { Question } from "../../dns/question.ts"
import type { Response } from "../../dns/response.ts"
import { runGuarded } from "../../runtime/guard.ts"
import type { Incidents } from "../../runtime/incidents.ts"
import type { Timer, TimerTarget, TimerWheel } from "../../runtime/timer-wheel.ts"
import type { Counters } from "../../telemetry/counters.ts"
import type { Attempt } from "../requester.ts"
import type { Upstream } from "../upstream.ts"
import { SILENCE } from "./breaker.ts"
import { rootServers } from "./known-question.ts"

/** The shortest time that an answer is waited for. */
const MIN_TIMEOUT_MS = 250

/** Who calls, as the log says it. */
export const BORDER = "the check of an upstream"
/** EDNS may be the reason why nothing is answered: its levels are tried in turn. */
const LEVELS = 3

export interface CheckOptions {
  readonly wheel: TimerWheel["Service"]
  readonly incidents: Incidents
  readonly counters: Counters["Service"]
  readonly attemptTimeoutMs: () => number
  /** Sends the question of an attempt. */
  readonly begin: (attempt: Attempt) => { readonly abandon: () => void }
}

export class HealthCheck implements TimerTarget {
  private readonly upstream: Upstream
  private readonly options: CheckOptions
  private readonly onVerdict: (isWell: boolean) => void
  private readonly underWay: Array<{ readonly abandon: () => void }> = []
  private readonly timeoutMs: number
  private left: number
  private round: number
  private pending = 0
  private timer: Timer | undefined
  private isOver = false

  /**
   * @param times how often a question is sent at most: one lost datagram must not open a breaker
   * @param round how many questions the upstream was checked by before
   */
  constructor(
    upstream: Upstream,
    options: CheckOptions,
    times: number,
    round: number,
    onVerdict: (isWell: boolean) => void
  ) {
    const attemptTimeoutMs = options.attemptTimeoutMs()
    const usualMs = 2 * upstream.latency.patienceMs(attemptTimeoutMs)
    this.upstream = upstream
    this.options = options
    this.left = times
    this.round = round
    this.timeoutMs = Math.min(attemptTimeoutMs / times, Math.max(MIN_TIMEOUT_MS, usualMs))
    this.onVerdict = onVerdict
  }

  /** Sends the first question. */
  start(): void {
    try {
      this.begin()
    } catch (thrown) {
      this.onDefect(thrown)
    }
  }

  private begin(): void {
    this.left--
    this.pending++
    this.timer = this.options.wheel.after(this.timeoutMs, this)
    this.options.counters.add("upstream.probes")
    const round = this.round++
    const known = round % 2 === 0 ? this.upstream.known.read() : undefined
    const probe = new Probe(this.upstream, this, known ?? rootServers, round % LEVELS, this.options.wheel.nowMs())
    const exchange = this.options.begin(probe)
    if (this.isOver) exchange.abandon()
    else this.underWay.push(exchange)
  }

  fire(): void {
    if (this.left > 0) this.begin()
    else this.end(false)
  }

  /** A defect ends the check without a result: the upstream stays what it was taken for. */
  onDefect(thrown: unknown): void {
    this.options.incidents.onDefect(BORDER, thrown)
    runGuarded(this.options.incidents, BORDER, () => this.end(this.upstream.breaker.isClosed))
  }

  /**
   * An upstream suspected of silence is cleared by any response; one suspected of an error, by a response that is not
   * this error.
   */
  onResponse(rcode: number): void {
    const { breaker } = this.upstream
    const { fault } = breaker
    breaker.onHeard()
    this.end(fault === SILENCE || rcode !== fault)
  }

  onFailure(): void {
    if (--this.pending === 0) this.end(false)
  }

  /** The upstream said a moment ago that it is asked too much: so it is there. */
  onHeld(): void {
    this.end(true)
  }

  private end(isWell: boolean): void {
    if (this.isOver) return
    this.isOver = true
    if (this.timer !== undefined) this.options.wheel.cancel(this.timer)
    for (const exchange of this.underWay) exchange.abandon()
    this.onVerdict(isWell)
  }
}

class Probe implements Attempt {
  readonly upstream: Upstream
  readonly question: Question
  readonly failures: number
  readonly startedMs: number
  transport: Attempt["transport"]
  endedMs = 0
  outcome: Attempt["outcome"] = "waiting"
  rcode = -1
  private readonly check: HealthCheck
  private isOver = false

  constructor(upstream: Upstream, check: HealthCheck, question: Question, failures: number, startedMs: number) {
    this.upstream = upstream
    this.check = check
    // A question object of its own makes sure that each probe is sent (`asked-once.ts`).
    this.question = { ...question }
    this.failures = failures
    this.startedMs = startedMs
    this.transport = upstream.transport
  }

  onResponse(response: Response): void {
    this.check.onResponse(response.rcode)
  }

  onFailure(): void {
    if (this.isOver) return
    this.isOver = true
    this.check.onFailure()
  }

  onTrouble(): void {
    this.onFailure()
  }

  onHeld(): void {
    this.check.onHeld()
  }
}
