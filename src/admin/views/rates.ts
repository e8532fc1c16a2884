/** What happened in each of the last 600 seconds, and how fast it was in the last 10 seconds, minute, ten minutes. */
import { Effect, Schedule, type Scope } from "effect"
import { HISTOGRAM_CELLS, quantileOf } from "../../telemetry/histogram.ts"
import { type LatencyName, latencyNames } from "../../telemetry/latencies.ts"
import { rcodeLabels } from "../../telemetry/traffic.ts"
import type { Rates as RatesShape, Second } from "../api/system.ts"

const KEPT_SECONDS = 600
const SECOND_MS = 1_000

/** What has been counted since the start of the server. */
export interface Totals {
  readonly counts: Readonly<Record<CountName, number>>
  /** By `rcodeLabels`. */
  readonly rcodes: ReadonlyArray<number>
  /** By name, in the cells of `histogram.ts`. */
  readonly latencies: (name: LatencyName) => Float64Array
  readonly waiting: number
  readonly queued: number
}

const countNames = ["queries", "hits", "stale", "misses", "local", "failures", "shed"] as const
type CountName = (typeof countNames)[number]

interface Kept {
  readonly second: typeof Second.Type
  readonly lengthMs: number
  /** Cells of durations that are not zero. */
  readonly durations: ReadonlyArray<readonly [cell: number, count: number]>
}

export class Rates {
  private readonly read: () => Totals
  private readonly kept: Array<Kept> = []
  private before: Totals & { readonly atMs: number; readonly durations: Float64Array }

  private constructor(read: () => Totals) {
    this.read = read
    this.before = this.take()
  }

  /** Looks once a second, as long as the scope lives. */
  static make(read: () => Totals): Effect.Effect<Rates, never, Scope.Scope> {
    return Effect.gen(function* () {
      const rates = new Rates(read)
      const look = Effect.sync(() => rates.look())
      yield* Effect.forkScoped(Effect.delay(Effect.repeat(look, Schedule.spaced(SECOND_MS)), SECOND_MS))
      return rates
    })
  }

  /** The oldest first. */
  seconds(last: number): ReadonlyArray<typeof Second.Type> {
    return this.kept.slice(-last).map(({ second }) => second)
  }

  over(seconds: number): typeof RatesShape.Type {
    const kept = this.kept.slice(-seconds)
    const sumOf = (name: CountName): number => kept.reduce((sum, { second }) => sum + second[name], 0)
    const length = kept.reduce((sum, { lengthMs }) => sum + lengthMs, 0) / 1000
    const durations = new Float64Array(HISTOGRAM_CELLS)
    for (const one of kept) for (const [cell, count] of one.durations) durations[cell]! += count
    const answered = sumOf("hits") + sumOf("stale") + sumOf("misses") + sumOf("local")
    const perSecond = (count: number): number => (length === 0 ? 0 : count / length)
    return {
      seconds: length,
      queriesPerSecond: perSecond(sumOf("queries")),
      hitRatio: answered === 0 ? null : (sumOf("hits") + sumOf("stale")) / answered,
      failedPerSecond: perSecond(sumOf("failures")),
      shedPerSecond: perSecond(sumOf("shed")),
      p50Ms: quantileOf(durations, 0.5) / 1000,
      p95Ms: quantileOf(durations, 0.95) / 1000,
      p99Ms: quantileOf(durations, 0.99) / 1000
    }
  }

  private take(): typeof this.before {
    const totals = this.read()
    const durations = new Float64Array(HISTOGRAM_CELLS)
    for (const name of latencyNames) {
      const cells = totals.latencies(name)
      for (let cell = 0; cell < HISTOGRAM_CELLS; cell++) durations[cell]! += cells[cell]!
    }
    return { ...totals, durations, atMs: performance.now() }
  }

  private look(): void {
    const { before } = this
    const now = this.take()
    this.before = now
    const delta = new Float64Array(HISTOGRAM_CELLS)
    const durations: Array<readonly [number, number]> = []
    for (let cell = 0; cell < HISTOGRAM_CELLS; cell++) {
      const count = now.durations[cell]! - before.durations[cell]!
      if (count <= 0) continue
      delta[cell] = count
      durations.push([cell, count])
    }
    const counts = Object.fromEntries(
      countNames.map((name) => [name, Math.max(0, now.counts[name] - before.counts[name])])
    ) as Record<CountName, number>
    const rcodes = now.rcodes.map((count, cell) => [rcodeLabels[cell]!, count - before.rcodes[cell]!] as const)
    const second: typeof Second.Type = {
      atMs: Date.now(),
      ...counts,
      p50Ms: quantileOf(delta, 0.5) / 1000,
      p99Ms: quantileOf(delta, 0.99) / 1000,
      waiting: now.waiting,
      queued: now.queued,
      rcodes: Object.fromEntries(rcodes.filter(([, count]) => count > 0))
    }
    this.kept.push({ second, lengthMs: now.atMs - before.atMs, durations })
    if (this.kept.length > KEPT_SECONDS) this.kept.shift()
  }
}
