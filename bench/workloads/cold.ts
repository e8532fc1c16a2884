/** Cold: names that were never asked before, each once; every one has to be fetched from NSD. */
import { Effect } from "effect"
import { Lab } from "../lab.ts"
import { freshPrefix, numbered, writeQuestions } from "../load/questions.ts"
import { Plan } from "../plan.ts"
import { ZONE } from "../upstreams/nsd.ts"
import { throughput, throughputFigures } from "./throughput.ts"
import type { Workload } from "./workload.ts"

export const cold: Workload = {
  name: "cold",
  title: "Cold: names not cached",
  method: ({ coldNames }) =>
    `${coldNames.toLocaleString("en")} names never asked before, each once, 200 queries waiting; NSD answers them. Three rounds at least.`,
  figures: throughputFigures,
  // In the first round a server that is compiled as it runs is compiled.
  rounds: ({ rounds }) => Math.max(3, rounds),
  asks: ({ role }) => role !== "floor",
  measure: Effect.fnUntraced(function* (server) {
    const { coldNames } = yield* Plan
    const lab = yield* Lab
    const running = yield* lab.shared(server)
    const questions = writeQuestions(lab.directory, numbered(freshPrefix(), ZONE, coldNames))
    return [{ variant: "", figures: yield* throughput(running, { questions, waiting: 200 }) }]
  })
}
