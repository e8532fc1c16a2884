/** Results as tables, for a terminal or in Markdown. */
import type { Figure } from "../workloads/workload.ts"
import { medians, type Ratio, ratios, variantsOf, type WorkloadResult } from "./results.ts"

export type Style = "text" | "markdown"

/** A workload's title, its table, the ratios, how it was measured, and what could not be. */
export const formatWorkload = (result: WorkloadResult, style: Style): string => {
  const heading = style === "markdown" ? `### ${result.title}` : `── ${result.title}`
  const notes = result.problems.map((problem) => `Not measured: ${problem}`)
  return [heading, result.method, formatTable(cellsOf(result), style), ...notes].join("\n\n")
}

/** The head first; then a row a server, and under each variant's rows the ratios. */
const cellsOf = ({ figures, rows }: WorkloadResult): ReadonlyArray<ReadonlyArray<string>> => {
  const head = ["", ...figures.map(({ title }) => title)]
  const body = variantsOf(rows).flatMap((variant) => {
    const those = rows.filter((row) => row.variant === variant)
    const label = (name: string) => (variant === "" ? name : `${name}, ${variant}`)
    return [
      ...those.map((row) => {
        const values = medians(row, figures)
        return [label(row.server), ...figures.map((figure) => formatFigure(values[figure.key]!, figure))]
      }),
      ...ratioRow(label("strand ÷ best peer"), figures, ratios(those, figures, "peer"), true),
      ...ratioRow(label("strand ÷ floor"), figures, ratios(those, figures, "floor"), false)
    ]
  })
  return [head, ...body]
}

const ratioRow = (
  label: string,
  figures: ReadonlyArray<Figure>,
  found: ReadonlyArray<Ratio>,
  isNamed: boolean
): ReadonlyArray<ReadonlyArray<string>> => {
  if (found.length === 0) return []
  const cells = figures.map(({ key }) => {
    const ratio = found.find((one) => one.key === key)
    if (ratio === undefined) return ""
    return isNamed ? `${ratio.ratio.toFixed(2)} ${ratio.against}` : ratio.ratio.toFixed(2)
  })
  return [[label, ...cells]]
}

/** `12,345.67`; a dash for what could not be measured. */
export const formatFigure = (value: number, { digits }: Pick<Figure, "digits">): string =>
  Number.isFinite(value)
    ? value.toLocaleString("en", { minimumFractionDigits: digits, maximumFractionDigits: digits })
    : "–"

/** The first row is the head; the first column is to the left, all others to the right. */
const formatTable = (cells: ReadonlyArray<ReadonlyArray<string>>, style: Style): string => {
  const [head = [], ...body] = cells
  const widths = head.map((_, column) => Math.max(...cells.map((row) => row[column]!.length)))
  const pad = (row: ReadonlyArray<string>): ReadonlyArray<string> =>
    row.map((cell, column) => (column === 0 ? cell.padEnd(widths[0]!) : cell.padStart(widths[column]!)))
  if (style === "text") return cells.map((row) => pad(row).join("  ").trimEnd()).join("\n")
  const line = (row: ReadonlyArray<string>): string => `| ${row.join(" | ")} |`
  const rule = line(head.map((_, column) => (column === 0 ? "---" : "---:")))
  return [line(head), rule, ...body.map(line)].join("\n")
}
