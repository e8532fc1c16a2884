/** Which upstream is asked next. */
import type { Settings } from "../config/schema.ts"
import type { Upstream } from "./upstream.ts"

export type Policy = Settings["upstreamPolicy"]

/** At one address for one question (RFC 9520 §3.1). */
export const MAX_ATTEMPTS_AT_ONE = 3

/**
 * Upstreams in the order in which a question should try them.
 *
 * @param turn counts up from question to question
 */
export const rank = (policy: Policy, upstreams: ReadonlyArray<Upstream>, turn: number): ReadonlyArray<Upstream> => {
  if (upstreams.length === 1 || policy === "ordered") return upstreams
  const start = turn % upstreams.length
  const rotated = [...upstreams.slice(start), ...upstreams.slice(0, start)]
  // The sort is stable: among equals the turn decides.
  return policy === "round-robin" ? rotated : rotated.sort((a, b) => a.inFlight - b.inFlight)
}

/** The first of the ranked that was asked least often and whose breaker lets a query pass; undefined where none does. */
export const nextUpstream = (
  ranked: ReadonlyArray<Upstream>,
  history: { readonly timesAsked: (upstream: Upstream) => number },
  nowMs: number
): Upstream | undefined => {
  for (let times = 0; times < MAX_ATTEMPTS_AT_ONE; times++) {
    for (const upstream of ranked) {
      if (history.timesAsked(upstream) === times && upstream.breaker.tryPass(nowMs)) return upstream
    }
  }
  return undefined
}
