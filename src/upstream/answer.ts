/** What comes of a question: an answer as it is kept and sent, or why there is none. */
import { Exit, Schema } from "effect"
import { ExtendedError, Flag, Rcode } from "../dns/codes.ts"
import type { Question } from "../dns/question.ts"
import type { ErrorReason } from "../dns/reply.ts"
import type { Response } from "../dns/response.ts"
import { putU16, u16 } from "../dns/wire.ts"
import type { ResolutionRecord } from "../telemetry/record.ts"

/**
 * An answer as it is kept and sent.
 *
 * **When to use**
 *
 * Use to look at what the upstreams answer, in a step around them. To make one, use {@link beginBy}.
 */
export interface Answer {
  /** Normalised; AD only where the upstream is trusted to validate. */
  readonly wire: Uint8Array
  /** Seconds that it may be kept; 0 for not at all. */
  readonly ttlSeconds: number
  /**
   * The name at which its CNAMEs end where the message says nothing of that name; undefined where the answer is
   * complete.
   */
  readonly continuesAt: Uint8Array | undefined
  /** Bits of the client's network for which it is good (RFC 7871 §7.3.1); 0 for everybody. */
  readonly scope: number
  /**
   * Without the signatures that were asked for: it serves the queries that wait, and does not supersede a cached answer
   * that has them.
   */
  readonly isUnsigned?: boolean | undefined
  /** What a trusted upstream says of why the answer is as it is (RFC 8914); not kept. */
  readonly extendedError?: ErrorReason | undefined
}

/**
 * Every upstream that was asked failed or refused. Answered with SERVFAIL (RFC 8914 §4.24, Network Error, or what the upstream said).
 *
 * **When to use**
 *
 * Use as the failure of an upstream of one's own that cannot answer.
 *
 * **Example** (A failure of an upstream of one's own)
 *
 * ```ts
 * import { Effect } from "effect"
 * import { beginBy, UpstreamsFailed } from "strand-dns"
 *
 * const begin = beginBy(() => Effect.fail(new UpstreamsFailed({ isOfQuestion: false, message: "the database is away" })))
 * ```
 */
export class UpstreamsFailed extends Schema.TaggedError<UpstreamsFailed>()("UpstreamsFailed", {
  /** Whether the question itself seems to be the reason, and not its upstreams: then the failure is kept (RFC 9520 §3.2). */
  isOfQuestion: Schema.Boolean,
  /** For the log and the trace: it may name addresses. */
  message: Schema.String,
  /** What a trusted upstream said of why. */
  extendedError: Schema.optional(Schema.Struct({ code: Schema.Number, text: Schema.String }))
}) {}

/**
 * No upstream answered before the deadline. Answered with SERVFAIL and Extended DNS Error 22 (RFC 8914 §4.23).
 *
 * **When to use**
 *
 * Use as the failure of an upstream of one's own that gave up waiting. It is not kept.
 *
 * **Example** (A failure of an upstream of one's own)
 *
 * ```ts
 * import { Effect } from "effect"
 * import { beginBy, DeadlinePassed } from "strand-dns"
 *
 * const begin = beginBy(() => Effect.fail(new DeadlinePassed()))
 * ```
 */
export class DeadlinePassed extends Schema.TaggedError<DeadlinePassed>()("DeadlinePassed", {}) {}

/**
 * No upstream answered this question before the deadline, and one that was asked answered others well meanwhile: its
 * own failure, which may be kept (RFC 9520 §3.2). Answered as one whose deadline passed.
 *
 * **When to use**
 *
 * Use as the failure of a question that is known to find no answer, so that it is not asked again for a while.
 *
 * **Example** (A failure of an upstream of one's own)
 *
 * ```ts
 * import { Effect } from "effect"
 * import { beginBy, QuestionUnanswered } from "strand-dns"
 *
 * const begin = beginBy(() => Effect.fail(new QuestionUnanswered()))
 * ```
 */
