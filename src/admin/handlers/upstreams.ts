/** The upstreams: how they do, and taking one out of use. */
import { Effect } from "effect"
import { HttpApiBuilder } from "effect/http-api"
import { rcodeName } from "../../dns/codes.ts"
import { attemptsOf, durationSteps, type UpstreamSums } from "../../telemetry/upstream-counts.ts"
import { AdminApi } from "../api/api.ts"
import { NotNow, NotThere } from "../api/errors.ts"
import type { Upstream } from "../api/upstreams.ts"
import { Sources } from "../sources.ts"

export const upstreamHandlers = HttpApiBuilder.group(
  AdminApi,
  "upstreams",
  Effect.fnUntraced(function* (handlers) {
    const { counters, supervisor } = yield* Sources
    const drain = (id: string, isDrained: boolean) =>
      Effect.suspend(() => {
        if (!supervisor.drain(id, isDrained)) return Effect.fail(unknown(id))
        const what = isDrained ? "is drained: it is asked only where no other can be" : "is in use again"
        return Effect.as(Effect.logInfo(`upstream ${id} ${what}`), { id, isDrained })
      })
    return handlers.handleAll({
      list: () =>
        Effect.sync(() => {
          const sums = new Map(counters.upstreams().map((of) => [of.upstream, of]))
          const all = [...sums.values()].reduce((sum, of) => sum + attemptsOf(of), 0)
          return supervisor
            .upstreams()
            .map(({ name, groups, isDrained, meanMs, state, variationMs }): typeof Upstream.Type => {
              const of = sums.get(name)
              const attempts = of === undefined ? 0 : attemptsOf(of)
              const counts = of === undefined ? [] : countsOf(of)
              return {
                id: name,
                state,
                isDrained,
                groups,
                latencyMs: meanMs ?? null,
                variationMs: variationMs ?? null,
                inFlight: of?.inFlight ?? 0,
                attempts,
                retries: of?.retries ?? 0,
                hedges: of?.hedges ?? 0,
                failures: of === undefined ? {} : failuresOf(of),
                rcodes: of === undefined ? {} : rcodesOf(of),
                share: all === 0 ? 0 : attempts / all,
                p50Ms: quantileMs(counts, 0.5),
                p99Ms: quantileMs(counts, 0.99)
              }
            })
        }),
      drain: ({ params }) => drain(params.id, true),
      enable: ({ params }) => drain(params.id, false),
      probe: ({ params }) =>
        Effect.gen(function* () {
          if (!supervisor.upstreams().some(({ name }) => name === params.id)) return yield* unknown(params.id)
          const answer = yield* Effect.mapError(
            supervisor.ask({ kind: "probe", upstream: params.id }),
            ({ message }) => new NotNow({ message })
          )
          if (answer.kind !== "probed") return yield* new NotNow({ message: "the worker said something else" })
          const { rcode, tookMs, error } = answer
          return {
            id: params.id,
            answered: rcode !== undefined,
            rcode: rcode === undefined ? null : rcodeName(rcode),
            tookMs,
            error: error ?? null
          }
        })
    })
  })
)

const unknown = (id: string): NotThere => new NotThere({ message: `there is no upstream ${id}` })

/** Outcomes that are no failures. */
const fine: ReadonlySet<string> = new Set(["answered", "overtaken", "withheld"])

const failuresOf = ({ outcomes }: UpstreamSums): Record<string, number> =>
  Object.fromEntries(Object.entries(outcomes).filter(([name]) => !fine.has(name)))

const rcodesOf = ({ durations }: UpstreamSums): Record<string, number> =>
  Object.fromEntries(
    durations
      .map(({ rcode, counts }) => [rcode, counts.reduce((sum, count) => sum + count, 0)] as const)
      .filter(([, count]) => count > 0)
  )

/** Of all rcodes together, by step. */
const countsOf = ({ durations }: UpstreamSums): ReadonlyArray<number> =>
  Array.from({ length: durationSteps.length + 1 }, (_, step) =>
    durations.reduce((sum, { counts }) => sum + counts[step]!, 0)
  )

/** Milliseconds, between the ends of the step in which it lies; 0 where nothing was counted. */
const quantileMs = (counts: ReadonlyArray<number>, quantile: number): number => {
  const total = counts.reduce((sum, count) => sum + count, 0)
  let left = total * quantile
  for (const [step, count] of counts.entries()) {
    if (count > 0 && left <= count) {
      const low = step === 0 ? 0 : durationSteps[step - 1]!
      const high = durationSteps[step] ?? low
      return (low + (high - low) * (left / count)) * 1000
    }
    left -= count
  }
  return 0
}
