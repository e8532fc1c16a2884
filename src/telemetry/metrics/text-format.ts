/**
 * Metrics as Prometheus reads them: its text format 0.0.4, and OpenMetrics 1.0, which has exemplars.
 *
 * Effect's `PrometheusMetrics` writes the former alone.
 */
import type { Exemplar, Family, HistogramSeries, Labels } from "./family.ts"

export type TextFormat = "prometheus" | "openmetrics"

export const contentTypes: Readonly<Record<TextFormat, string>> = {
  prometheus: "text/plain; version=0.0.4; charset=utf-8",
  openmetrics: "application/openmetrics-text; version=1.0.0; charset=utf-8"
}

/** The format that the `Accept` header asks for. */
export const formatFor = (accept: string | undefined): TextFormat =>
  accept?.includes("application/openmetrics-text") === true ? "openmetrics" : "prometheus"

export const formatFamilies = (families: ReadonlyArray<Family>, format: TextFormat): string => {
  const lines: Array<string> = []
  for (const family of families) {
    // In OpenMetrics a counter's family has no `_total`, its samples have.
    const total = `${family.name}_total`
    const head = family.kind === "counter" && format === "prometheus" ? total : family.name
    lines.push(`# HELP ${head} ${escapeHelp(family.help)}`, `# TYPE ${head} ${family.kind}`)
    if (format === "openmetrics" && family.unit !== undefined && head.endsWith(`_${family.unit}`)) {
      lines.push(`# UNIT ${head} ${family.unit}`)
    }
    if (family.kind === "histogram") {
      for (const series of family.series) lines.push(...histogramLines(family.name, series, format))
    } else {
      const name = family.kind === "counter" ? total : family.name
      for (const { labels, value } of family.series) lines.push(`${name}${textOf(labels)} ${numberText(value)}`)
    }
  }
  if (format === "openmetrics") lines.push("# EOF")
  return `${lines.join("\n")}\n`
}

const histogramLines = (
  name: string,
  { labels, bounds, counts, sum, exemplars }: HistogramSeries,
  format: TextFormat
): ReadonlyArray<string> => {
  const lines: Array<string> = []
  let below = 0
  counts.forEach((count, step) => {
    below += count
    const bound = bounds[step]
    const le = bound === undefined ? "+Inf" : numberText(bound)
    const exemplar = format === "openmetrics" ? exemplars?.get(step) : undefined
    lines.push(`${name}_bucket${textOf({ ...labels, le })} ${below}${exemplarText(exemplar)}`)
  })
  lines.push(`${name}_sum${textOf(labels)} ${numberText(sum)}`, `${name}_count${textOf(labels)} ${below}`)
  return lines
}

const exemplarText = (exemplar: Exemplar | undefined): string =>
  exemplar === undefined
    ? ""
    : ` # ${textOf({ trace_id: exemplar.traceId })} ${numberText(exemplar.value)} ${(exemplar.atMs / 1000).toFixed(3)}`

const textOf = (labels: Labels): string => {
  const parts = Object.entries(labels).map(([name, value]) => `${name}="${escapeLabel(value)}"`)
  return parts.length === 0 ? "" : `{${parts.join(",")}}`
}

const numberText = (value: number): string => {
  if (Number.isNaN(value)) return "NaN"
  if (!Number.isFinite(value)) return value > 0 ? "+Inf" : "-Inf"
  return String(value)
}

const escapeHelp = (text: string): string => text.replace(/\\/g, "\\\\").replace(/\n/g, "\\n")
const escapeLabel = (text: string): string => escapeHelp(text).replace(/"/g, '\\"')
