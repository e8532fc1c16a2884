/** A chart over time. Its legend says in text what the lines show: now, or where the pointer is. */
import { useEffect, useRef, useState } from "preact/hooks"
import uPlot from "uplot"
import { formatClock } from "../format.ts"
import { html } from "../html.ts"
import { useStore } from "../store.ts"
import { colorOf, darkness } from "../theme.ts"

export interface Line {
  readonly label: string
  /** A colour of the style sheet. */
  readonly color: string
  readonly values: ReadonlyArray<number | null>
}

export interface ChartOptions {
  readonly title: string
  /** Milliseconds since 1970, one for each value. */
  readonly times: ReadonlyArray<number>
  readonly lines: ReadonlyArray<Line>
  /** Seconds that it shows, ending with the last. */
  readonly span: number
  /** Each line on top of those before it. */
  readonly isStacked?: boolean
  readonly format: (value: number) => string
  /** The highest value where it is known beforehand. */
  readonly max?: number
}

const HEIGHT = 168

/** Sums from the bottom up; the highest is drawn first, and the lower ones over it. */
const stacked = (lines: ReadonlyArray<Line>, length: number): Array<Array<number | null>> => {
  const sums: Array<Array<number | null>> = []
  let below = new Array<number>(length).fill(0)
  for (const { values } of lines) {
    below = below.map((sum, at) => sum + (values[at] ?? 0))
    sums.unshift(below)
  }
  return sums
}

const dataOf = ({ isStacked, lines, times }: ChartOptions): uPlot.AlignedData => [
  times.map((ms) => ms / 1000),
  ...(isStacked === true ? stacked(lines, times.length) : lines.map(({ values }) => [...values]))
]

const optionsOf = (
  { format, isStacked, lines, max, span }: ChartOptions,
  width: number,
  onCursor: (at: number | undefined) => void
): uPlot.Options => {
  const axis = (): uPlot.Axis => ({
    stroke: colorOf("muted"),
    font: "11px system-ui, sans-serif",
    grid: { stroke: colorOf("grid"), width: 1 },
    ticks: { show: false }
  })
  const shown = isStacked === true ? [...lines].reverse() : lines
  return {
    width,
    height: HEIGHT,
    padding: [8, 26, 0, 0],
    legend: { show: false },
    cursor: { y: false, drag: { x: false, y: false }, points: { show: false }, sync: { key: "time" } },
    scales: {
      x: { range: (_, __, latest) => [latest - span, latest] },
      y: { range: (_, __, most) => [0, max ?? (most > 0 ? most * 1.1 : 1)] }
    },
    axes: [
      { ...axis(), size: 24, space: 72, values: (_, splits) => splits.map((at) => formatClock(at * 1000)) },
      { ...axis(), size: 58, space: 32, values: (_, splits) => splits.map(format) }
    ],
    series: [
      {},
      ...shown.map(
        ({ color, label }): uPlot.Series => ({
          label,
          stroke: colorOf(color),
          width: isStacked === true ? 1 : 1.5,
          points: { show: false },
          ...(isStacked === true ? { fill: colorOf(color) } : {})
        })
      )
    ],
    hooks: { setCursor: [(plot) => onCursor(plot.cursor.idx ?? undefined)] }
  }
}

export const Chart = (options: ChartOptions) => {
  const { format, lines, span, times, title } = options
  const place = useRef<HTMLDivElement>(null)
  const plot = useRef<uPlot | undefined>(undefined)
  const [pointed, setPointed] = useState<number | undefined>(undefined)
  const isDark = useStore(darkness)
  const latest = useRef(options)
  latest.current = options

  useEffect(() => {
    const element = place.current!
    const drawn = new uPlot(
      optionsOf(latest.current, Math.max(120, element.clientWidth), setPointed),
      dataOf(latest.current),
      element
    )
    plot.current = drawn
    const watching = new ResizeObserver(() => {
      const width = element.clientWidth
      if (width > 0 && width !== drawn.width) drawn.setSize({ width, height: HEIGHT })
    })
    watching.observe(element)
    return () => {
      watching.disconnect()
      drawn.destroy()
      plot.current = undefined
    }
  }, [isDark, span])

  useEffect(() => plot.current?.setData(dataOf(latest.current)), [times])

  const at = pointed === undefined || pointed >= times.length ? times.length - 1 : pointed
  const textAt = ({ values }: Line): string => {
    const value = values[at]
    return value === undefined || value === null ? "–" : format(value)
  }
  return html`<figure class="chart">
    <figcaption>
      <h3>${title}</h3>
      <span class="muted">${at < 0 ? "" : formatClock(times[at]!)}</span>
    </figcaption>
    <div class="plot" ref=${place} aria-hidden="true"></div>
    <ul class="legend">
      ${lines.map(
        (line) => html`<li key=${line.label}>
          <i class=${`swatch is-${line.color}`}></i>${line.label} <b>${textAt(line)}</b>
        </li>`
      )}
    </ul>
  </figure>`
}
