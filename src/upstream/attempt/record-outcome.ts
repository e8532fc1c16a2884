/**
 * Records the outcome of an attempt for its upstream, when the question is over.
 *
 * An error, or slowness, counts against the upstream only where another upstream answered the same question well.
 * Otherwise the question itself may be the reason: one zone that nobody can resolve would break every upstream.
 */
import { SILENCE } from "../health/breaker.ts"
import type { Upstream } from "../upstream.ts"
import type { UpstreamAttempt } from "./attempt.ts"

/**
 * Tells the upstream's breaker and its latency estimate. Network errors and garbage were recorded when they came.
 *
 * @param winner the upstream that answered well; undefined where none did
 * @param attemptTimeoutMs silence that lasts this long counts whatever the others did
 * @returns whether the upstream should be checked
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
  if (winner !== undefined && !attempt.isHeld) upstream.latency.onSilence(waitedMs, nowMs)
  if (attempt.isBlamed) return false
  const limitMs = winner === undefined ? attemptTimeoutMs : attempt.patienceMs
  // If the same upstream answered another attempt, only a datagram was lost.
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
