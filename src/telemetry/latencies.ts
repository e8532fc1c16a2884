/** How long answers took, by how they came about: cells in shared memory, merged when somebody asks. */
import { Context, Layer } from "effect"
import { cellOf, HISTOGRAM_CELLS, quantileOf } from "./histogram.ts"

/** What is measured, each from when the query was taken in until its reply was handed over. */
export const latencyMeanings = {
  hit: "answers from the cache",
  miss: "answers that were asked for",
  stale: "answers past their life",
  local: "replies that needed neither the cache nor an upstream",
  failure: "queries answered SERVFAIL"
} as const

export type LatencyName = keyof typeof latencyMeanings

export const latencyNames = Object.keys(latencyMeanings) as ReadonlyArray<LatencyName>
/** The cells of a name, and the sum of what was recorded, in milliseconds. */
const CELLS = HISTOGRAM_CELLS + 1
const ROW = latencyNames.length * CELLS

/** Room for the latencies of so many threads, a row each. */
export const latencyMemory = (threads: number): SharedArrayBuffer =>
  new SharedArrayBuffer(threads * ROW * Float64Array.BYTES_PER_ELEMENT)

/** Milliseconds that so many of 1,000 answers did not take longer than. */
export interface Quantiles {
  readonly p50: number
  readonly p95: number
  readonly p99: number
  readonly p999: number
}

/**
 * How long answers took, from the cache and from upstreams.
 *
 * **When to use**
 *
 * Use to show how fast the server is.
 *
 * **Example** (What 99 of 100 misses did not take longer than)
 *
 * ```ts
 * import { Effect } from "effect"
 * import { Latencies } from "strand-dns"
 *
 * const p99 = Effect.map(Latencies, ({ quantiles }) => quantiles("miss").p99)
 * ```
 */
export class Latencies extends Context.Service<
  Latencies,
  {
    /** @param count how many took that long */
    readonly record: (name: LatencyName, milliseconds: number, count: number) => void
    /** Of all threads together. */
    readonly quantiles: (name: LatencyName) => Quantiles
    /**
     * The cells of `histogram.ts`, and behind them the sum in milliseconds; of all threads together.
     *
     * @param rows of the first so many threads alone, where no other has recorded anything
     */
    readonly cells: (name: LatencyName, rows?: number) => Float64Array
  }
>()("strand/telemetry/Latencies") {
  static readonly layer: Layer.Layer<Latencies> = Layer.suspend(() => Latencies.layerOver(latencyMemory(1), 0))

  /** @param row this thread's, from 0 */
  static readonly layerOver = (memory: SharedArrayBuffer, row: number): Layer.Layer<Latencies> =>
    Layer.sync(Latencies, () => {
      const all = new Float64Array(memory)
      const ownCells = (name: LatencyName): Float64Array => {
        const start = row * ROW + latencyNames.indexOf(name) * CELLS
        return all.subarray(start, start + CELLS)
      }
      const own = {
        hit: ownCells("hit"),
        miss: ownCells("miss"),
        stale: ownCells("stale"),
        local: ownCells("local"),
        failure: ownCells("failure")
      } satisfies Record<LatencyName, Float64Array>
      const merged = (name: LatencyName, rows = all.length / ROW): Float64Array => {
        const sums = new Float64Array(CELLS)
        for (let start = latencyNames.indexOf(name) * CELLS; start < rows * ROW; start += ROW) {
          for (let cell = 0; cell < CELLS; cell++) sums[cell]! += all[start + cell]!
        }
        return sums
      }
      return Latencies.of({
        record: (name, milliseconds, count) => {
          const cells = own[name]
          cells[cellOf(milliseconds * 1000)]! += count
          cells[HISTOGRAM_CELLS]! += milliseconds * count
        },
        quantiles: (name) => {
          const counts = merged(name).subarray(0, HISTOGRAM_CELLS)
          const at = (quantile: number): number => quantileOf(counts, quantile) / 1000
          return { p50: at(0.5), p95: at(0.95), p99: at(0.99), p999: at(0.999) }
        },
        cells: merged
      })
    })
}
