/** Metrics as they are exported: families of series, read when somebody asks. */

export type Labels = Readonly<Record<string, string>>

export interface NumberSeries {
  readonly labels: Labels
  readonly value: number
}

/** A value that was seen, and where its trace is found. */
export interface Exemplar {
  readonly traceId: string
  readonly value: number
  /** Milliseconds since 1970. */
  readonly atMs: number
}

export interface HistogramSeries {
  readonly labels: Labels
  /** Upper ends, without the infinite one. */
  readonly bounds: ReadonlyArray<number>
  /** Of each step by itself, one more than `bounds`. */
  readonly counts: ReadonlyArray<number>
  readonly sum: number
  /** By step. */
  readonly exemplars?: ReadonlyMap<number, Exemplar> | undefined
}

interface Described {
  /** Without the suffix that its kind brings, such as `_total`. */
  readonly name: string
  readonly help: string
  /** Of OpenMetrics: the last part of the name where there is one. */
  readonly unit?: "seconds" | "bytes"
}

export type Family =
  | (Described & { readonly kind: "counter"; readonly series: ReadonlyArray<NumberSeries> })
  | (Described & { readonly kind: "gauge"; readonly series: ReadonlyArray<NumberSeries> })
  | (Described & { readonly kind: "histogram"; readonly series: ReadonlyArray<HistogramSeries> })
