/**
 * Idle GC: gives memory back after the start, and after a peak.
 *
 * V8 collects garbage when memory is needed, and an idle server needs none: what the start took, or ten thousand waiting
 * queries, would stay taken for hours. So, when that is over and few queries come, the thread collects once; that takes
 * some milliseconds. What V8, OpenSSL and Node have freed the C library keeps: it is asked to give that back as well.
 */
import { setFlagsFromString } from "node:v8"
import { runInNewContext } from "node:vm"
import { Effect, Layer, Schedule } from "effect"
import { libc } from "../io/linux/libc.ts"
import { QueryFibers } from "../listener/query-fibers.ts"
import { Counters, queriesIn } from "../telemetry/counters.ts"

/** The start is over by then, and its compiled code is kept for the next one. */
const STARTED_MS = 10_000
/** Between two looks. */
const LOOK_MS = 2_000
/** Queries between two looks, at most, for it to be quiet. */
const QUIET = 20
/**
 * Queries that waited at once, for a collection to be worth it. It throws away compiled code too, and the next fifty
 * thousand misses pay for that: only a peak is worth it.
 */
const PEAK = 3_000

type Collect = (options: { readonly type: "major"; readonly execution: "sync"; readonly flavor: "last-resort" }) => void

let collect: Collect | undefined

/**
 * V8 offers its collector to programs only where a flag says so. It is taken back: compiled code that was kept with one
 * set of flags is not used with another.
 */
const collector = (): Collect => {
  setFlagsFromString("--expose-gc")
  const offered = runInNewContext("gc")
  setFlagsFromString("--no-expose-gc")
  return offered
}

const giveBack = (): void => {
  collect ??= collector()
  collect({ type: "major", execution: "sync", flavor: "last-resort" })
  libc?.malloc_trim?.(0)
}

/**
 * Gives memory back where it is quiet when the start is over, and once it is quiet after each peak.
 *
 * @param peak takes how many queries have waited at once since the last look
 */
const giveBackWhenQuiet = (counters: Counters["Service"], peak: () => number): Effect.Effect<void> =>
  Effect.suspend(() => {
    const queries = (): number => queriesIn(counters.read)
    let seen = queries()
    let highest = 0
    let isStart = true
    const look = Effect.sync(() => {
      const asked = queries()
      const isQuiet = asked - seen <= QUIET
      seen = asked
      highest = Math.max(highest, peak())
      const isWorthIt = isStart || highest >= PEAK
      isStart = false
      if (!isQuiet || !isWorthIt) return
      highest = 0
      giveBack()
    })
    return Effect.asVoid(Effect.delay(Effect.repeat(look, Schedule.spaced(LOOK_MS)), STARTED_MS))
  })

/** For the thread that answers no queries: its own garbage is what the start leaves. */
export const giveBackAfterStart = (counters: Counters["Service"]): Effect.Effect<void> =>
  giveBackWhenQuiet(counters, () => 0)

export const layerIdleGc: Layer.Layer<never, never, Counters | QueryFibers> = Layer.effectDiscard(
  Effect.gen(function* () {
    const counters = yield* Counters
    const fibers = yield* QueryFibers
    yield* Effect.forkScoped(giveBackWhenQuiet(counters, () => fibers.takePeak()))
  })
)
