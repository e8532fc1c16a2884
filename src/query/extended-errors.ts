/**
 * Why a query gets an error, in words for people (RFC 8914).
 *
 * Clients are told in general terms: messages of the operating system and addresses of upstreams are for the log and
 * the trace.
 */
import type { Cause } from "effect"
import { ExtendedError } from "../dns/codes.ts"
import type { ErrorReason } from "../dns/reply.ts"
import type { CounterName } from "../telemetry/counters.ts"
import type { ErrorType } from "../telemetry/record.ts"
import type { ResolveError, UpstreamsFailed } from "../upstream/answer.ts"
import type { Shed, WaitedTooLong } from "./admission/admission.ts"

export const prohibited: ErrorReason = {
  code: ExtendedError.Prohibited,
  text: "this server does not serve your network"
}
export const looped: ErrorReason = {
  code: ExtendedError.Other,
  text: "this server asked this itself: a forwarding loop"
}
export const overRate: ErrorReason = {
  code: ExtendedError.Prohibited,
  text: "your network sends more queries than it may"
}
const tooMany: ErrorReason = { code: ExtendedError.Other, text: "too many queries are waiting" }
export const tooLate: ErrorReason = { code: ExtendedError.NoReachableAuthority, text: "no upstream answered in time" }
const allDown: ErrorReason = { code: ExtendedError.NoReachableAuthority, text: "all upstreams are down" }
const noUsableAnswer: ErrorReason = { code: ExtendedError.NetworkError, text: "no upstream gave a usable answer" }
export const ownFault: ErrorReason = { code: ExtendedError.Other, text: "internal error" }

export interface Failure {
  /** For the client. */
  readonly reason: ErrorReason
  /** For the log and the trace. */
  readonly detail: string
  readonly counter: CounterName | undefined
  readonly type: ErrorType
}

/** A trusted upstream's own reason comes before ours. */
const reasonOf = ({ extendedError }: UpstreamsFailed): ErrorReason => extendedError ?? noUsableAnswer

/** The reason to keep with a failure; undefined where the failure is not the question's own (RFC 9520 §3.2). */
export const reasonToKeep = (error: ResolveError): ErrorReason | undefined => {
  if (error._tag === "QuestionUnanswered") return { code: ExtendedError.CachedError, text: tooLate.text }
  if (error._tag !== "UpstreamsFailed" || !error.isOfQuestion) return undefined
  return error.extendedError === undefined
    ? { code: ExtendedError.CachedError, text: noUsableAnswer.text }
    : { ...error.extendedError, isKept: true }
}

/** What is said, and counted, of a query that failed. */
export const failureOf = (cause: Cause.Cause<ResolveError | Shed | WaitedTooLong>): Failure => {
  for (const reason of cause.reasons) {
    if (reason._tag !== "Fail") continue
    const { error } = reason
    switch (error._tag) {
      case "Shed":
        return failure("shed", tooMany, "answers.shed")
      case "WaitedTooLong":
      case "DeadlinePassed":
      case "QuestionUnanswered":
        return failure("timeout", tooLate, "answers.late")
      case "NoUpstreamAvailable":
        return failure("no_upstream", allDown, "answers.failed")
      case "UpstreamsFailed":
        return failure("upstreams_failed", reasonOf(error), "answers.failed", detailOf(error))
    }
  }
  return failure("internal", ownFault, undefined)
}

const failure = (
  type: ErrorType,
  reason: ErrorReason,
  counter: CounterName | undefined,
  detail = reason.text
): Failure => ({ reason, counter, detail, type })

const detailOf = ({ message, extendedError: said }: UpstreamsFailed): string =>
  said === undefined ? message : `${message}; an upstream says: ${`${said.code} ${said.text}`.trimEnd()}`
