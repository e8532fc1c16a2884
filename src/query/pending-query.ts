/**
 * A query that the cache could not answer: it waits for a permit, then for its exchange, and is answered.
 *
 * One object holds all that the answer needs, and is itself the exchange's follower: a waiting query costs memory, and
 * there may be ten thousand.
 */
import { Cause, Effect, Exit } from "effect"
import type { AnswerCache } from "../cache/answer-cache.ts"
import type { Rule } from "../config/codec/rule.ts"
import { Rcode } from "../dns/codes.ts"
import type { Query } from "../dns/query.ts"
import { formatQuestion, type Question } from "../dns/question.ts"
import { type AnswerMessage, type ErrorReason, staleReason } from "../dns/reply.ts"
import { u16 } from "../dns/wire.ts"
import type { Peer } from "../io/peer.ts"
import type { LoopClock } from "../runtime/loop-clock.ts"
import type { Counters } from "../telemetry/counters.ts"
import type { FailureLog } from "../telemetry/failure-log.ts"
import type { Latencies, LatencyName } from "../telemetry/latencies.ts"
import type { QueryTrace } from "../telemetry/query-trace.ts"
import type { QueryNotes } from "../telemetry/recent-queries/notes.ts"
import { type ErrorType, NO_RCODE, type QueryRecord, type ResolutionRecord } from "../telemetry/record.ts"
import type { Traces } from "../telemetry/traces.ts"
import type { Answer, Outcome, ResolveError } from "../upstream/answer.ts"
import { type Admission, Shed, type WaitedTooLong } from "./admission/admission.ts"
import { NOT_HELD, type PermitHolder } from "./admission/permit-holders.ts"
import { type Coalescer, Follower } from "./exchange/coalescer.ts"
import { findAlive } from "./exchange/lookup.ts"
import type { Refresher } from "./exchange/refresher.ts"
import { type ServeStale, STALE_AFTER_MS } from "./exchange/serve-stale.ts"
import { failureOf, ownFault } from "./extended-errors.ts"
import type { ReplyPath } from "./packet.ts"
import { newRecord } from "./record.ts"
import { sendAnswer, sendError, sendExplainedAnswer, sendStaleAnswer, sentFlags } from "./reply-sender.ts"

const shed = Exit.fail(new Shed())

/** What all pending queries use. */
export interface PendingQueryTools {
  readonly admission: Admission
  readonly cache: AnswerCache["Service"]
  readonly coalescer: Coalescer["Service"]
  readonly counters: Counters["Service"]
  readonly latencies: Latencies["Service"]
  readonly traces: Traces["Service"]
  readonly recent: QueryNotes
  readonly clock: LoopClock["Service"]
  readonly log: FailureLog["Service"]
  readonly serveStale: ServeStale
  readonly refresher: Refresher
  /** Milliseconds that a query may take in all. */
  readonly deadlineMs: number
}

export class PendingQuery extends Follower implements PermitHolder {
  readonly question: Question
  readonly hash: number
  readonly record: QueryRecord
  heldSinceMs = NOT_HELD
  newer: PermitHolder | undefined
  older: PermitHolder | undefined
  private readonly tools: PendingQueryTools
  private readonly path: ReplyPath
  private readonly asked: Query
  private readonly isPicked: boolean
  /** Whether there was a stale answer when the query came. */
  private readonly hasStale: boolean
  private resume: ((outcome: Exit.Exit<Answer, ResolveError | Shed>) => void) | undefined

  /**
   * @param asked a copy of the query that lasts
   * @param hasStale whether there is a stale answer that may be given
   */
  constructor(
    tools: PendingQueryTools,
    path: ReplyPath,
    asked: Query,
    question: Question,
    hash: number,
    hasStale: boolean,
    startedMs: number,
    rule: Rule | undefined,
    trace: QueryTrace | undefined
  ) {
    super()
    this.tools = tools
    this.path = path
    this.asked = asked
    this.hash = hash
    this.isPicked = trace !== undefined
    this.hasStale = hasStale
    this.question = question
    const lookedUpMs = trace === undefined ? startedMs : tools.clock.preciseMs()
    this.record = newRecord(path, question, startedMs, lookedUpMs, "miss", rule, trace)
  }