export class QuestionUnanswered extends Schema.TaggedError<QuestionUnanswered>()("QuestionUnanswered", {}) {}

/**
 * All upstreams are broken, or have as many questions as they may: none was asked. Never cached: it would hide the
 * first upstream that returns.
 *
 * **When to use**
 *
 * Use as the failure of an upstream of one's own that is known to be away, and was not asked.
 *
 * **Example** (A failure of an upstream of one's own)
 *
 * ```ts
 * import { Effect } from "effect"
 * import { beginBy, NoUpstreamAvailable } from "strand-dns"
 *
 * const begin = beginBy(() => Effect.fail(new NoUpstreamAvailable()))
 * ```
 */
export class NoUpstreamAvailable extends Schema.TaggedError<NoUpstreamAvailable>()("NoUpstreamAvailable", {}) {}

/**
 * Why there is no answer.
 *
 * **When to use**
 *
 * Use as the error of an effect that {@link beginBy} runs.
 */
export type ResolveError = UpstreamsFailed | DeadlinePassed | QuestionUnanswered | NoUpstreamAvailable

/**
 * What comes of a question: an answer, or why there is none.
 *
 * **When to use**
 *
 * Use in a step that looks at what the upstreams answer.
 */
export type Outcome = Exit.Exit<Answer, ResolveError>

export const deadlinePassed: Outcome = Exit.fail(new DeadlinePassed())

/**
 * The one that asks a question, at every border between a query and an upstream: it is told of the outcome once, unless
 * it abandons the exchange before.
 *
 * **When to use**
 *
 * Use in a step that wants to see the outcome: pass on an asker of one's own, which tells the one that asked.
 */
export interface Asker {
  readonly onOutcome: (outcome: Outcome) => void
}

/**
 * An exchange under way. After `abandon` its asker is told nothing.
 *
 * **When to use**
 *
 * Use as what a `begin` returns: what ends the work that nobody waits for any more.
 */
export interface Abandonable {
  readonly abandon: () => void
}

/**
 * Begins a question's exchange, which has a life and a deadline of its own. The asker may be told of the outcome before
 * this returns.
 *
 * **When to use**
 *
 * Use as the type of a step's function. It must not throw, and must tell the asker in any case; {@link beginBy} sees to
 * both.
 */
export type Begin = (question: Question, record: ResolutionRecord, asker: Asker) => Abandonable

const rebound: ErrorReason = { code: ExtendedError.Blocked, text: "private addresses were taken out of the answer" }

/**
 * The answer that a response contains; undefined where it contains none and another upstream is to be asked.
 *
 * @param failsOver whether another upstream is asked on this rcode; never true for one that is no error in itself
 */
export const answerOf = (
  response: Response,
  isTrusted: boolean,
  failsOver: (rcode: number) => boolean
): Answer | undefined => {
  const { isUnsigned, responseClass, rcode, scope, ttlSeconds, wire } = response
  const extendedError = response.isRebound === true ? rebound : undefined
  // It did not fit even over TCP: no client could get the rest.
  if (response.truncated) return undefined
  if (!isTrusted) putU16(wire, 2, u16(wire, 2) & ~Flag.AD)
  switch (responseClass.kind) {
    case "referral":
    case "circle":
      return undefined
    case "unfinished":
      return { wire, ttlSeconds, continuesAt: responseClass.target, scope, isUnsigned }
    case "negative":
    case "answer":
      return { wire, ttlSeconds, continuesAt: undefined, scope, isUnsigned, extendedError }
    case "too-long":
      return { wire, ttlSeconds: 0, continuesAt: undefined, scope, isUnsigned }
    case "nothing":
      // YXDOMAIN that no DNAME explains is an error like others, whatever is set of these (RFC 6672 §2.2). NOERROR with
      // records of other names alone is a useless reply.
      return rcode === Rcode.NoError || rcode === Rcode.YXDomain || failsOver(rcode)
        ? undefined
        : { wire, ttlSeconds: 0, continuesAt: undefined, scope }
  }
}
