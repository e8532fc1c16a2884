/** Why a query gets an error, in words for people (RFC 8914). */
import type { Cause } from "effect"
import { ExtendedError } from "../dns/codes.ts"
import type { ErrorReason } from "../dns/reply.ts"
import type { CounterName } from "../telemetry/counters.ts"
import type { ResolveError } from "../upstream/answer.ts"
import type { Shed, WaitedTooLong } from "./gate.ts"

export const prohibited: ErrorReason = {
  code: ExtendedError.Prohibited,
  text: "this server does not serve your network"
}
export const looped: ErrorReason = {
  code: ExtendedError.Other,
  text: "this server asked this itself: a forwarding loop"
}
const tooMany: ErrorReason = { code: ExtendedError.Other, text: "too many queries are waiting" }
export const tooLate: ErrorReason = { code: ExtendedError.NoReachableAuthority, text: "no upstream answered in time" }
const allDown: ErrorReason = { code: ExtendedError.NoReachableAuthority, text: "all upstreams are down" }
export const ownFault: ErrorReason = { code: ExtendedError.Other, text: "internal error" }

export interface Failure {
  readonly reason: ErrorReason
  readonly counter: CounterName | undefined
}

/** What is said, and counted, of a query that failed. */
export const failureOf = (cause: Cause.Cause<ResolveError | Shed | WaitedTooLong>): Failure => {
  for (const reason of cause.reasons) {
    if (reason._tag !== "Fail") continue
    const { error } = reason
    switch (error._tag) {
      case "Shed":
        return { reason: tooMany, counter: "answers.shed" }
      case "WaitedTooLong":
      case "DeadlinePassed":
      case "QuestionUnanswered":
        return { reason: tooLate, counter: "answers.late" }
      case "NoUpstreamAvailable":
        return { reason: allDown, counter: "answers.failed" }
      case "UpstreamsFailed": {
        const code = error.isOfQuestion ? ExtendedError.Other : ExtendedError.NetworkError
        return { reason: { code, text: error.message.slice(0, 200) }, counter: "answers.failed" }
      }
    }
  }
  return { reason: ownFault, counter: undefined }
}
