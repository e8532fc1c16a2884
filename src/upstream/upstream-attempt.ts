/** One attempt of a resolution, its own record: what is told of it goes to its owner. */
import type { Question } from "../dns/question.ts"
import type { Response } from "../dns/response.ts"
import type { AttemptOutcome } from "../telemetry/record.ts"
import type { Attempt, AttemptFailure } from "./attempt.ts"
import type { Errand } from "./errand.ts"
import type { Upstream } from "./upstream.ts"

/** Whoever makes attempts. */
export interface AttemptOwner {
  readonly question: Question
  readonly nowMs: number
  readonly onResponse: (attempt: UpstreamAttempt, response: Response) => void
  readonly onFailure: (attempt: UpstreamAttempt, failure: AttemptFailure) => void
  readonly onTrouble: (attempt: UpstreamAttempt, message: string) => void
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
  /** Whether its silence was counted already. */
  isBlamed = false
  /** Whether its silence is its question's own, as it seems. */
  private isHopeless = false
  /** Milliseconds after which it is overdue. */
  readonly patienceMs: number
  private readonly owner: AttemptOwner

  constructor(owner: AttemptOwner, upstream: Upstream, patienceMs: number) {
    this.owner = owner
    this.upstream = upstream
    this.patienceMs = patienceMs
    this.startedMs = owner.nowMs
    this.transport = upstream.transport
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
   * Whether it failed for its question's sake, as far as one can see: an error, or silence of an upstream that answered
   * others when this one was overdue already.
   */
  get isItsQuestions(): boolean {
    if (!this.isPending) return this.outcome === "error-response"
    return this.isOverdue && this.upstream.breaker.hasAnsweredSince(this.startedMs + this.patienceMs)
  }

  end(outcome: AttemptOutcome): void {
    if (this.isHopeless) this.upstream.hopeless--
    this.isHopeless = false
    this.endedMs = this.owner.nowMs
    this.outcome = outcome
  }

  onResponse(response: Response): void {
    this.owner.onResponse(this, response)
  }

  onFailure(failure: AttemptFailure): void {
    this.owner.onFailure(this, failure)
  }

  onTrouble(message: string): void {
    this.owner.onTrouble(this, message)
  }
}
