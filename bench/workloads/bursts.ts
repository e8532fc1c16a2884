/** Bursts: a server that has been idle gets many queries for cached names at once. */
import { Effect } from "effect"
import { Lab } from "../lab.ts"
import { send } from "../load/dnsperf.ts"
import { numbered, writeQuestions } from "../load/questions.ts"
import { median } from "../measure/percentiles.ts"
import { ZONE } from "../upstreams/nsd.ts"
import { warmedUp } from "./hot-names.ts"
import type { Sample, Workload } from "./workload.ts"

const SIZES = [1000, 10_000]
const IDLE_MS = 500
const REPETITIONS = 3

export const bursts: Workload = {
  name: "bursts",
  title: "Bursts on an idle server",
  method: () =>
    `After ${IDLE_MS} ms without a query, so many as fast as they can be sent; the median of ${REPETITIONS}. done: from ` +
    "the first query to the last answer; longest: the slowest answer.",
  figures: [
    { key: "doneMs", title: "done ms", digits: 1, better: "less" },
    { key: "longestMs", title: "longest ms", digits: 1, better: "less" },
    { key: "lost", title: "lost", digits: 0 }
  ],
  rounds: ({ rounds }) => rounds,
  asks: () => true,
  measure: Effect.fnUntraced(function* (server) {
    const { directory } = yield* Lab
    const running = yield* (yield* Lab).shared(server)
    yield* warmedUp(running)
    const samples: Array<Sample> = []
    for (const size of SIZES) {
      const questions = writeQuestions(directory, repeated(size))
      const results = yield* Effect.replicateEffect(
        send({ port: running.port, questions, waiting: size, timeoutSeconds: 1 }, directory).pipe(
          Effect.delay(IDLE_MS)
        ),
        REPETITIONS
      )
      const figures = {
        doneMs: median(results.map(({ runSeconds }) => 1000 * runSeconds)),
        longestMs: median(results.map(({ maxLatencyMs }) => maxLatencyMs)),
        lost: median(results.map(({ lost }) => lost))
      }
      samples.push({ variant: size.toLocaleString("en"), figures })
    }
    return samples
  })
}

/** The thousand hot names, over and over. */
function* repeated(count: number): Iterable<string> {
  for (let done = 0; done < count; done += 1000) yield* numbered("hot", ZONE, Math.min(1000, count - done))
}