  /**
   * Takes a permit, waits for the exchange, and answers. A query holds the permit while it waits for the network.
   *
   * Uninterruptible except while it waits: a query that was begun is answered.
   */
  run(): Effect.Effect<unknown> {
    if (this.hasStale) {
      const { refresher, serveStale } = this.tools
      const isDeferred = serveStale.isDeferred(this.question)
      if ((isDeferred || serveStale.isAtOnce) && this.answerStale() !== undefined) {
        return !isDeferred && refresher.claims(this.hash) ? refresher.refresh(this.question, this.hash) : Effect.void
      }
    }
    const { admission } = this.tools
    return Effect.flatMap(admission.take, (isFree) => {
      if (!isFree) return this.enqueue()
      admission.hold(this)
      return this.awaitExchange()
    })
  }

  /** Answers with the stale answer, else with the failure that is cached for the question. */
  failAgain(reason: ErrorReason): void {
    if (this.hasStale && this.answerStale() !== undefined) return
    this.record.outcome = "failure"
    this.fail("cached_failure", reason)
  }

  get client(): Peer {
    return this.path.client
  }

  override onOutcome(outcome: Outcome): void {
    this.resume!(outcome)
  }

  private enqueue(): Effect.Effect<unknown> {
    return Effect.matchCauseEffect(this.tools.admission.enqueue(this, this.patienceMs), {
      onSuccess: () => {
        this.record.admittedMs = this.tools.clock.nowMs()
        // An equal question may have been answered while this one was in line.
        this.tools.admission.hold(this)
        try {
          const kept = findAlive(this.tools.cache, this.question)
          return kept === undefined ? this.awaitExchange() : this.conclude(Exit.succeed(kept))
        } catch (defect) {
          return this.conclude(Exit.die(defect))
        }
      },
      onFailure: (cause) => this.answerFailure(cause)
    })
  }

  shed(): void {
    this.abandon()
    this.resume?.(shed)
  }

  /** Holds a permit. */
  private awaitExchange(): Effect.Effect<unknown> {
    const wait = Effect.callback<Answer, ResolveError | Shed>((resume) => {
      this.resume = resume
      const { tools, record } = this
      tools.coalescer.join(this, this.patienceMs - (tools.clock.nowMs() - record.startedMs))
    })
    return Effect.flatMap(Effect.exit(Effect.interruptible(wait)), (outcome) => this.conclude(outcome))
  }

  /** Answers and gives the permit back, whatever happens. */
  private conclude(outcome: Exit.Exit<Answer, ResolveError | Shed>): Effect.Effect<unknown> {
    this.leave()
    const release = this.tools.admission.release(this)
    try {
      const rest = this.answer(outcome)
      return rest === Effect.void ? release : Effect.andThen(rest, release)
    } catch (defect) {
      return Effect.ensuring(this.answerDefect(Cause.die(defect)), release)
    }
  }

  /** The defect may have come after the reply was sent: SERVFAIL is sent only where none was. */
  private answerDefect(cause: Cause.Cause<never>): Effect.Effect<void> {
    return Effect.suspend(() => {
      if (this.record.endedMs === 0) this.fail("internal", ownFault)
      return this.tools.log.defect(formatQuestion(this.question), cause)
    })
  }

  override joined(resolution: ResolutionRecord, isShared: boolean): void {
    this.record.resolution = resolution
    this.record.coalesced = isShared
    resolution.leader ??= this.record
  }

  /** Sends the reply; returns what is left to do afterwards, such as logging. */
  private answer(outcome: Exit.Exit<Answer, ResolveError | Shed>): Effect.Effect<void> {
    if (Exit.isFailure(outcome)) return this.answerFailure(outcome.cause)
    const { record, tools } = this
    const { wire, ttlSeconds, scope, extendedError } = outcome.value
    fresh.wire = wire
    fresh.length = wire.length
    fresh.scope = scope
    const size =
      extendedError === undefined
        ? sendAnswer(this.path, this.asked, fresh, ttlSeconds)
        : sendExplainedAnswer(this.path, this.asked, fresh, ttlSeconds, extendedError)
    if (size > 0) tools.counters.add("answers.sent")
    record.rcode = size === 0 ? NO_RCODE : u16(wire, 2) & 0xf
    record.flags = sentFlags()
    record.reason = extendedError
    record.endedMs = this.isPicked ? tools.clock.preciseMs() : tools.clock.nowMs()
    this.finish("miss", size)
    return Effect.void
  }

