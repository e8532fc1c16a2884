/** What queries have in common: how many of each outcome, how long they took, and whom they were asked of. */
import type { QueryShape } from "./shapes.ts"

export interface SpanOfTimes {
  readonly count: number
  readonly medianMs: number
  readonly p95Ms: number
  readonly slowestMs: number
}

export interface Summary extends SpanOfTimes {
  /** The most first. */
  readonly outcomes: ReadonlyArray<readonly [outcome: string, times: SpanOfTimes]>
  readonly upstreams: ReadonlyArray<readonly [upstream: string, times: SpanOfTimes]>
}

export const summarize = (queries: ReadonlyArray<QueryShape>): Summary => ({
  ...timesOf(queries),
  outcomes: byCount(Map.groupBy(queries, ({ outcome }) => outcome)),
  upstreams: byCount(
    Map.groupBy(
      queries.filter(({ isCoalesced, upstream }) => upstream !== null && !isCoalesced),
      ({ upstream }) => upstream!
    )
  )
})

const byCount = (groups: ReadonlyMap<string, ReadonlyArray<QueryShape>>) =>
  [...groups].map(([key, queries]) => [key, timesOf(queries)] as const).sort(([, a], [, b]) => b.count - a.count)

const timesOf = (queries: ReadonlyArray<QueryShape>): SpanOfTimes => {
  const times = queries.map(({ tookMs }) => tookMs).sort((a, b) => a - b)
  const at = (share: number): number => times[Math.min(times.length - 1, Math.floor(times.length * share))] ?? 0
  return { count: times.length, medianMs: at(0.5), p95Ms: at(0.95), slowestMs: times.at(-1) ?? 0 }
}
