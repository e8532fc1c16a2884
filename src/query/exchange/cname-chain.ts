/**
 * Completes answers that stop at a CNAME without records of its target: the target is asked for, and its records follow
 * the CNAMEs (RFC 1034 §5.3.3 step 4c).
 *
 * Each target is a question like any other: answered from the cache, or by an exchange that equal questions share. It
 * has what is left of the time of the question that it completes.
 */
import { Exit } from "effect"
import { sameName } from "../../dns/name.ts"
import type { Question } from "../../dns/question.ts"
import { type AnswerRules, joinAnswers } from "../../dns/response.ts"
import { lastingCopyOf } from "../../dns/wire.ts"
import type { ResolutionRecord } from "../../telemetry/record.ts"
import { type Abandonable, type Answer, type Asker, type Outcome, UpstreamsFailed } from "../../upstream/answer.ts"
import type { Lookup, PendingLookup } from "./lookup.ts"

/** CNAME targets that are asked for, one after the other, to complete one answer. */
const MAX_LINKS = 8

const message = "its CNAMEs do not come to an end"
/** The outcome of the question at the start of the chain: this failure may be cached. */
const endless: Outcome = Exit.fail(new UpstreamsFailed({ isOfQuestion: true, message }))
/** The outcome of a target in the middle of the chain: asked for by itself it may well have an end. */
const tooFar = new UpstreamsFailed({ isOfQuestion: false, message })
const linkTooFar: Outcome = Exit.fail(tooFar)

export class CnameChains {
  private readonly lookup: Lookup
  private readonly deadlineMs: () => number
  private readonly nowMs: () => number
  private readonly rules: AnswerRules
  /** What each question that is not complete yet waits for. */
  private readonly waiting = new Map<Question, PendingLookup>()
  /** How many CNAMEs lead to a target that is being asked for. */
  private readonly depths = new WeakMap<Question, number>()

  /** @param deadlineMs milliseconds that a question may take with all its links */
  constructor(lookup: Lookup, deadlineMs: () => number, nowMs: () => number, rules: AnswerRules) {
    this.rules = rules
    this.lookup = lookup
    this.deadlineMs = deadlineMs
    this.nowMs = nowMs
  }

  /**
   * Asks for what is at `target`, where `head` stops. The asker is told of the whole answer, maybe before this returns:
   * never of one that stops at a CNAME again.
   *
   * @param record of the question's exchange: what its links take is added to it
   */
  complete(question: Question, head: Answer, target: Uint8Array, record: ResolutionRecord, asker: Asker): Abandonable {
    const depth = this.depths.get(question) ?? 0
    const isCircle = target.length === question.name.length && sameName(target, 0, question.name, 0, target.length)
    if (isCircle || depth >= MAX_LINKS) {
      asker.onOutcome(depth === 0 || isCircle ? endless : linkTooFar)
      return noOp
    }
    const link = { ...question, name: target }
    this.depths.set(link, depth + 1)
    let isOver = false
    let first = head
    const onOutcome = (outcome: Outcome): void => {
      isOver = true
      const attempts = this.waiting.get(question)?.record?.attempts
      if (attempts !== undefined) record.attempts = [...record.attempts, ...attempts]
      this.waiting.delete(question)
      asker.onOutcome(joined(question, first, outcome, depth, this.rules))
    }
    const leftMs = this.deadlineMs() - (this.nowMs() - record.startedMs)
    const pending = this.lookup.ask(link, leftMs, { onOutcome })
    // Who joins the link's exchange waits for this query.
    if (pending.record !== undefined) pending.record.leader ??= record.leader
    if (isOver) return noOp
    first = { ...head, wire: lastingCopyOf(head.wire, 0, head.wire.length) }
    this.waiting.set(question, pending)
    if (this.waitsForItself(question)) {
      pending.abandon()
      onOutcome(endless)
    }
    return {
      abandon: () => {
        this.waiting.delete(question)
        pending.abandon()
      }
    }
  }

  /** Whether the exchange that the question waits for waits, in turn, for the question. */
  private waitsForItself(question: Question): boolean {
    let at = this.waiting.get(question)?.waitsWith
    for (let links = 0; at !== undefined && links <= this.waiting.size; links++) {
      if (at === question) return true
      at = this.waiting.get(at)?.waitsWith
    }
    return false
  }
}

const noOp: Abandonable = { abandon: () => {} }

const joined = (
  question: Question,
  head: Answer,
  outcome: Outcome,
  depth: number,
  { rebinding }: AnswerRules
): Outcome => {
  if (Exit.isFailure(outcome)) {
    const isTooFar = outcome.cause.reasons.some((reason) => reason._tag === "Fail" && reason.error === tooFar)
    return isTooFar && depth === 0 ? endless : outcome
  }
  const tail = outcome.value
  const wire = joinAnswers(head.wire, tail.wire, question, rebinding)
  if (wire === undefined) return endless
  return Exit.succeed({
    wire,
    ttlSeconds: Math.min(head.ttlSeconds, tail.ttlSeconds),
    continuesAt: undefined,
    scope: Math.max(head.scope, tail.scope),
    isUnsigned: head.isUnsigned === true || tail.isUnsigned === true,
    extendedError: tail.extendedError ?? head.extendedError
  })
}
