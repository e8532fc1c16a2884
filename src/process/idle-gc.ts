/**
 * Idle GC: gives memory back after the start, after a peak and after changes of the configuration.
 *
 * V8 collects garbage when memory is needed, and an idle server needs none: what the start took, or ten thousand waiting
 * queries, would stay taken for hours. So, when that is over and few queries come, the thread collects once; that takes
 * some milliseconds. What V8, OpenSSL and Node have freed the C library keeps: it is asked to give that back as well.
 *
 * Shared memory that is not used any more, and what many changes in a row leave, is collected while queries come, too.
 */
import { setFlagsFromString } from "node:v8"
import { runInNewContext } from "node:vm"
import { Context, Effect, Layer, Schedule } from "effect"
import { Configuration } from "../config/configuration.ts"
import { libc } from "../io/linux/libc.ts"
import { QueryFibers } from "../listener/query-fibers.ts"
import { releasedSoFar } from "../runtime/released-memory.ts"
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
/** Changes of the configuration, for a collection to be worth it while queries come. */
const MANY_CHANGES = 100
/** Looks from one collection while queries come to the next. */
const LOOKS_BETWEEN = 5
/** Behind a query's deadline nothing that it uses is in use any more; what has not been closed by then is soon. */
const CLOSED_WITHIN_MS = 5_000

/** How thoroughly it is collected: the last resort throws away compiled code as well. */
export type Flavor = "regular" | "last-resort"

/** What a thread sees when it looks whether there is something to collect. */
export interface Look {
  /** Queries that have come until now. */
  readonly queries: number
  /** The most that waited at once since the last look. */
  readonly peak: number
  /** Changes of the configuration until now. */
  readonly changes: number
  /** Pieces of shared memory that are not used any more, until now. */
  readonly released: number
  /** What a query may take. */
  readonly deadlineMs: number
}

/** @returns what is told each look, one after the other, and says how it is to be collected now, if at all */
export const whenToCollect = (first: Omit<Look, "peak">): ((look: Look) => Flavor | undefined) => {
  let before = first
  let highest = 0
  /** Looks until all is closed that changes have replaced. */
  let looksUntilSettled = 0
  let looksBetween = LOOKS_BETWEEN
  /** The start leaves something, as a change does. */
  let isStart = true
  /** At the last collection, and at the last one behind which nothing was left of earlier configurations. */
  let collected = { ...first, settled: first.changes }
  return (look) => {
    const { changes, queries, released } = look
    const isQuiet = queries - before.queries <= QUIET
    looksUntilSettled--
    if (changes !== before.changes) {
      const closedMs = Math.max(before.deadlineMs, look.deadlineMs) + CLOSED_WITHIN_MS
      looksUntilSettled = Math.max(looksUntilSettled, Math.ceil(closedMs / LOOK_MS))
    }
    looksBetween++
    highest = Math.max(highest, look.peak)
    before = look
    const isSettled = looksUntilSettled <= 0
    const isPeakOver = highest >= PEAK && look.peak < PEAK
    const isOver = isPeakOver || (isSettled && (isStart || changes > collected.settled))
    const isMuch =
      released > collected.released ||
      changes >= collected.changes + MANY_CHANGES ||
      (isSettled && changes >= collected.settled + MANY_CHANGES)
    const isLastResort = isQuiet && isOver
    if (!isLastResort && (!isMuch || looksBetween < LOOKS_BETWEEN)) return undefined
    if (isLastResort) {
      highest = 0
      isStart = false
    }
    looksBetween = 0
    collected = { ...look, settled: isSettled ? changes : collected.settled }
    return isLastResort ? "last-resort" : "regular"
  }
}

type Collect = (options: { readonly type: "major"; readonly execution: "sync"; readonly flavor: Flavor }) => void

let collect: Collect | undefined

/** Another thread that asks in the same moment may take the flag back. */
const TRIES = 20

/**
 * V8 offers its collector to programs only where a flag says so, which holds for all threads. It is taken back: compiled
 * code that was kept with one set of flags is not used with another.
 */
const collector = (): Collect | undefined => {
  let offered: Collect | undefined
  for (let tries = 0; tries < TRIES && offered === undefined; tries++) {
    setFlagsFromString("--expose-gc")
    offered = runInNewContext("typeof gc === 'function' ? gc : undefined")
  }
  setFlagsFromString("--no-expose-gc")
  return offered
}

const giveBack = (flavor: Flavor): void => {
  collect ??= collector()
  collect?.({ type: "major", execution: "sync", flavor })
  libc?.malloc_trim?.(0)
}

/** @param takePeak the most queries that waited at once since this was asked last */
const giveBackWhenWorthIt = (takePeak: () => number): Effect.Effect<void, never, Configuration | Counters> =>
  Effect.gen(function* () {
    const { current, generation } = yield* Configuration
    const counters = yield* Counters
    const seen = () => ({
      queries: queriesIn(counters.read),
      changes: generation(),
      released: releasedSoFar(),
      deadlineMs: current().queryTimeoutSecs * 1000
    })
    const flavorFor = whenToCollect(seen())
    const look = Effect.sync(() => {
      const flavor = flavorFor({ ...seen(), peak: takePeak() })
      if (flavor !== undefined) giveBack(flavor)
    })
    return yield* Effect.asVoid(Effect.delay(Effect.repeat(look, Schedule.spaced(LOOK_MS)), STARTED_MS))
  })

/** For the thread that answers no queries: its own garbage is what the start and changes leave. */
export const idleGcOfSupervisor: Effect.Effect<void, never, Configuration | Counters> = giveBackWhenWorthIt(() => 0)

/** Whether the server has its thread for itself: the heap of a program that embeds it is not the server's to collect. */
export const HasOwnThread: Context.Reference<boolean> = Context.Reference("strand/process/HasOwnThread", {
  defaultValue: () => false
})

export const layerIdleGc: Layer.Layer<never, never, Configuration | Counters | QueryFibers> = Layer.effectDiscard(
  Effect.gen(function* () {
    if (!(yield* HasOwnThread)) return
    const fibers = yield* QueryFibers
    yield* Effect.forkScoped(giveBackWhenWorthIt(() => fibers.takePeak()))
  })
)
