/**
 * Whether the admin side is asked so much that it uses more of a processor than it may: then who asks it waits for a
 * moment, and those who ask names do not. A start, or a change of the configuration, has this thread busy too: who asks a few
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

export class Busyness {
  private share = 0
  private requests = 0
  private asked = 0
  private lastMs: number
  private lastUsedUs: number

  /** @param usedUs of a processor's time, in microseconds, until now */
  constructor(nowMs: number, usedUs: number) {
    this.lastMs = nowMs
    this.lastUsedUs = usedUs
  }

  look(nowMs: number, usedUs: number): void {
    const used = (usedUs - this.lastUsedUs) / 1000 / Math.max(1, nowMs - this.lastMs)
    this.share += SMOOTHING * (used - this.share)
    this.requests += SMOOTHING * (this.asked - this.requests)
    this.asked = 0
    this.lastMs = nowMs
    this.lastUsedUs = usedUs
  }

  /** To be called once for each request. */
  ask(): void {
    this.asked++
  }

  get isBusy(): boolean {
    return this.share > MAX_SHARE && this.requests > FEW
  }
}

/** By what this thread uses of a processor; never busy where Node does not tell that. */
export const watchBusy: Effect.Effect<Pick<Busyness, "ask" | "isBusy">, never, Scope.Scope> = Effect.gen(function* () {
  const usage = (process as { threadCpuUsage?: () => NodeJS.CpuUsage }).threadCpuUsage?.bind(process)
  if (usage === undefined) return new Busyness(0, 0)
  const usedUs = (): number => {
    const { user, system } = usage()
    return user + system
  }
  const busyness = new Busyness(performance.now(), usedUs())
  const look = Effect.sync(() => busyness.look(performance.now(), usedUs()))
  yield* Effect.forkScoped(Effect.repeat(look, Schedule.spaced(LOOK_MS)))
  return busyness
})
