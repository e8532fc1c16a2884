/**
 * Refreshes cached answers without a client waiting: popular ones before they expire, and stale ones that were just
 * given.
 *
 * A refresh takes a permit like a query, and is not begun under load. A question is not refreshed again for a while,
 * whatever came of the last time.
 */
import { Effect, Exit } from "effect"
import type { Configuration } from "../../config/configuration.ts"
import type { Question } from "../../dns/question.ts"
import type { LoopClock } from "../../runtime/loop-clock.ts"
import type { Outcome } from "../../upstream/answer.ts"
import type { Admission } from "../admission/admission.ts"
import { NOT_HELD, type PermitHolder } from "../admission/permit-holders.ts"
import { type Coalescer, Follower } from "./coalescer.ts"
import type { ServeStale } from "./serve-stale.ts"

/** The shortest time between two refreshes of one question. */
const ONCE_IN_MS = 2_000
/** Questions that are remembered to have been refreshed; past this, all are forgotten. */
const MAX_REMEMBERED = 10_000

export class Refresher {
  private readonly admission: Admission
  private readonly coalescer: Coalescer["Service"]
  private readonly clock: LoopClock["Service"]
  private readonly serveStale: ServeStale
  private readonly configuration: Configuration["Service"]
  /** When each was begun last, by its hash. */
  private begun = new Map<number, number>()

  constructor(
    admission: Admission,
    coalescer: Coalescer["Service"],
    clock: LoopClock["Service"],
    serveStale: ServeStale,
    configuration: Configuration["Service"]
  ) {
    this.admission = admission
    this.coalescer = coalescer
    this.clock = clock
    this.serveStale = serveStale
    this.configuration = configuration
  }

  /** Whether a refresh of the question with this hash may begin now; notes that it does. */
  claims(hash: number): boolean {
    const nowMs = this.clock.nowMs()
    if (nowMs - (this.begun.get(hash) ?? Number.NEGATIVE_INFINITY) < ONCE_IN_MS || this.admission.isBusy()) return false
    if (this.begun.size >= MAX_REMEMBERED) this.begun = new Map()
    this.begun.set(hash, nowMs)
    return true
  }

  /** Begins the refresh if a permit is free. Returns at once: the exchange goes on by itself. */
  refresh(question: Question, hash: number): Effect.Effect<void> {
    return Effect.flatMap(this.admission.take, (isFree) =>
      isFree ? Effect.sync(() => this.begin(question, hash)) : Effect.void
    )
  }

  private begin(question: Question, hash: number): void {
    const refresh = new Refresh(question, hash, this.admission, this.serveStale)
    this.admission.hold(refresh)
    this.coalescer.join(refresh, this.configuration.current().queryTimeoutSecs * 1000)
  }
}

/** Holds the permit until the exchange is over. */
class Refresh extends Follower implements PermitHolder {
  readonly question: Question
  readonly hash: number
  readonly client = undefined
  heldSinceMs = NOT_HELD
  newer: PermitHolder | undefined
  older: PermitHolder | undefined
  private readonly admission: Admission
  private readonly serveStale: ServeStale

  constructor(question: Question, hash: number, admission: Admission, serveStale: ServeStale) {
    super()
    this.question = question
    this.hash = hash
    this.admission = admission
    this.serveStale = serveStale
  }

  override joined(): void {}

  override onOutcome(outcome: Outcome): void {
    if (Exit.isFailure(outcome)) this.serveStale.defer(this.question)
    this.end()
  }

  shed(): void {
    this.abandon()
    this.end()
  }

  private end(): void {
    Effect.runFork(this.admission.release(this))
  }
}
