/** The life of a query, step by step: what a waterfall is drawn from. */
import { rcodeName } from "../../dns/codes.ts"
import { isEarly } from "../../telemetry/query-outcome.ts"
import type { RecentAttempt, RecentQuery } from "../../telemetry/recent-queries/ring.ts"
import type { Step } from "../api/queries.ts"

/** Outcomes of attempts that are nobody's fault. */
const succeeded: ReadonlySet<string> = new Set<RecentAttempt["outcome"]>(["answered", "waiting", "overtaken"])

export const statusOfAttempt = (outcome: string): "ok" | "error" => (succeeded.has(outcome) ? "ok" : "error")

export const stepsOf = (query: RecentQuery, upstreamAt: (slot: number) => string): ReadonlyArray<typeof Step.Type> => {
  const steps: Array<typeof Step.Type> = []
  const isFailed = query.error !== "" || query.outcome === "failure"
  const said = query.rcode < 0 ? "no reply" : rcodeName(query.rcode)
  steps.push({
    name: "dns.query",
    fromMs: 0,
    toMs: query.durationMs,
    status: isFailed ? "error" : "ok",
    detail: query.error === "" ? said : `${said}: ${query.error}`,
    depth: 0
  })
  if (isEarly(query)) return steps
  const isHit = query.outcome === "hit"
  steps.push({
    name: "cache.lookup",
    fromMs: 0,
    toMs: isHit ? query.durationMs : Math.max(0, query.lookedUpMs),
    status: "ok",
    detail: query.outcome,
    depth: 1
  })
  if (query.admittedMs > 0) {
    steps.push({
      name: "queue.wait",
      fromMs: query.lookedUpMs,
      toMs: query.admittedMs,
      status: "ok",
      detail: "",
      depth: 1
    })
  }
  if (query.toldMs > 0 || query.askedMs !== 0 || query.attempts.length > 0) {
    const failed = query.attempts.length > 0 && !query.attempts.some(({ outcome }) => outcome === "answered")
    steps.push({
      name: query.isShared ? "cache.shared" : "upstream.resolve",
      fromMs: query.askedMs,
      toMs: query.toldMs,
      status: failed ? "error" : "ok",
      detail: query.isCoalesced ? "shared with an equal question that was asked before" : "",
      depth: 1
    })
  }
  for (const attempt of query.attempts) {
    steps.push({
      name: "upstream.attempt",
      fromMs: attempt.startedMs,
      toMs: attempt.endedMs,
      status: statusOfAttempt(attempt.outcome),
      detail: [
        upstreamAt(attempt.upstream),
        attempt.transport,
        attempt.outcome === "waiting" ? "no reply by then" : attempt.outcome,
        ...(attempt.rcode < 0 ? [] : [rcodeName(attempt.rcode)])
      ].join(" "),
      depth: 2
    })
  }
  return steps
}
