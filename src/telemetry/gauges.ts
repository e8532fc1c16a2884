/**
 * What each thread has at the moment: numbers in shared memory, a row for each thread, which it writes ten times a
 * second.
 */
import { Context } from "effect"

/** Every gauge of a thread, and what it says. */
export const gaugeMeanings = {
  "queries.waiting": "queries under way that were not answered at once",
  "permits.used": "queries that wait for the network",
  "queue.length": "queries that wait for a permit",
  resolvers: "resolvers in use",
  "resolvers.busy": "resolvers with an exchange under way",
  exchanges: "exchanges with upstreams under way",
  "tcp.connections": "connections of clients",
  "heap.used": "octets of JavaScript objects",
  "heap.external": "octets beside them: buffers",
  "loop.delay.p50": "milliseconds that the event loop was late, in the last second: the median",
  "loop.delay.p99": "the same for 99 of 100",
  "loop.delay.max": "the same at most",
  "gc.seconds": "seconds spent collecting garbage since the thread began",
  "gc.runs": "collections since the thread began"
} as const

export type GaugeName = keyof typeof gaugeMeanings

export const gaugeNames = Object.keys(gaugeMeanings) as ReadonlyArray<GaugeName>

export const gaugeMemory = (threads: number): SharedArrayBuffer =>
  new SharedArrayBuffer(threads * gaugeNames.length * Float64Array.BYTES_PER_ELEMENT)

/** Where the parts of a thread say how its gauges are read. */
export interface GaugeRegistry {
  readonly register: (name: GaugeName, read: () => number) => void
  /** Called before the gauges are read. */
  readonly before: (prepare: () => void) => void
}

/** Nobody looks, unless a layer provides a row. */
export const Gauges: Context.Reference<GaugeRegistry> = Context.Reference("strand/telemetry/Gauges", {
  defaultValue: (): GaugeRegistry => ({ register: () => {}, before: () => {} })
})

/** The gauges of one thread. */
export class GaugeRow implements GaugeRegistry {
  private readonly row: Float64Array
  private readonly reads = new Map<number, () => number>()
  private readonly preparations: Array<() => void> = []

  /** @param row this thread's, from 0 */
  constructor(memory: SharedArrayBuffer, row: number) {
    this.row = rowOf(memory, row)
    // What a thread before this one had is over.
    this.row.fill(0)
  }

  register(name: GaugeName, read: () => number): void {
    this.reads.set(gaugeNames.indexOf(name), read)
  }

  before(prepare: () => void): void {
    this.preparations.push(prepare)
  }

  sample(): void {
    for (const prepare of this.preparations) prepare()
    for (const [cell, read] of this.reads) this.row[cell] = read()
  }
}

const rowOf = (memory: SharedArrayBuffer, row: number): Float64Array =>
  new Float64Array(memory, row * gaugeNames.length * Float64Array.BYTES_PER_ELEMENT, gaugeNames.length)

/** What the thread of this row said last. */
export const readGauges = (memory: SharedArrayBuffer, row: number): Record<GaugeName, number> => {
  const values = rowOf(memory, row)
  return Object.fromEntries(gaugeNames.map((name, cell) => [name, values[cell]!])) as Record<GaugeName, number>
}
