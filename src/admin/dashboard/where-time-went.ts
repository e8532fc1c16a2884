/** What took the longest in a query's life, in a sentence. */
import { formatMs, formatPercent } from "./format.ts"
import type { QueryShape, StepShape, TraceShape, UpstreamShape } from "./shapes.ts"

const lengthOf = ({ fromMs, toMs }: StepShape): number => Math.max(0, toMs - fromMs)

/** When the first of the steps began: before the query came, where it waited for an attempt that was under way. */
export const startMsOf = (steps: ReadonlyArray<StepShape>): number =>
  steps.reduce((least, { fromMs }) => Math.min(least, fromMs), 0)

export const whereTimeWent = ({ query, steps: all }: TraceShape): string => {
  const { outcome, tookMs } = query
  /** How long before this query the question was asked that it waited for. */
  const earlierMs = -startMsOf(all)
  const joined = earlierMs > 0 ? `It joined an equal question that was asked ${formatMs(earlierMs)} before. ` : ""
  const steps = all.map((step) => ({
    ...step,
    fromMs: Math.min(tookMs, Math.max(0, step.fromMs)),
    toMs: Math.min(tookMs, step.toMs)
  }))
  return joined + mostOf(outcome, tookMs, steps)
}

const mostOf = (outcome: QueryShape["outcome"], tookMs: number, steps: ReadonlyArray<StepShape>): string => {
  if (outcome === "hit") return `Answered from the cache in ${formatMs(tookMs)}.`
  const attempts = steps.filter(({ name }) => name === "upstream.attempt")
  // The attempts stand for what they are part of.
  const parts = steps.filter(({ depth, name }) => depth > 0 && (name !== "upstream.resolve" || attempts.length === 0))
  const longest = parts.reduce<StepShape | undefined>(
    (most, step) => (most === undefined || lengthOf(step) > lengthOf(most) ? step : most),
    undefined
  )
  if (longest === undefined) return `Answered here in ${formatMs(tookMs)}: nobody else was asked.`
  const retried = retriedText(attempts)
  if (retried !== undefined) return retried
  const ms = lengthOf(longest)
  const share = tookMs > 0 ? ` (${formatPercent(Math.min(1, ms / tookMs))})` : ""
  return `${formatMs(ms)} of ${formatMs(tookMs)}${share} ${reasonOf(longest, attempts)}.`
}

/** An attempt that failed costs the time until the next, though it may be waited for until the end. */
const retriedText = (attempts: ReadonlyArray<StepShape>): string | undefined => {
  const [first] = attempts
  if (first === undefined) return undefined
  const answered = attempts.findIndex(({ detail, status }) => status === "ok" && / answered\b/.test(detail))
  if (answered < 0) return `No attempt was answered. The first: ${first.detail}, after ${formatMs(lengthOf(first))}.`
  if (answered === 0 || first.status === "ok") return undefined
  const step = attempts[answered]!
  return `Attempt 1 failed: ${first.detail}. Attempt ${answered + 1} began ${formatMs(step.fromMs)} after the query came, and took ${formatMs(lengthOf(step))}: ${step.detail}.`
}

const reasonOf = (step: StepShape, attempts: ReadonlyArray<StepShape>): string => {
  switch (step.name) {
    case "upstream.attempt":
      return `went into attempt ${attempts.indexOf(step) + 1}: ${step.detail}`
    case "queue.wait":
      return "were spent in line: as many queries as max_concurrent_queries were waiting already"
    case "cache.lookup":
      return "went by until the cache was looked at: the worker was busy"
    case "cache.shared":
      return "went into the shared cache"
    default:
      return step.detail === "" ? "went into waiting for upstreams" : `went into waiting: ${step.detail}`
  }
}

/** Whether it is the upstream: how long it takes on average, and how long the others of its groups do. */
export const compareUpstreams = (
  asked: string | null,
  upstreams: ReadonlyArray<Pick<UpstreamShape, "id" | "groups" | "latencyMs">>
): string | undefined => {
  const upstream = upstreams.find(({ id }) => id === asked)
  const own = upstream?.latencyMs
  if (own === undefined || own === null) return undefined
  const others = upstreams.flatMap(({ groups, id, latencyMs }) =>
    id === asked || latencyMs === null || !groups.some((group) => upstream!.groups.includes(group))
      ? []
      : [{ id, latencyMs }]
  )
  const latencies = others.map(({ latencyMs }) => latencyMs)
  const beside =
    others.length === 0
      ? ""
      : others.length === 1
        ? `; ${others[0]!.id} ${formatMs(others[0]!.latencyMs)}`
        : `; the others ${formatMs(Math.min(...latencies))} to ${formatMs(Math.max(...latencies))}`
  return `On average ${asked} takes ${formatMs(own)}${beside}.`
}
