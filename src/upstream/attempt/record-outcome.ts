/**
 * What an attempt says of its upstream, when its question is over.
 *
 * An error, or being slow, counts only where another upstream answered that question well: else it is the question's own,
 * and one zone that nobody can resolve would break every upstream.
 */
import { SILENCE } from "../health/breaker.ts"
import type { Upstream } from "../upstream.ts"
import type { UpstreamAttempt } from "./attempt.ts"

/**
 * Tells the upstream's breaker and its latency. Network errors and garbage were told when they came.
 *
 * @param winner who answered well; undefined where nobody did
 * @param attemptTimeoutMs from here on silence counts whatever the others did
 * @returns whether the upstream ought to be checked
 */
export const recordOutcome = (
  attempt: UpstreamAttempt,
  winner: Upstream | undefined,
  nowMs: number,
  attemptTimeoutMs: number
): boolean => {
  if (attempt.isPending) return recordSilence(attempt, winner, nowMs, attemptTimeoutMs)
  return attempt.outcome === "error-response" && recordError(attempt, winner, nowMs)
}

const recordSilence = (
  attempt: UpstreamAttempt,
  winner: Upstream | undefined,
  nowMs: number,
  attemptTimeoutMs: number
): boolean => {
  const { upstream, waitedMs } = attempt
  if (winner !== undefined) upstream.latency.onSilence(waitedMs, nowMs)
  if (attempt.isBlamed) return false
  const limitMs = winner === undefined ? attemptTimeoutMs : attempt.patienceMs
  // Where its own answer to another attempt came, a datagram was lost.
  if (winner !== upstream && (attempt.isTroubled || waitedMs >= limitMs)) {
    return upstream.breaker.onFailure(nowMs, SILENCE)
  }
  upstream.breaker.onUndecided()
  return false
}

const recordError = ({ upstream, rcode }: UpstreamAttempt, winner: Upstream | undefined, nowMs: number): boolean => {
  if (winner === undefined || winner === upstream) {
    upstream.breaker.onError(nowMs)
    return false
  }
  upstream.latency.onFault(nowMs)
  return upstream.breaker.onFailure(nowMs, rcode)
}
