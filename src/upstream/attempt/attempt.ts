/** An attempt of a resolution. It is its own record, and passes what it is told to the resolution. */
import type { Question } from "../../dns/question.ts"
import type { Response } from "../../dns/response.ts"
import type { AttemptOutcome, ResolutionRecord } from "../../telemetry/record.ts"
import type { Attempt, AttemptFailure } from "../requester.ts"
import type { Upstream } from "../upstream.ts"
import type { Exchange } from "./exchange.ts"

/** What an attempt tells the resolution that made it. */
export interface AttemptEvents {
  readonly question: Question
  readonly nowMs: number
  /** Of the resolution. */
  readonly record: ResolutionRecord
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
  tcpSinceMs = 0
  spanId = ""
  endedMs = 0
  outcome: AttemptOutcome = "waiting"
  rcode = -1
  exchange: Exchange | undefined
  isTroubled = false
  /** Whether its silence was counted against the upstream already, or must not be. */
  isBlamed = false
  /** Whether it had to wait before it was sent, for the upstream is asked too much: its time says nothing. */
  isHeld = false
  /** Whether it seems to wait in vain because of its question. */
  private isUnanswerable = false
  /** Milliseconds after which it is overdue. */
  readonly patienceMs: number
  readonly failures: number
  /** Whether it was sent though the upstream's breaker is not closed. */
  private readonly isTrial: boolean
  private readonly events: AttemptEvents

  constructor(events: AttemptEvents, upstream: Upstream, patienceMs: number, failures: number) {
    this.events = events
    this.upstream = upstream
    this.patienceMs = patienceMs
    this.failures = failures
    this.startedMs = events.nowMs
    this.transport = upstream.transport
    this.isTrial = !upstream.breaker.isClosed
    if (!this.isTrial) return
    upstream.trials.begin(events.question.name, this.startedMs)
    upstream.breaker.beginTrial(this.startedMs)
  }

  get question(): Question {
    return this.events.question
  }

  get resolution(): ResolutionRecord {
    return this.events.record
  }

  get waitedMs(): number {
    return this.events.nowMs - this.startedMs
  }

  get isOverdue(): boolean {
    return this.waitedMs >= this.patienceMs
  }

  get isPending(): boolean {
    return this.outcome === "waiting"
  }

  /**
   * Notes an overdue attempt whose upstream has answered other questions meanwhile: its silence says nothing of the
   * upstream.
   */
  noteUnanswerable(): void {
    const { breaker } = this.upstream
    if (
      this.isUnanswerable ||
      this.isHeld ||
      !this.isPending ||
      !this.isOverdue ||
      !breaker.hasAnsweredSince(this.startedMs)
    )
      return
    this.isUnanswerable = true
    this.upstream.unanswerable++
  }

  /**
   * Whether it seems to have failed because of its question, not its upstream: the reply was useless (RFC 9520 §2), or
   * the upstream was silent, or broke the connection, while it answered other questions.
   */
  get isOfQuestion(): boolean {
    const { breaker } = this.upstream
    switch (this.outcome) {
      case "error-response":
      case "garbage":
        return true
      case "network-error":
        return breaker.hasAnsweredSince(this.startedMs)
      case "waiting":
        return !this.isHeld && this.isOverdue && breaker.hasAnsweredSince(this.startedMs + this.patienceMs)
      default:
        return false
    }
  }

  end(outcome: AttemptOutcome): void {
    if (this.isUnanswerable) this.upstream.unanswerable--
    this.isUnanswerable = false
    if (this.isTrial) this.upstream.trials.end(this.question.name, outcome === "answered", this.events.nowMs)
    this.endedMs = this.events.nowMs
    this.outcome = outcome
    this.upstream.observer.ended(this)
  }

  onResponse(response: Response): void {
    try {
      this.events.onResponse(this, response)
    } catch (thrown) {
      this.events.onDefect(thrown)
    }
  }

  onFailure(failure: AttemptFailure): void {
    try {
      this.events.onFailure(this, failure)
    } catch (thrown) {
      this.events.onDefect(thrown)
    }
  }

  onTrouble(message: string): void {
    try {
      this.events.onTrouble(this, message)
    } catch (thrown) {
      this.events.onDefect(thrown)
    }
  }

  onHeld(): void {
    this.isBlamed = true
    this.isHeld = true
  }
}
