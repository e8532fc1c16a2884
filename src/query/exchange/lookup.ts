/**
 * Looks up the answer to a question that no client asked itself, such as the target of a CNAME: a special name, a
 * cached answer, the exchange that is under way for the same question, else a new exchange.
 */
import { Exit } from "effect"
import type { AnswerCache } from "../../cache/answer-cache.ts"
import type { FailureCache } from "../../cache/failure-cache.ts"
import type { Question } from "../../dns/question.ts"
import { subtractAge } from "../../dns/ttl.ts"
import { copyOf } from "../../dns/wire.ts"
import type { ResolutionRecord } from "../../telemetry/record.ts"
import {
  type Abandonable,
  type Answer,
  type Asker,
  deadlinePassed,
  type Outcome,
  UpstreamsFailed
} from "../../upstream/answer.ts"
import { Follower, type Join } from "./coalescer.ts"

export class Lookup {
  private readonly cache: AnswerCache["Service"]
  private readonly failures: FailureCache["Service"]
  private readonly join: Join
  private readonly special: (question: Question) => Answer | undefined

  /** @param special answers special names, which are not asked for */
  constructor(
    cache: AnswerCache["Service"],
    failures: FailureCache["Service"],
    join: Join,
    special: (question: Question) => Answer | undefined
  ) {
    this.cache = cache
    this.failures = failures
    this.join = join
    this.special = special
  }

  /**
   * Asks, and waits for `deadlineMs` at most. The asker may be told before this returns.
   *
   * The query behind it has a permit already: none is taken here.
   */
  ask(question: Question, deadlineMs: number, asker: Asker): PendingLookup {
    const pending = new PendingLookup(question, this.cache.hashOf(question), asker)
    const kept = this.kept(question)
    if (kept === undefined) this.join(pending, deadlineMs)
    else pending.onOutcome(kept)
    return pending
  }

  private kept(question: Question): Outcome | undefined {
    const answer = this.special(question) ?? findAlive(this.cache, question)
    if (answer !== undefined) return Exit.succeed(answer)
    const failure = this.failures.lookup(question)
    if (failure === undefined) return undefined
    const { code, text, isKept } = failure
    const extendedError = isKept === true ? { code, text } : undefined
    return Exit.fail(new UpstreamsFailed({ isOfQuestion: true, message: text, extendedError }))
  }
}

/** The cached answer if it has not expired, as an answer that came just now. */
export const findAlive = (cache: AnswerCache["Service"], question: Question): Answer | undefined => {
  const found = cache.peekStale(question)
  if (found === undefined || found.remainingSeconds <= 0) return undefined
  const { ageSeconds, length, remainingSeconds, scope } = found
  const wire = copyOf(found.wire, 0, length)
  subtractAge(wire, length, ageSeconds)
  return { wire, ttlSeconds: remainingSeconds, continuesAt: undefined, scope }
}

/** A question under way, and its asker. */
export class PendingLookup extends Follower implements Abandonable {
  readonly question: Question
  readonly hash: number
  /** The question object that the exchange was begun for: equal to its own. */
  waitsWith: Question | undefined
  /** Of the exchange that was begun for it; undefined where it was answered without one, or shares another's. */
  record: ResolutionRecord | undefined
  private readonly asker: Asker

  constructor(question: Question, hash: number, asker: Asker) {
    super()
    this.question = question
    this.hash = hash
    this.asker = asker
  }

  override get takesStale(): boolean {
    return false
  }

  override joined(record: ResolutionRecord, isShared: boolean, exchanged: Question): void {
    this.waitsWith = exchanged
    if (!isShared) this.record = record
  }

  override onOutcome(outcome: Outcome): void {
    this.waitsWith = undefined
    this.asker.onOutcome(outcome)
  }

  /** Its time is over, and the exchange's too where no other follower waits for it. */
  override fire(): void {
    this.abandon()
    this.onOutcome(deadlinePassed)
  }
}
