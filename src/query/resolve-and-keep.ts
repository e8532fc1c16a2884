/**
 * A question's way through the resolver pool, and what is kept of the outcome.
 *
 * An answer that stops at a CNAME whose target the upstream does not speak of is completed: the target is asked for,
 * and what is there follows the CNAMEs (RFC 1034 §5.3.3 step 4c).
 */
import { Effect, Exit, FiberSet } from "effect"
import { AnswerCache } from "../cache/answer-cache.ts"
import { FailureCache } from "../cache/failure-cache.ts"
import { ExtendedError } from "../dns/codes.ts"
import { sameName } from "../dns/name.ts"
import type { Question } from "../dns/question.ts"
import { joinAnswers } from "../dns/response.ts"
import type { ResolutionRecord } from "../telemetry/record.ts"
import {
  type Abandonable,
  type Answer,
  type Begin,
  type Outcome,
  type OutcomeTaker,
  type ResolveError,
  UpstreamsFailed
} from "../upstream/answer.ts"
import { ResolverPool } from "../upstream/resolver-pool.ts"
import { tooLate } from "./reasons.ts"

/** Names that are asked for one after the other to complete one answer. */
const MAX_LEGS = 8

const endless = Effect.fail(new UpstreamsFailed({ isOfQuestion: true, message: "its CNAMEs do not come to an end" }))

/** Answers go to the cache; of failures only those that are the question's own (RFC 9520 §3.2). */
export const makeResolveAndKeep = Effect.gen(function* () {
  const pool = yield* ResolverPool
  const cache = yield* AnswerCache
  const failures = yield* FailureCache
  const runFork = yield* FiberSet.makeRuntime()

  const complete = (
    question: Question,
    head: Answer,
    target: Uint8Array,
    legs: number,
    record: ResolutionRecord
  ): Effect.Effect<Answer, ResolveError> => {
    const isCircle = target.length === question.name.length && sameName(target, 0, question.name, 0, target.length)
    if (legs >= MAX_LEGS || isCircle) return endless
    return Effect.flatMap(pool.resolve({ ...question, name: target }, record), (tail) => {
      const wire = joinAnswers(head.wire, tail.wire, question)
      if (wire === undefined) return endless
      const ttlSeconds = Math.min(head.ttlSeconds, tail.ttlSeconds)
      const scope = Math.max(head.scope, tail.scope)
      const joined: Answer = { wire, ttlSeconds, continuesAt: tail.continuesAt, scope }
      return tail.continuesAt === undefined
        ? Effect.succeed(joined)
        : complete(question, joined, tail.continuesAt, legs + 1, record)
    })
  }

  const tools: Tools = {
    begin: pool.begin,
    complete: (question, head, target, record, conclude) => {
      const fiber = runFork(complete(question, head, target, 1, record))
      fiber.addObserver(conclude)
      return { abandon: () => fiber.interruptUnsafe() }
    },
    keep: (question, outcome) => {
      if (Exit.isSuccess(outcome)) {
        const { wire, ttlSeconds, scope } = outcome.value
        cache.store(question, wire, ttlSeconds, scope)
        failures.forget(question)
        return
      }
      for (const reason of outcome.cause.reasons) {
        const text = reason._tag === "Fail" ? whatToKeep(reason.error) : undefined
        if (text !== undefined) failures.store(question, { code: ExtendedError.CachedError, text: text.slice(0, 200) })
      }
    }
  }
  const begin: Begin = (question, record, taker) => {
    const keeping = new Keeping(tools, question, record, taker)
    keeping.begin()
    return keeping
  }
  return begin
})

interface Tools {
  readonly begin: Begin
  /** Asks for what is at the end of the CNAMEs; tells of the whole. */
  readonly complete: (
    question: Question,
    head: Answer,
    target: Uint8Array,
    record: ResolutionRecord,
    conclude: (outcome: Outcome) => void
  ) => Abandonable
  /** @param outcome of the question, or of all its legs */
  readonly keep: (question: Question, outcome: Outcome) => void
}

/** Stands between an exchange and who is told of it. */
class Keeping implements OutcomeTaker, Abandonable {
  private readonly tools: Tools
  private readonly question: Question
  private readonly record: ResolutionRecord
  private readonly taker: OutcomeTaker
  private underWay: Abandonable | undefined

  constructor(tools: Tools, question: Question, record: ResolutionRecord, taker: OutcomeTaker) {
    this.tools = tools
    this.question = question
    this.record = record
    this.taker = taker
  }

  begin(): void {
    const exchange = this.tools.begin(this.question, this.record, this)
    this.underWay ??= exchange
  }

  abandon(): void {
    this.underWay?.abandon()
  }

  onOutcome(outcome: Outcome): void {
    if (Exit.isFailure(outcome) || outcome.value.continuesAt === undefined) {
      this.conclude(outcome)
      return
    }
    const { question, record, tools } = this
    this.underWay = tools.complete(question, outcome.value, outcome.value.continuesAt, record, (whole) =>
      this.conclude(whole)
    )
  }

  private conclude(outcome: Outcome): void {
    let kept = outcome
    try {
      this.tools.keep(this.question, outcome)
    } catch (defect) {
      kept = Exit.die(defect)
    }
    this.taker.onOutcome(kept)
  }
}

/** What is said of a failure that is the question's own; undefined for one that is not. */
const whatToKeep = (error: ResolveError): string | undefined => {
  if (error._tag === "QuestionUnanswered") return tooLate.text
  return error._tag === "UpstreamsFailed" && error.isOfQuestion ? error.message : undefined
}
