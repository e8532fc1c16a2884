/**
 * Whether the admin side uses more of a processor than it may: then it is not answered for a moment, and those who ask
 * names are.
 */
import { Effect, Schedule, type Scope } from "effect"

const LOOK_MS = 100
/** Of one processor. */
const MAX_SHARE = 0.3
/** What was used counts for about so many looks. */
const SMOOTHING = 1 / 5

/** The share of a processor that this thread uses, smoothed, where Node tells it. */
export const watchBusy: Effect.Effect<() => boolean, never, Scope.Scope> = Effect.gen(function* () {
  const usage = (process as { threadCpuUsage?: () => NodeJS.CpuUsage }).threadCpuUsage?.bind(process)
  if (usage === undefined) return () => false
  const microseconds = (): number => {
    const { user, system } = usage()
    return user + system
  }
  let share = 0
  let before = { atMs: performance.now(), used: microseconds() }
  const look = Effect.sync(() => {
    const now = { atMs: performance.now(), used: microseconds() }
    const used = (now.used - before.used) / 1000 / Math.max(1, now.atMs - before.atMs)
    share += SMOOTHING * (used - share)
    before = now
  })
  yield* Effect.forkScoped(Effect.repeat(look, Schedule.spaced(LOOK_MS)))
  return () => share > MAX_SHARE
})
