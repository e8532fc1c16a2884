/** Tables in plain text: columns as wide as what stands in them, numbers to the right. */
import { printable } from "./printable.ts"
import { plain, type Style } from "./style.ts"

export interface Column<Row> {
  readonly title: string
  readonly text: (row: Row) => string
  readonly isNumber?: boolean
  /** Wider texts are cut, with `…` at their end. */
  readonly atMost?: number
  readonly paint?: (row: Row, style: Style) => (text: string) => string
}

/** The lines of the table, its titles first. */
export const table = <Row>(
  columns: ReadonlyArray<Column<Row>>,
  rows: ReadonlyArray<Row>,
  style: Style = plain
): ReadonlyArray<string> => {
  const texts = rows.map((row) => columns.map(({ text, atMost }) => cut(printable(text(row)), atMost)))
  const widths = columns.map(({ title }, i) => Math.max(title.length, ...texts.map((line) => line[i]!.length)))
  const pad = (text: string, i: number): string =>
    columns[i]!.isNumber === true ? text.padStart(widths[i]!) : text.padEnd(widths[i]!)
  const line = (cells: ReadonlyArray<string>): string => cells.join("  ").trimEnd()
  return [
    line(columns.map(({ title }, i) => style.dim(pad(title, i)))),
    ...texts.map((cells, at) =>
      line(
        cells.map((cell, i) => {
          const paint = columns[i]!.paint?.(rows[at]!, style)
          return paint === undefined ? pad(cell, i) : paint(pad(cell, i))
        })
      )
    )
  ]
}

/** At most so many characters, `…` among them. */
export const cut = (text: string, atMost = Number.POSITIVE_INFINITY): string =>
  text.length <= atMost ? text : `${text.slice(0, Math.max(0, atMost - 1))}…`
