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

/** How many of them may have failed for their EDNS: silence and errors. A reply that cannot be read says nothing of it. */
export const failuresOf = (attempts: Attempts, upstream: Upstream): number => {
  let failures = 0
  for (const attempt of attempts) {
    if (attempt.upstream === upstream && (attempt.isPending || attempt.outcome === "error-response")) failures++
  }
  return failures
}

/** Whether it has answered the question by an error, or by what is of no use. */
export const hasFailed = (attempts: Attempts, upstream: Upstream): boolean =>
  attempts.some((attempt) => attempt.upstream === upstream && !attempt.isPending)

/** Whether an answer may still come of which nothing bad is known. */
export const isAnyPromising = (attempts: Attempts): boolean =>
  attempts.some((attempt) => attempt.isPending && !attempt.isTroubled)

/** When the silence of one of them will have lasted so long that it counts; infinite where it has, or none is silent. */
export const silenceDueMs = (attempts: Attempts, longestWaitMs: number): number => {
  let dueMs = Number.POSITIVE_INFINITY
  for (const { isPending, isBlamed, startedMs } of attempts) {
    if (isPending && !isBlamed) dueMs = Math.min(dueMs, startedMs + longestWaitMs)
  }
  return dueMs
}

/** Silence as long as any attempt may take counts at once: the question may go on for seconds. */
export const blameSilent = (attempts: Attempts, longestWaitMs: number, nowMs: number, health: HealthMonitor): void => {
  for (const attempt of attempts) {
    attempt.noteUnanswerable()
    if (!attempt.isPending || attempt.isBlamed || attempt.waitedMs < longestWaitMs) continue
    attempt.isBlamed = true
    if (attempt.upstream.breaker.onFailure(nowMs, SILENCE)) health.suspect(attempt.upstream)
  }
}

/**
 * The question is over: what each of them says of its upstream, and the end of those that are pending.
 *
 * @param winner who answered well; undefined where nobody did
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
