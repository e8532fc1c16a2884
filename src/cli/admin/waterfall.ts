/** Steps of a query, each as a bar on the query's own time. */
import type { Step } from "../../admin/api/queries.ts"
import { milliseconds } from "../text/amounts.ts"
import { printable } from "../text/printable.ts"
import type { Style } from "../text/style.ts"
import { cut } from "../text/table.ts"

type One = typeof Step.Type

/** Columns of the bars. */
const WIDTH = 40
const MAX_LABEL = 36

/** @param tookMs how long the whole query took; a step may end later, where the client did not wait for it */
export const waterfall = (steps: ReadonlyArray<One>, tookMs: number, paint: Style): ReadonlyArray<string> => {
  const spanMs = Math.max(tookMs, ...steps.map(({ toMs }) => toMs), 0.001)
  const labels = steps.map(({ depth, name }) => cut(`${"  ".repeat(Math.max(0, depth))}${printable(name)}`, MAX_LABEL))
  const widest = Math.max(...labels.map((label) => label.length), 4)
  return steps.map((step, i) => {
    const isError = step.status === "error"
    const line = bar(step, spanMs)
    return [
      labels[i]!.padEnd(widest),
      `${milliseconds(step.toMs - step.fromMs).padStart(6)} ms`,
      `│${(isError ? paint.red : paint.cyan)(line)}│`,
      (isError ? paint.red : paint.dim)(`${isError ? "✗ " : ""}${printable(step.detail)}`)
    ]
      .join(" ")
      .trimEnd()
  })
}

/** A step that is shorter than a column has one all the same. */
const bar = ({ fromMs, toMs }: One, spanMs: number): string => {
  const at = (ms: number): number => Math.min(WIDTH, Math.max(0, Math.round((ms / spanMs) * WIDTH)))
  const start = Math.min(at(fromMs), WIDTH - 1)
  const length = Math.max(1, at(toMs) - start)
  return `${" ".repeat(start)}${"█".repeat(length)}`.padEnd(WIDTH)
}