  /** The query's whole time in milliseconds: short where there is a stale answer to give. */
  private get patienceMs(): number {
    const { deadlineMs } = this.tools
    return this.hasStale ? Math.min(STALE_AFTER_MS, deadlineMs) : deadlineMs
  }

  /**
   * Gives the stale answer, or a fresh one that another query or thread has stored meanwhile.
   *
   * @returns which; undefined where there is none any more
   */
  private answerStale(): "stale" | "fresh" | undefined {
    const { record, tools } = this
    const found = tools.serveStale.find(this.question)
    if (found === undefined) return undefined
    const isFresh = found.remainingSeconds > 0
    tools.counters.add(isFresh ? "cache.hits" : "cache.stale")
    const size = isFresh
      ? sendAnswer(this.path, this.asked, found, found.remainingSeconds)
      : sendStaleAnswer(this.path, this.asked, found)
    if (size > 0) tools.counters.add("answers.sent")
    record.outcome = isFresh ? "hit" : "stale"
    record.rcode = size === 0 ? NO_RCODE : u16(found.wire, 2) & 0xf
    record.flags = sentFlags()
    record.reason = isFresh ? undefined : staleReason(found)
    record.endedMs = tools.clock.preciseMs()
    this.finish(isFresh ? "hit" : "stale", size)
    return isFresh ? "fresh" : "stale"
  }

  private answerFailure(cause: Cause.Cause<ResolveError | Shed | WaitedTooLong>): Effect.Effect<void> {
    // A stale answer may have come from the shared cache meanwhile.
    const given = Cause.hasDies(cause) ? undefined : this.answerStale()
    if (given !== undefined) {
      // Only what was asked in vain is not asked again for a while: not what found no place, or waited for one.
      if (given === "stale" && wasAsked(cause)) this.tools.serveStale.defer(this.question)
      return Effect.void
    }
    const { counters, log } = this.tools
    const { reason, counter, detail, type } = failureOf(cause)
    if (counter !== undefined) counters.add(counter)
    this.fail(type, reason, detail)
    return Cause.hasDies(cause)
      ? log.defect(formatQuestion(this.question), cause)
      : log.failure(formatQuestion(this.question), this.record, detail)
  }

  /** @param detail for the trace */
  private fail(type: ErrorType, reason: ErrorReason, detail = reason.text): void {
    const { record, tools } = this
    const size = sendError(this.path, this.asked, Rcode.ServFail, reason)
    record.rcode = size === 0 ? NO_RCODE : Rcode.ServFail
    record.flags = sentFlags()
    record.reason = reason
    record.error = detail
    record.errorType = type
    record.endedMs = tools.clock.preciseMs()
    this.finish("failure", size)
  }

  private finish(kind: LatencyName, replySize: number): void {
    const { record, tools } = this
    tools.latencies.record(kind, record.endedMs - record.startedMs, 1)
    tools.recent.noteRecord(this.path.client, record, replySize)
    tools.traces.finish(record)
  }
}

/** Whether upstreams were asked, or would have been: it was let in to wait for them. */
const wasAsked = (cause: Cause.Cause<ResolveError | Shed | WaitedTooLong>): boolean =>
  cause.reasons.every((reason) => reason._tag !== "Fail" || !NOT_LET_IN.has(reason.error._tag))

const NOT_LET_IN: ReadonlySet<string> = new Set(["Shed", "WaitedTooLong"])

/** A fresh answer's message; reused from answer to answer. */
const fresh: AnswerMessage & { wire: Uint8Array; length: number; scope: number } = {
  wire: new Uint8Array(0),
  length: 0,
  ageSeconds: 0,
  rotation: 0,
  scope: 0
}
