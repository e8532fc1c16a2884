/**
 * Sustained: minutes of full load, to see whether the last are as fast as the first and whether memory stays bounded.
 *
 * Names by Zipf's law with a TTL of a minute: most are hits, and what expires has to be fetched again, so that answers
 * come and go all the time. Ten parts of equal length.
 */
import { Effect } from "effect"
import { Lab } from "../lab.ts"
import { freshPrefix, writeQuestions } from "../load/questions.ts"
import { zipf } from "../load/zipf.ts"
import { median } from "../measure/percentiles.ts"
import { Plan } from "../plan.ts"
import { SHORT_LIVED_ZONE } from "../upstreams/nsd.ts"
import { throughput } from "./throughput.ts"
import { cpu, type Figures, lost, queriesPerSecond, type Workload } from "./workload.ts"

const PARTS = 10
const QUERIES = 1_000_000
const NAMES = 1_000_000
const EXPONENT = 1.1
const SEED = 2

export const sustained: Workload = {
  name: "sustained",
  title: "Sustained load",
  method: ({ sustainedSeconds }) =>
    `${sustainedSeconds} s without a pause, names by Zipf's law with a TTL of a minute, 200 queries waiting, in ${PARTS} ` +
    "parts. last/first: speed of the last part against the first but one. Growth: memory likewise.",
  figures: [
    queriesPerSecond,
    cpu,
    lost,
    { key: "lastToFirst", title: "last/first", digits: 2 },
    { key: "residentMebibytes", title: "RSS MiB at the end", digits: 0 },
    { key: "growthMebibytes", title: "growth MiB", digits: 0 }
  ],
  rounds: () => 1,
  asks: ({ role }) => role !== "floor",
  measure: Effect.fnUntraced(function* (server) {
    const { sustainedSeconds } = yield* Plan
    const lab = yield* Lab
    const running = yield* lab.fresh(server)
    const prefix = freshPrefix()
    const next = zipf(NAMES, EXPONENT, SEED)
    const names = Array.from({ length: QUERIES }, () => `${prefix}-${next()}.${SHORT_LIVED_ZONE}`)
    const questions = writeQuestions(lab.directory, names)
    const parts = yield* Effect.replicateEffect(
      throughput(running, { questions, seconds: sustainedSeconds / PARTS, waiting: 200 }),
      PARTS
    )
    // The first part fills the cache.
    const second = parts[1]!
    const last = parts[PARTS - 1]!
    const medianOf = (key: keyof Figures & keyof (typeof parts)[number]) => median(parts.map((part) => part[key]))
    const figures = {
      queriesPerSecond: medianOf("queriesPerSecond"),
      cpuMicroseconds: medianOf("cpuMicroseconds"),
      lost: parts.reduce((sum, part) => sum + part.lost, 0),
      lastToFirst: last.queriesPerSecond / second.queriesPerSecond,
      residentMebibytes: last.residentMebibytes,
      growthMebibytes: last.residentMebibytes - second.residentMebibytes
    }
    return [{ variant: "", figures }]
  })
}
