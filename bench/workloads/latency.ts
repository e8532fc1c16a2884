/** Latency: cached names at a fixed rate that every server can bear; how long answers take, and the slowest ones. */
import { Effect } from "effect"
import { Lab, type RunningServer } from "../lab.ts"
import { sendTimed } from "../load/dnsperf.ts"
import { percentiles } from "../measure/percentiles.ts"
import { Plan } from "../plan.ts"
import { warmedUp } from "./hot-names.ts"
import { type Figure, lost, type Workload } from "./workload.ts"

export const RATE = 20_000
/** Enough that a server that stands still for a while does not slow down the client. */
const WAITING = 10_000

export const latencyFigures: ReadonlyArray<Figure> = [
  { key: "p50Microseconds", title: "p50 µs", digits: 0, better: "less" },
  { key: "p99Microseconds", title: "p99 µs", digits: 0, better: "less" },
  { key: "p999Microseconds", title: "p99.9 µs", digits: 0, better: "less" },
  lost
]

/** Asks at the fixed rate, and gives percentiles of the latencies. */
export const latencyOf = Effect.fnUntraced(function* (running: RunningServer, questions: string) {
  const { seconds } = yield* Plan
  const { directory } = yield* Lab
  const load = { port: running.port, questions, seconds, waiting: WAITING, rate: RATE }
  const { result, latenciesMs } = yield* sendTimed(load, directory)
  const [p50, p99, p999] = percentiles(latenciesMs, [50, 99, 99.9])
  return {
    p50Microseconds: 1000 * p50!,
    p99Microseconds: 1000 * p99!,
    p999Microseconds: 1000 * p999!,
    lost: result.lost
  }
})

export const latency: Workload = {
  name: "latency",
  title: "Latency at 20,000 queries a second",
  method: ({ seconds }) => `1,000 names, each in the cache, at ${RATE.toLocaleString("en")} q/s for ${seconds} s.`,
  figures: latencyFigures,
  rounds: ({ rounds }) => rounds,
  asks: () => true,
  measure: Effect.fnUntraced(function* (server) {
    const running = yield* (yield* Lab).shared(server)
    return [{ variant: "", figures: yield* latencyOf(running, yield* warmedUp(running)) }]
  })
}
