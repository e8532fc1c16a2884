/**
 * Bursts: a server that has been idle gets many queries for cached names at once, faster than any can answer.
 *
 * What does not fit the socket's buffer while the server is at work is lost.
 */
import { Effect } from "effect"
import { Lab } from "../lab.ts"
import { burst } from "../load/burst.ts"
import { numbered, writeQuestions } from "../load/questions.ts"
import { median } from "../measure/percentiles.ts"
import { ZONE } from "../upstreams/nsd.ts"
import { HOT_NAMES, HOT_PREFIX, warmedUp } from "./hot-names.ts"
import type { Sample, Workload } from "./workload.ts"

const SIZES = [1000, 10_000]
const IDLE_MS = 500
const REPETITIONS = 3

export const bursts: Workload = {
  name: "bursts",
  title: "Bursts on an idle server",
  method: () =>
    `After ${IDLE_MS} ms without a query, so many at once; the median of ${REPETITIONS}. sending: from the first query ` +
    "to the last; done: from the first query to the last answer; slowest: the longest wait for an answer.",
  figures: [
    { key: "lost", title: "lost", digits: 0 },
    { key: "sendingMs", title: "sending ms", digits: 1 },
    { key: "doneMs", title: "done ms", digits: 1 },
    { key: "longestMs", title: "slowest ms", digits: 1 }
  ],
  rounds: () => 1,
  asks: () => true,
  measure: Effect.fnUntraced(function* (server) {
    const lab = yield* Lab
    const running = yield* lab.shared(server)
    yield* warmedUp(running)
    const samples: Array<Sample> = []
    for (const size of SIZES) {
      const questions = writeQuestions(lab.directory, repeated(size))
      const results = yield* Effect.replicateEffect(
        burst(running.port, questions, lab.directory).pipe(Effect.delay(IDLE_MS)),
        REPETITIONS
      )
      const figures = {
        lost: median(results.map(({ sent, answered }) => sent - answered)),
        sendingMs: median(results.map(({ sendingMs }) => sendingMs)),
        doneMs: median(results.map(({ doneMs }) => doneMs)),
        longestMs: median(results.map(({ longestMs }) => longestMs))
      }
      samples.push({ variant: size.toLocaleString("en"), figures })
    }
    return samples
  })
}

/** The hot names, over and over. */
function* repeated(count: number): Iterable<string> {
  for (let done = 0; done < count; done += HOT_NAMES) {
    yield* numbered(HOT_PREFIX, ZONE, Math.min(HOT_NAMES, count - done))
  }
}
