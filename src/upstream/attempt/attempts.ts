/** The attempts of one question together, in the order in which they began. Most questions have one. */
import { SILENCE } from "../health/breaker.ts"
import type { HealthMonitor } from "../health/monitor.ts"
import type { Upstream } from "../upstream.ts"
import type { UpstreamAttempt } from "./attempt.ts"
import { recordOutcome } from "./record-outcome.ts"

type Attempts = ReadonlyArray<UpstreamAttempt>

export const timesAsked = (attempts: Attempts, upstream: Upstream): number => {
  let times = 0
  for (const attempt of attempts) if (attempt.upstream === upstream) times++
  return times
}

/** How many attempts may have failed because of EDNS: silence and errors. An unreadable reply says nothing of EDNS. */
export const failuresOf = (attempts: Attempts, upstream: Upstream): number => {
  let failures = 0
  for (const attempt of attempts) {
    if (attempt.upstream === upstream && (attempt.isPending || attempt.outcome === "error-response")) failures++
  }
  return failures
}

/** Whether the upstream has answered the question by an error, or uselessly. */
export const hasFailed = (attempts: Attempts, upstream: Upstream): boolean =>
  attempts.some((attempt) => attempt.upstream === upstream && !attempt.isPending)

/** Whether an attempt is pending and nothing bad is known of it. */
export const isAnyPromising = (attempts: Attempts): boolean =>
  attempts.some((attempt) => attempt.isPending && !attempt.isTroubled)

/** When the next silence will have lasted so long that it is counted; infinite where none will. */
export const silenceDueMs = (attempts: Attempts, longestWaitMs: number): number => {
  let dueMs = Number.POSITIVE_INFINITY
  for (const { isPending, isBlamed, startedMs } of attempts) {
    if (isPending && !isBlamed) dueMs = Math.min(dueMs, startedMs + longestWaitMs)
  }
  return dueMs
}

/**
 * Counts silence that has lasted as long as any attempt may take, without waiting for the end of the question, which
 * may be seconds away.
 */
export const blameSilent = (attempts: Attempts, longestWaitMs: number, nowMs: number, health: HealthMonitor): void => {
  for (const attempt of attempts) {
    attempt.noteUnanswerable()
    if (!attempt.isPending || attempt.isBlamed || attempt.waitedMs < longestWaitMs) continue
    attempt.isBlamed = true
    if (attempt.upstream.breaker.onFailure(nowMs, SILENCE)) health.suspect(attempt.upstream)
  }
}

/**
 * Ends the question: records the outcome of each attempt for its upstream, and abandons those that are pending.
 *
 * @param winner the upstream that answered well; undefined where none did
 */
export const endAll = (
  attempts: Attempts,
  winner: Upstream | undefined,
  nowMs: number,
  options: { readonly attemptTimeoutMs: number; readonly health: HealthMonitor }
): void => {
  for (const attempt of attempts) {
    if (recordOutcome(attempt, winner, nowMs, options.attemptTimeoutMs)) options.health.suspect(attempt.upstream)
    if (!attempt.isPending) continue
    attempt.end(attempt.isTroubled ? "network-error" : attempt.isOverdue ? "timeout" : "overtaken")
    attempt.exchange?.abandon()
  }
}
