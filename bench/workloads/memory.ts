/**
 * Memory: what a cached name takes, and what so many of them do to latency.
 *
 * A server just started is asked for as many different names; its memory then is set against that of one with room for
 * few names and none in it, so that what is set aside at the start counts too. Then names picked evenly from all are
 * asked for at the fixed rate of the latency workload. At last the upstream is stopped, and some are asked for once
 * more: what is answered now was really kept.
 */
import { Effect } from "effect"
import { Lab } from "../lab.ts"
import { send } from "../load/dnsperf.ts"
import { freshPrefix, numbered, writeQuestions } from "../load/questions.ts"
import { residentOctets } from "../measure/process-tree.ts"
import { Plan } from "../plan.ts"
import { ZONE } from "../upstreams/nsd.ts"
import { latencyFigures, latencyOf } from "./latency.ts"
import { MEBIBYTE, resident, type Workload } from "./workload.ts"

const FEW_NAMES = 1000
const FILL_WAITING = 100
const LATENCY_NAMES = 100_000
const CHECKED_NAMES = 2000
/** A prime larger than any step between names used here: it visits names all over before it comes back to one. */
const STRIDE = 611_953
/** Until what filling set off in the server, such as collecting garbage, is over. */
const SETTLE_MS = 1000

export const memory: Workload = {
  name: "memory",
  title: "Memory and latency with a full cache",
  method: ({ cachedNames }) =>
    `${cachedNames.toLocaleString("en")} different names. B/name: RSS less that of a server with a small, empty cache, ` +
    "for each name. Latency as above, of names picked from all. kept: the share answered while the upstream is stopped.",
  figures: [
    { key: "octetsEach", title: "B/name", digits: 0, better: "less" },
    resident,
    { key: "keptPercent", title: "kept %", digits: 1 },
    ...latencyFigures
  ],
  rounds: () => 1,
  asks: ({ role }) => role !== "floor",
  measure: Effect.fnUntraced(function* (server) {
    const { cachedNames } = yield* Plan
    const lab = yield* Lab
    const empty = yield* Effect.scoped(
      Effect.map(lab.fresh(server, { cachedNames: FEW_NAMES }), ({ pid }) => residentOctets(pid))
    )
    const running = yield* lab.fresh(server, { cachedNames: Math.ceil(cachedNames * 1.1) })
    const prefix = freshPrefix()
    const all = writeQuestions(lab.directory, numbered(prefix, ZONE, cachedNames))
    const some = writeQuestions(lab.directory, spread(prefix, cachedNames, LATENCY_NAMES))
    const checked = writeQuestions(lab.directory, spread(prefix, cachedNames, CHECKED_NAMES))
    const filled = yield* send({ port: running.port, questions: all, waiting: FILL_WAITING }, lab.directory)
    const after = residentOctets(running.pid)
    yield* Effect.sleep(SETTLE_MS)
    const latency = yield* latencyOf(running, some)
    const answered = yield* Effect.acquireUseRelease(
      lab.nsd.process.signal("SIGSTOP"),
      () => send({ port: running.port, questions: checked, waiting: FILL_WAITING, timeoutSeconds: 1 }, lab.directory),
      () => lab.nsd.process.signal("SIGCONT")
    )
    const figures = {
      octetsEach: (after - empty) / Math.max(1, filled.completed),
      residentMebibytes: after / MEBIBYTE,
      keptPercent: (100 * answered.succeeded) / answered.sent,
      ...latency
    }
    return [{ variant: "", figures }]
  })
}

/** `count` names of the `size` numbered ones, from all over, neighbours in number far apart in order. */
function* spread(prefix: string, size: number, count: number): Iterable<string> {
  for (let i = 0; i < count; i++) yield `${prefix}-${(i * STRIDE) % size}.${ZONE}`
}
