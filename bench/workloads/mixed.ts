/**
 * Mixed: what people ask. Names by Zipf's law over a million; first some queries that fill the cache, then those that
 * are measured. The exponent makes eight to nine of ten queries hits.
 */
import { Effect } from "effect"
import { Lab } from "../lab.ts"
import { send } from "../load/dnsperf.ts"
import { freshPrefix, writeQuestions } from "../load/questions.ts"
import { hitShare, zipf } from "../load/zipf.ts"
import { Plan } from "../plan.ts"
import { ZONE } from "../upstreams/nsd.ts"
import { throughput, throughputFigures } from "./throughput.ts"
import type { Workload } from "./workload.ts"

const NAMES = 1_000_000
const EXPONENT = 1.1
const SEED = 1
const WAITING = 200

/** Ranks of names in the order in which they are asked for; the same for every server. */
const ranks = (count: number): ReadonlyArray<number> => Array.from({ length: count }, zipf(NAMES, EXPONENT, SEED))

export const mixed: Workload = {
  name: "mixed",
  title: "Mixed: names by Zipf's law over a million",
  method: ({ mixedQueries: { before, measured } }) =>
    `Exponent ${EXPONENT}; ${before.toLocaleString("en")} queries to fill the cache, then ` +
    `${measured.toLocaleString("en")} are measured, ${WAITING} waiting. hits: what a cache that forgets nothing finds.`,
  figures: [...throughputFigures, { key: "hitPercent", title: "hits %", digits: 1 }],
  rounds: ({ rounds }) => rounds,
  asks: ({ role }) => role !== "floor",
  measure: Effect.fnUntraced(function* (server) {
    const { mixedQueries } = yield* Plan
    const lab = yield* Lab
    const running = yield* lab.shared(server)
    const prefix = freshPrefix()
    const all = ranks(mixedQueries.before + mixedQueries.measured)
    const before = all.slice(0, mixedQueries.before)
    const asked = all.slice(mixedQueries.before)
    const write = (some: ReadonlyArray<number>) =>
      writeQuestions(
        lab.directory,
        some.map((rank) => `${prefix}-${rank}.${ZONE}`)
      )
    yield* send({ port: running.port, questions: write(before), waiting: WAITING }, lab.directory)
    const figures = yield* throughput(running, { questions: write(asked), waiting: WAITING })
    return [{ variant: "", figures: { ...figures, hitPercent: 100 * hitShare(before, asked) } }]
  })
}
