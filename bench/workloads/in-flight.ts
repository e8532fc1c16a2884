/**
 * In flight: 10,000 queries wait for an upstream that takes a second to answer, while new ones come at the pace at
 * which old ones are answered.
 *
 * What it costs to let them wait: CPU time and memory, and whether any is lost, refused, or asked upstream twice. Every
 * server is started for it, with room for half as many more, and told that the upstream may take five seconds, where it
 * can be told.
 */
import { Effect, Fiber } from "effect"
import { Lab } from "../lab.ts"
import { send } from "../load/dnsperf.ts"
import { freshPrefix, numbered, writeQuestions } from "../load/questions.ts"
import { cpuMicrosecondsBetween, cpuTimes, residentOctets } from "../measure/process-tree.ts"
import { Plan } from "../plan.ts"
import { ZONE } from "../upstreams/nsd.ts"
import { startSlowUpstream } from "../upstreams/slow.ts"
import { cpu, lost, MEBIBYTE, resident, type Workload } from "./workload.ts"

const WAITING = 10_000
const DELAY_MS = 1000
const RATE = (WAITING * 1000) / DELAY_MS
/** Room enough, and yet a descriptor for each fits what systems allow a process. */
const ROOM = 1.5 * WAITING
const SAMPLE_MS = 100
/** Where more is lost than this share, so many were never waiting, and memory says nothing. */
const BEARABLE_LOSS = 0.01

export const inFlight: Workload = {
  name: "in-flight",
  title: "In flight: 10,000 queries waiting",
  method: ({ seconds }) =>
    `An upstream that takes ${DELAY_MS / 1000} s; ${RATE.toLocaleString("en")} new names a second for ${seconds + 1} s. ` +
    "failed: answered, but not NOERROR. asked: questions sent upstream for each query.",
  figures: [
    cpu,
    { key: "octetsEach", title: "B/waiting query", digits: 0, better: "less" },
    { key: "latencyMs", title: "mean ms", digits: 0 },
    lost,
    { key: "failed", title: "failed", digits: 0 },
    { key: "asked", title: "asked", digits: 2 },
    resident
  ],
  rounds: () => 1,
  asks: ({ role }) => role !== "floor",
  measure: Effect.fnUntraced(function* (server) {
    const { seconds } = yield* Plan
    const lab = yield* Lab
    const upstream = yield* startSlowUpstream(DELAY_MS)
    const running = yield* lab.fresh(server, {
      upstreamPort: upstream.port,
      waiting: ROOM,
      upstreamTimeoutMs: 5 * DELAY_MS
    })
    const questions = writeQuestions(lab.directory, numbered(freshPrefix(), ZONE, RATE * (seconds + 1)))
    // Until what the wait for the first answer set off is over.
    yield* Effect.sleep(2 * DELAY_MS)
    const usedBefore = cpuTimes(running.pid)
    const residentBefore = residentOctets(running.pid)
    const askedBefore = upstream.questions()
    let highest = residentBefore
    const watch = Effect.sync(() => {
      highest = Math.max(highest, residentOctets(running.pid))
    }).pipe(Effect.delay(SAMPLE_MS), Effect.forever)
    const watching = yield* Effect.forkScoped(watch)
    const load = { port: running.port, questions, rate: RATE, waiting: ROOM, timeoutSeconds: 5 }
    const result = yield* send(load, lab.directory)
    yield* Fiber.interrupt(watching)
    const figures = {
      cpuMicroseconds: cpuMicrosecondsBetween(usedBefore, cpuTimes(running.pid)) / Math.max(1, result.succeeded),
      octetsEach: result.lost > BEARABLE_LOSS * result.sent ? Number.NaN : (highest - residentBefore) / WAITING,
      latencyMs: result.averageLatencyMs,
      lost: result.lost,
      failed: result.completed - result.succeeded,
      asked: (upstream.questions() - askedBefore) / result.sent,
      residentMebibytes: highest / MEBIBYTE
    }
    return [{ variant: "", figures }]
  })
}
