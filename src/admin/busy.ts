/**
 * Whether the admin side is asked so much that it uses more of a processor than it may: then it is not answered for a
 * moment, and those who ask names are. A start, or a change of the configuration, has this thread busy too: who asks a few
 * times a second is answered all the same.
 */
import { Effect, Schedule, type Scope } from "effect"

const LOOK_MS = 100
/** Of one processor. */
const MAX_SHARE = 0.3
/** Requests between two looks, smoothed: six a second. */
const FEW = 0.6
/** What was used counts for about so many looks. */
const SMOOTHING = 1 / 5

/** What is to be called once for each request: it looks at what this thread uses of a processor, where Node tells it. */
export const watchBusy: Effect.Effect<() => boolean, never, Scope.Scope> = Effect.gen(function* () {
  const usage = (process as { threadCpuUsage?: () => NodeJS.CpuUsage }).threadCpuUsage?.bind(process)
  if (usage === undefined) return () => false
  const microseconds = (): number => {
    const { user, system } = usage()
    return user + system
  }
  let share = 0
  let requests = 0
  let asked = 0
  let before = { atMs: performance.now(), used: microseconds() }
  const look = Effect.sync(() => {
    const now = { atMs: performance.now(), used: microseconds() }
    const used = (now.used - before.used) / 1000 / Math.max(1, now.atMs - before.atMs)
    share += SMOOTHING * (used - share)
    before = now
    requests += SMOOTHING * (asked - requests)
    asked = 0
  })
  yield* Effect.forkScoped(Effect.repeat(look, Schedule.spaced(LOOK_MS)))
  return () => {
    asked++
    return share > MAX_SHARE && requests > FEW
  }
})
