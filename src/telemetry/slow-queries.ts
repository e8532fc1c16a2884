/** From when on a query is slow: a number of milliseconds, or what 99 of 100 of the queries before it did not take. */
import { Context, Effect, Layer } from "effect"
import type { SlowFrom } from "../config/codec/slow-from.ts"
import { Configuration, ofCurrent } from "../config/configuration.ts"

/** Queries that were asked upstream, of which the hundredth part is slow: those of the time before. */
const WINDOW = 1_000
/** Until there were as many. */
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

  /** Milliseconds from which a query is slow. */
  get ms(): number {
    const from = this.from()
    return from === "p99" ? this.p99Ms : from
  }

  /** A query that was asked upstream took so long. */
  observe(durationMs: number): void {
    if (this.from() !== "p99") return
    this.durations[this.count++] = durationMs
    if (this.count < WINDOW) return
    this.count = 0
    this.durations.sort()
    this.p99Ms = this.durations[WINDOW * 0.99]!
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
