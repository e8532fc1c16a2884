/** A thousand names that every server has in its cache: the question file, and a second of warming up. */
import { Effect } from "effect"
import { Lab, type RunningServer } from "../lab.ts"
import { type Load, send } from "../load/dnsperf.ts"
import { numbered, questionsNamed } from "../load/questions.ts"
import { ZONE } from "../upstreams/nsd.ts"

export const HOT_PREFIX = "hot"
export const HOT_NAMES = 1000
const WARM_UP = { seconds: 1, waiting: 100 }

/** Asks for all of them for a second and gives the file to go on with. */
export const warmedUp = Effect.fnUntraced(function* (running: RunningServer, transport: Load["transport"] = "udp") {
  const { directory } = yield* Lab
  const questions = questionsNamed(directory, HOT_PREFIX, () => numbered(HOT_PREFIX, ZONE, HOT_NAMES))
  yield* send({ ...WARM_UP, port: running.port, questions, transport }, directory)
  return questions
})
