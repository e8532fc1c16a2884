/**
 * Sustained: minutes of full load, to see whether the last are as fast as the first and whether memory stays bounded.
 *
 * Names by Zipf's law with a TTL of a minute: most are hits, and what expires has to be fetched again, so that answers
 * come and go all the time. Ten parts of equal length follow each other.
 */
import { Effect } from "effect"
import { Lab } from "../lab.ts"
import { freshPrefix, questionsNamed } from "../load/questions.ts"
import { zipf } from "../load/zipf.ts"
import { median } from "../measure/percentiles.ts"
import { Plan } from "../plan.ts"
import { SHORT_LIVED_ZONE } from "../upstreams/nsd.ts"
import { throughput } from "./throughput.ts"
import { cpu, lost, queriesPerSecond, type Workload } from "./workload.ts"

const PARTS = 10
const QUERIES = 1_000_000
const NAMES = 1_000_000
const EXPONENT = 1.1
const SEED = 2
const WAITING = 200

/** The same for all servers: each has a cache of its own. */
const names = (): ReadonlyArray<string> => {
  const prefix = freshPrefix()
  const next = zipf(NAMES, EXPONENT, SEED)
  return Array.from({ length: QUERIES }, () => `${prefix}-${next()}.${SHORT_LIVED_ZONE}`)
}

export const sustained: Workload = {
  name: "sustained",
  title: "Sustained load",
  method: ({ sustainedSeconds }) =>
    `${sustainedSeconds} s in ${PARTS} parts, names by Zipf's law with a TTL of a minute, ${WAITING} queries waiting. q/s ` +
    "and CPU are those of the median part. end ÷ start: speed of the last part against the second (the first fills the " +
    "cache); growth: memory likewise.",
  figures: [
    queriesPerSecond,
    cpu,
    lost,
    { key: "endToStart", title: "end ÷ start", digits: 2 },
    { key: "residentMebibytes", title: "RSS MiB at the end", digits: 0 },
    { key: "growthMebibytes", title: "growth MiB", digits: 0 }
  ],
  rounds: () => 1,
  asks: ({ role }) => role !== "floor",
  measure: Effect.fnUntraced(function* (server) {
    const { sustainedSeconds } = yield* Plan
    const lab = yield* Lab
    const running = yield* lab.fresh(server)
    const questions = questionsNamed(lab.directory, "sustained", names)
    const load = { questions, seconds: sustainedSeconds / PARTS, waiting: WAITING }
    const parts = yield* Effect.replicateEffect(throughput(running, load), PARTS)
    const start = parts[1]!
    const end = parts[PARTS - 1]!
    const figures = {
      queriesPerSecond: median(parts.map((part) => part.queriesPerSecond)),
      cpuMicroseconds: median(parts.map((part) => part.cpuMicroseconds)),
      lost: parts.reduce((sum, part) => sum + part.lost, 0),
      endToStart: end.queriesPerSecond / start.queriesPerSecond,
      residentMebibytes: end.residentMebibytes,
      growthMebibytes: end.residentMebibytes - start.residentMebibytes
    }
    return [{ variant: "", figures }]
  })
}
