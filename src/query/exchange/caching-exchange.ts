/**
 * An exchange with the upstreams, and what of its outcome is cached.
 *
 * A complete answer that may not be cached supersedes the cached one (RFC 8767 §4). An answer whose question was asked
 * before a flush is not cached after it.
 *
 * An answer that stops at a CNAME without records of its target is completed first (`cname-chain.ts`).
 */
import { Effect, Exit } from "effect"
import { AnswerCache } from "../../cache/answer-cache.ts"
import { FailureCache } from "../../cache/failure-cache.ts"
import { answerRulesOf } from "../../config/answer-rules.ts"
import { Configuration } from "../../config/configuration.ts"
import { Rcode } from "../../dns/codes.ts"
import type { Question } from "../../dns/question.ts"
import { u16 } from "../../dns/wire.ts"
import { makeSpecialLinks } from "../../policy/special-links.ts"
import { TimerWheel } from "../../runtime/timer-wheel.ts"
import type { ResolutionRecord } from "../../telemetry/record.ts"
import type { Abandonable, Answer, Asker, Begin, Outcome } from "../../upstream/answer.ts"
import { ENDS_BEFORE_MS, ResolverPool } from "../../upstream/resolver-pool.ts"
import { reasonToKeep } from "../extended-errors.ts"
import { CnameChains } from "./cname-chain.ts"
import type { Join } from "./coalescer.ts"
import { Lookup } from "./lookup.ts"

/**
 * Caches answers; of failures only those that belong to the question itself (RFC 9520 §3.2).
 *
 * @param join how the targets of an answer's CNAMEs are asked for
 */
export const makeCachingExchange = (join: Join) =>
  Effect.gen(function* () {
    const pool = yield* ResolverPool
    const cache = yield* AnswerCache
    const failures = yield* FailureCache
    const { nowMs } = yield* TimerWheel
    const configuration = yield* Configuration
    const specialLinks = yield* configuration.derive(["groups", "localAnswers", "rules", "specialNames"], (settings) =>
      Effect.sync(() => makeSpecialLinks(settings))
    )
    const lookup = new Lookup(cache, failures, join, (question) => specialLinks.current(question))
    const deadlineMs = (): number => configuration.current().queryTimeoutSecs * 1000 - ENDS_BEFORE_MS
    const cnameChains = new CnameChains(lookup, deadlineMs, nowMs, answerRulesOf(configuration))

    const tools: Tools = {
      begin: pool.begin,
      cnameChains,
      flushes: cache.flushes,
      keep: (question, outcome, flushes) => {
        const isFlushed = cache.flushes() !== flushes
        if (Exit.isSuccess(outcome)) {
          const { wire, ttlSeconds, scope } = outcome.value
          if (ttlSeconds <= 0) {
            if (isFinal(outcome.value)) cache.supersede(question, scope)
          } else if (!isFlushed) {
            cache.store(question, wire, ttlSeconds, scope)
          }
          failures.forget(question)
          return
        }
        if (isFlushed) return
        for (const reason of outcome.cause.reasons) {
          const kept = reason._tag === "Fail" ? reasonToKeep(reason.error) : undefined
          if (kept !== undefined) failures.store(question, kept)
        }
      }
    }
    const begin: Begin = (question, record, asker) => {
      const exchange = new CachingExchange(tools, question, record, asker)
      exchange.begin()
      return exchange
    }
    return begin
  })

interface Tools {
  readonly begin: Begin
  readonly cnameChains: CnameChains
  /** The number of flushes that have begun: to be read before asking, for `keep`. */
  readonly flushes: () => number
  /** @param outcome of the question, or of all its legs */
  readonly keep: (question: Question, outcome: Outcome, flushes: number) => void
}

/** One exchange: it caches the outcome before the asker is told of it. */
class CachingExchange implements Asker, Abandonable {
  private readonly tools: Tools
  private readonly question: Question
  private readonly record: ResolutionRecord
  private readonly asker: Asker
  private readonly flushes: number
  private underWay: Abandonable | undefined

  constructor(tools: Tools, question: Question, record: ResolutionRecord, asker: Asker) {
    this.tools = tools
    this.question = question
    this.record = record
    this.asker = asker
    this.flushes = tools.flushes()
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
    const head = outcome.value
    const target = outcome.value.continuesAt
    try {
      this.underWay = tools.cnameChains.complete(question, head, target, record, this)
    } catch (defect) {
      this.conclude(Exit.die(defect))
    }
  }

  private conclude(outcome: Outcome): void {
    let kept = outcome
    try {
      this.tools.keep(this.question, outcome, this.flushes)
    } catch (defect) {
      kept = Exit.die(defect)
    }
    this.asker.onOutcome(kept)
  }
}

/**
 * Whether the message is a final answer, so that no older one may be given any more: NOERROR, NXDOMAIN (RFC 8767 §4),
 * or YXDOMAIN for a DNAME that makes the name too long (RFC 6672 §2.2). Other rcodes are not, even those that are
 * passed on to clients; nor is an answer without the signatures that were asked for.
 */
export const isFinal = ({ isUnsigned, wire }: Answer): boolean => {
  if (isUnsigned === true) return false
  const rcode = u16(wire, 2) & 0xf
  return rcode === Rcode.NoError || rcode === Rcode.NXDomain || rcode === Rcode.YXDomain
}
