/**
 * From when on a query is slow: a number of milliseconds, or longer than 99 of the last 100 that were asked upstream.
 *
 * The latter is found anew after each thousand, in each thread by itself.
 */
import { Context, Effect, Layer } from "effect"
import type { SlowFrom } from "../config/codec/slow-from.ts"
import { Configuration, ofCurrent } from "../config/configuration.ts"

/** So many queries that were asked upstream make a limit for those after them. */
const WINDOW = 1_000
/** The limit before there were so many. */
const FIRST_MS = 1_000

/** Pure. */
export class SlowLimit {
  private readonly from: () => SlowFrom
  private readonly durations = new Float64Array(WINDOW)
  private count = 0
  private p99Ms = FIRST_MS

  constructor(from: () => SlowFrom) {
    this.from = from
  }

  isExceededBy(durationMs: number): boolean {
    const from = this.from()
    return from === "p99" ? durationMs > this.p99Ms : durationMs >= from
  }

  /** A query that was asked upstream, and by no other query, took so long. */
  observe(durationMs: number): void {
    if (this.from() !== "p99") return
    this.durations[this.count++] = durationMs
    if (this.count < WINDOW) return
    this.count = 0
    this.durations.sort()
    this.p99Ms = this.durations[WINDOW * 0.99 - 1]!
  }
}

/** The limit by which this thread's queries are slow. */
export class SlowQueries extends Context.Service<SlowQueries, SlowLimit>()("strand/telemetry/SlowQueries") {
  static readonly layer: Layer.Layer<SlowQueries, never, Configuration> = Layer.effect(
    SlowQueries,
    Effect.map(
      Configuration,
      (configuration) => new SlowLimit(ofCurrent(configuration, ({ slowQueryMs }) => slowQueryMs))
    )
  )
}
