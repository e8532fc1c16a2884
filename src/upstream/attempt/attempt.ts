/** One attempt of a resolution, its own record: what is told of it goes to its owner. */
import type { Question } from "../../dns/question.ts"
import type { Response } from "../../dns/response.ts"
import type { AttemptOutcome } from "../../telemetry/record.ts"
import type { Attempt, AttemptFailure } from "../requester.ts"
import type { Upstream } from "../upstream.ts"
import type { Errand } from "./exchange.ts"

/** Whoever makes attempts. */
export interface AttemptOwner {
  readonly question: Question
  readonly nowMs: number
  readonly onResponse: (attempt: UpstreamAttempt, response: Response) => void
  readonly onFailure: (attempt: UpstreamAttempt, failure: AttemptFailure) => void
  readonly onTrouble: (attempt: UpstreamAttempt, message: string) => void
  /** One of these calls threw: a fault of this program. */
  readonly onDefect: (thrown: unknown) => void
}

export class UpstreamAttempt implements Attempt {
  readonly upstream: Upstream
  readonly startedMs: number
  transport: "udp" | "tcp"
  endedMs = 0
  outcome: AttemptOutcome = "waiting"
  rcode = -1
  errand: Errand | undefined
  isTroubled = false
  /** Whether its silence was counted already, or is not to be counted. */
  isBlamed = false
  /** Whether its silence is its question's own, as it seems. */
  private isHopeless = false
  /** Milliseconds after which it is overdue. */
  readonly patienceMs: number
  readonly failures: number
  /** Whether it was sent though the upstream's breaker is not closed. */
  private readonly isTrial: boolean
  private readonly owner: AttemptOwner

  constructor(owner: AttemptOwner, upstream: Upstream, patienceMs: number, failures: number) {
    this.owner = owner
    this.upstream = upstream
    this.patienceMs = patienceMs
    this.failures = failures
    this.startedMs = owner.nowMs
    this.transport = upstream.transport
    this.isTrial = !upstream.breaker.isClosed
    if (!this.isTrial) return
    upstream.trials.begin(owner.question.name, this.startedMs)
    upstream.breaker.beginTrial(this.startedMs)
  }

  get question(): Question {
    return this.owner.question
  }

  get waitedMs(): number {
    return this.owner.nowMs - this.startedMs
  }

  get isOverdue(): boolean {
    return this.waitedMs >= this.patienceMs
  }

  get isPending(): boolean {
    return this.outcome === "waiting"
  }

  /** Where its upstream has answered others since it is waited for, and it is overdue: it says nothing of the upstream. */
  despair(): void {
    const { breaker } = this.upstream
    if (this.isHopeless || !this.isPending || !this.isOverdue || !breaker.hasAnsweredSince(this.startedMs)) return
    this.isHopeless = true
    this.upstream.hopeless++
  }

  /**
   * Whether it seems to have failed because of its question: the reply was of no use (RFC 9520 §2), or the upstream was
   * silent, or the connection to it broke, while it answered others.
   */
  get isItsQuestions(): boolean {
    const { breaker } = this.upstream
    switch (this.outcome) {
      case "error-response":
      case "garbage":
        return true
      case "network-error":
        return breaker.hasAnsweredSince(this.startedMs)
      case "waiting":
        return this.isOverdue && breaker.hasAnsweredSince(this.startedMs + this.patienceMs)
      default:
        return false
    }
  }

  end(outcome: AttemptOutcome): void {
    if (this.isHopeless) this.upstream.hopeless--
    this.isHopeless = false
    if (this.isTrial) this.upstream.trials.end(this.question.name, outcome === "answered", this.owner.nowMs)
    this.endedMs = this.owner.nowMs
    this.outcome = outcome
    this.upstream.observer.ended(this)
  }

  onResponse(response: Response): void {
    try {
      this.owner.onResponse(this, response)
    } catch (thrown) {
      this.owner.onDefect(thrown)
    }
  }

  onFailure(failure: AttemptFailure): void {
    try {
      this.owner.onFailure(this, failure)
    } catch (thrown) {
      this.owner.onDefect(thrown)
    }
  }

  onTrouble(message: string): void {
    try {
      this.owner.onTrouble(this, message)
    } catch (thrown) {
      this.owner.onDefect(thrown)
    }
  }

  onHeld(): void {
    this.isBlamed = true
  }
}
