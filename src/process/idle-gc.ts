/**
 * Idle GC: gives memory back after a peak.
 *
 * V8 collects garbage when memory is needed, and an idle server needs none: what ten thousand waiting queries took
 * would stay taken for hours. So, when the peak is over and few queries come, the thread collects once; that takes some
 * milliseconds.
 */
import { setFlagsFromString } from "node:v8"
import { runInNewContext } from "node:vm"
import { Effect, Layer, Schedule } from "effect"
import { QueryFibers } from "../listener/query-fibers.ts"
import { Counters, queriesIn } from "../telemetry/counters.ts"

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

/** V8 offers its collector to programs only where a flag says so. */
const collector = Effect.sync((): Collect => {
  setFlagsFromString("--expose-gc")
  return runInNewContext("gc")
})

export const layerIdleGc: Layer.Layer<never, never, Counters | QueryFibers> = Layer.effectDiscard(
  Effect.gen(function* () {
    const counters = yield* Counters
    const fibers = yield* QueryFibers
    const collect = yield* collector
    const queries = (): number => queriesIn(counters.read)
    let seen = queries()
    let peak = 0
    const look = Effect.sync(() => {
      const asked = queries()
      const isQuiet = asked - seen <= QUIET
      seen = asked
      peak = Math.max(peak, fibers.takePeak())
      if (!isQuiet || peak < PEAK) return
      peak = 0
      collect({ type: "major", execution: "sync", flavor: "last-resort" })
    })
    yield* Effect.forkScoped(Effect.repeat(look, Schedule.spaced(LOOK_MS)))
  })
)
