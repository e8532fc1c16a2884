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

  end(outcome: AttemptOutcome): void {
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
