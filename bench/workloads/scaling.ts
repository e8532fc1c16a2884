/**
 * Scaling: the hot workload on one thread, two, four and so on, up to the machine's cores.
 *
 * The client needs a core too: what the last step brings is less than the server could do.
 */
import { availableParallelism } from "node:os"
import { Effect } from "effect"
import { Lab } from "../lab.ts"
import { Plan } from "../plan.ts"
import { warmedUp } from "./hot-names.ts"
import { throughput, throughputFigures } from "./throughput.ts"
import type { Sample, Workload } from "./workload.ts"

const threadCounts = (): ReadonlyArray<number> => {
  const counts: Array<number> = []
  for (let threads = 1; threads <= availableParallelism(); threads *= 2) counts.push(threads)
  return counts
}

export const scaling: Workload = {
  name: "scaling",
  title: "Scaling: cached names on several threads",
  method: ({ seconds }) =>
    `As hot, ${seconds} s, each server started with so many threads. The client shares the cores.`,
  figures: throughputFigures,
  rounds: () => 1,
  asks: ({ hasThreads }) => hasThreads,
  measure: Effect.fnUntraced(function* (server) {
    const { seconds } = yield* Plan
    const lab = yield* Lab
    const samples: Array<Sample> = []
    for (const threads of threadCounts()) {
      const measured = Effect.gen(function* () {
        const running = yield* lab.fresh(server, { threads })
        return yield* throughput(running, { questions: yield* warmedUp(running), seconds, waiting: 500 })
      })
      const figures = yield* Effect.scoped(measured)
      samples.push({ variant: threads === 1 ? "1 thread" : `${threads} threads`, figures })
    }
    return samples
  })
}
