/** What a run found: for each workload the figures of every round, their medians, and Strand against the others. */
import { median } from "../measure/percentiles.ts"
import type { Server } from "../servers/server.ts"
import type { Figure, Figures } from "../workloads/workload.ts"

export interface Row {
  readonly server: string
  readonly role: Server["role"]
  readonly variant: string
  readonly rounds: ReadonlyArray<Figures>
}

export interface WorkloadResult {
  readonly name: string
  readonly title: string
  readonly method: string
  readonly figures: ReadonlyArray<Figure>
  readonly rows: ReadonlyArray<Row>
  /** Servers that could not be measured, and why. */
  readonly problems: ReadonlyArray<string>
}

/** The medians of a row's figures over its rounds. */
export const medians = (row: Row, figures: ReadonlyArray<Figure>): Figures =>
  Object.fromEntries(figures.map(({ key }) => [key, median(row.rounds.map((round) => round[key] ?? Number.NaN))]))

export interface Ratio {
  readonly key: string
  /** Strand's figure divided by the other's. */
  readonly ratio: number
  readonly against: string
}

/** Strand's figures against those of the best of `role`, figure by figure, among the rows of one variant. */
export const ratios = (
  rows: ReadonlyArray<Row>,
  figures: ReadonlyArray<Figure>,
  role: "peer" | "floor"
): ReadonlyArray<Ratio> => {
  const strand = rows.find((row) => row.role === "strand")
  if (strand === undefined) return []
  const own = medians(strand, figures)
  const others = rows.filter((row) => row.role === role).map((row) => ({ row, figures: medians(row, figures) }))
  return figures.flatMap(({ key, better }) => {
    if (better === undefined || Number.isNaN(own[key])) return []
    const sign = better === "less" ? 1 : -1
    const [best] = others
      .filter((other) => Number.isFinite(other.figures[key]) && other.figures[key]! > 0)
      .sort((a, b) => sign * (a.figures[key]! - b.figures[key]!))
    if (best === undefined) return []
    return [{ key, ratio: own[key]! / best.figures[key]!, against: best.row.server }]
  })
}

/** The variants of a workload's rows, in the order in which they came. */
export const variantsOf = (rows: ReadonlyArray<Row>): ReadonlyArray<string> => [
  ...new Set(rows.map(({ variant }) => variant))
]

/** A result with what is computed from it, for whoever reads the file. */
export const summary = (result: WorkloadResult) => ({
  ...result,
  rows: result.rows.map((row) => ({ ...row, medians: medians(row, result.figures) })),
  ratios: variantsOf(result.rows).map((variant) => {
    const rows = result.rows.filter((row) => row.variant === variant)
    return {
      variant,
      bestPeer: ratios(rows, result.figures, "peer"),
      floor: ratios(rows, result.figures, "floor")
    }
  })
})
