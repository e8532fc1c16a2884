/** Hot: a thousand cached names by UDP, up to 500 queries waiting, as fast as answers come. */
import { Effect } from "effect"
import { Lab } from "../lab.ts"
import { Plan } from "../plan.ts"
import { warmedUp } from "./hot-names.ts"
import { throughput, throughputFigures } from "./throughput.ts"
import type { Workload } from "./workload.ts"

export const hot: Workload = {
  name: "hot",
  title: "Hot: cached names by UDP",
  method: ({ seconds }) => `1,000 names, each in the cache; ${seconds} s as fast as answers come, 500 queries waiting.`,
  figures: throughputFigures,
  rounds: ({ rounds }) => rounds,
  asks: () => true,
  measure: Effect.fnUntraced(function* (server) {
    const { seconds } = yield* Plan
    const running = yield* (yield* Lab).shared(server)
    const questions = yield* warmedUp(running)
    return [{ variant: "", figures: yield* throughput(running, { questions, seconds, waiting: 500 }) }]
  })
}
