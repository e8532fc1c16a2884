/** How long answers took, by how they came about: cells in shared memory, merged when somebody asks. */
import { Context, Layer } from "effect"
import { cellOf, HISTOGRAM_CELLS, quantileOf } from "./histogram.ts"

/** What is measured, each from when the query was taken in until its reply was handed over. */
export const latencyMeanings = {
  hit: "answers from the cache",
  miss: "answers that were asked for"
} as const

export type LatencyName = keyof typeof latencyMeanings

const names = Object.keys(latencyMeanings) as ReadonlyArray<LatencyName>
const ROW = names.length * HISTOGRAM_CELLS

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
  }
>()("strand/telemetry/Latencies") {
  static readonly layer: Layer.Layer<Latencies> = Layer.suspend(() => Latencies.layerOver(latencyMemory(1), 0))

  /** @param row this thread's, from 0 */
  static readonly layerOver = (memory: SharedArrayBuffer, row: number): Layer.Layer<Latencies> =>
    Layer.sync(Latencies, () => {
      const all = new Float64Array(memory)
      const own = {
        hit: all.subarray(row * ROW, row * ROW + HISTOGRAM_CELLS),
        miss: all.subarray(row * ROW + HISTOGRAM_CELLS, row * ROW + 2 * HISTOGRAM_CELLS)
      }
      const merged = (name: LatencyName): Float64Array => {
        const sums = new Float64Array(HISTOGRAM_CELLS)
        for (let start = names.indexOf(name) * HISTOGRAM_CELLS; start < all.length; start += ROW) {
          for (let cell = 0; cell < HISTOGRAM_CELLS; cell++) sums[cell]! += all[start + cell]!
        }
        return sums
      }
      return Latencies.of({
        record: (name, milliseconds, count) => {
          own[name][cellOf(milliseconds * 1000)]! += count
        },
        quantiles: (name) => {
          const counts = merged(name)
          const at = (quantile: number): number => quantileOf(counts, quantile) / 1000
          return { p50: at(0.5), p95: at(0.95), p99: at(0.99), p999: at(0.999) }
        }
      })
    })
}
