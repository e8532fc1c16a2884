/** Tells chosen upstreams which trace a question is part of, so that theirs hangs below ours. */
import { Effect } from "effect"
import { Configuration } from "../config/configuration.ts"
import type { Option } from "../dns/question.ts"
import { writeTraceContext } from "../dns/trace-context.ts"
import { formatEndpoint } from "../io/endpoint.ts"
import { newSpanId } from "../telemetry/query-trace.ts"
import type { Attempt } from "./requester.ts"

/** The option for an attempt; undefined where its query is not traced, or its upstream is not to be told. */
export const makeTraceOption = Effect.gen(function* () {
  const configuration = yield* Configuration
  const told = yield* configuration.derive(
    ["traceContextTo", "traceContextOption"],
    ({ traceContextTo, traceContextOption: code }) =>
      Effect.succeed(traceContextTo.length === 0 ? undefined : { code, upstreams: new Set(traceContextTo) })
  )
  return (attempt: Attempt): Option | undefined => {
    const { current } = told
    if (current === undefined) return undefined
    const trace = attempt.resolution?.leader?.trace
    if (trace === undefined) return undefined
    const { name, endpoint } = attempt.upstream
    const { upstreams } = current
    if (!upstreams.has(name) && !upstreams.has(endpoint.address) && !upstreams.has(formatEndpoint(endpoint))) {
      return undefined
    }
    attempt.spanId ||= newSpanId()
    return { code: current.code, data: writeTraceContext(trace.traceId, attempt.spanId) }
  }
})
