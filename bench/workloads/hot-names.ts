/** A thousand names that every server has in its cache: the question file, and a second of warming up. */
import { Effect } from "effect"
import { Lab, type RunningServer } from "../lab.ts"
import { type Load, send } from "../load/dnsperf.ts"
import { numbered, writeQuestions } from "../load/questions.ts"
import { ZONE } from "../upstreams/nsd.ts"

export const HOT_PREFIX = "hot"
export const HOT_NAMES = 1000
const WARM_UP = { seconds: 1, waiting: 100 }
let file: string | undefined

/** Asks for all of them for a second and gives the file to go on with. */
export const warmedUp = Effect.fnUntraced(function* (running: RunningServer, transport: Load["transport"] = "udp") {
  const { directory } = yield* Lab
  file ??= writeQuestions(directory, numbered(HOT_PREFIX, ZONE, HOT_NAMES))
  yield* send({ ...WARM_UP, port: running.port, questions: file, transport }, directory)
  return file
})
