/** A snapshot of the server as lines of a terminal. */
import type { TopEntry } from "../../admin/api/queries.ts"
import type { Rates, Status } from "../../admin/api/system.ts"
import { upstreamColumns } from "../admin/upstreams.ts"
import { count, duration, milliseconds, octets, percent } from "../text/amounts.ts"
import { printable } from "../text/printable.ts"
import type { Style } from "../text/style.ts"
import { cut, table } from "../text/table.ts"
import type { Snapshot } from "./snapshot.ts"

/** Between the two lists of who asks most. */
const GAP = "   "
const COUNT_WIDTH = 9

export const draw = (snapshot: Snapshot, columns: number, paint: Style): ReadonlyArray<string> => [
  ...head(snapshot.status, snapshot.url, paint),
  "",
  ...rates(snapshot.status, paint),
  "",
  ...table(upstreamColumns, snapshot.upstreams, paint),
  "",
  ...beside(
    list("names, last minute", snapshot.names, half(columns), paint),
    list("clients, last minute", snapshot.clients, half(columns), paint),
    half(columns)
  )
]

const half = (columns: number): number => Math.max(24, Math.min(56, (columns - GAP.length) >> 1))

const head = (status: typeof Status.Type, url: string, paint: Style): ReadonlyArray<string> => {
  const state = status.isDraining
    ? paint.yellow("draining")
    : status.isReady
      ? paint.green("ready")
      : paint.red("not ready")
  const waiting = status.workers.reduce((sum, { queriesWaiting }) => sum + queriesWaiting, 0)
  const queued = status.workers.reduce((sum, { queueLength }) => sum + queueLength, 0)
  const workers = `${status.workers.length} worker${status.workers.length === 1 ? "" : "s"}`
  return [
    `${paint.bold(`strand ${printable(status.version)}`)}  ${state}  up ${duration(status.uptimeSeconds)}  ` +
      paint.dim(`${printable(url)}, generation ${status.generation}`),
    `${workers}  waiting ${count(waiting)}  queued ${count(queued)}  memory ${octets(status.memory.residentBytes)}  ` +
      `cache ${octets(status.memory.cacheBytes)}`
  ]
}

type Span = readonly [title: string, rates: typeof Rates.Type]

const rates = ({ rates: all }: typeof Status.Type, paint: Style): ReadonlyArray<string> => {
  const spans: ReadonlyArray<Span> = [
    ["10 s", all.last10Seconds],
    ["1 min", all.lastMinute],
    ["10 min", all.last10Minutes]
  ]
  const warn = (value: number) => (value > 0 ? paint.red : (text: string) => text)
  return table<Span>(
    [
      { title: "", text: ([title]) => title },
      { title: "queries/s", text: ([, { queriesPerSecond }]) => rate(queriesPerSecond), isNumber: true },
      { title: "hits", text: ([, { hitRatio }]) => (hitRatio === null ? "–" : percent(hitRatio)), isNumber: true },
      { title: "p50 ms", text: ([, { p50Ms }]) => milliseconds(p50Ms), isNumber: true },
      { title: "p95 ms", text: ([, { p95Ms }]) => milliseconds(p95Ms), isNumber: true },
      { title: "p99 ms", text: ([, { p99Ms }]) => milliseconds(p99Ms), isNumber: true },
      {
        title: "failed/s",
        text: ([, { failedPerSecond }]) => rate(failedPerSecond),
        isNumber: true,
        paint: ([, { failedPerSecond }]) => warn(failedPerSecond)
      },
      {
        title: "shed/s",
        text: ([, { shedPerSecond }]) => rate(shedPerSecond),
        isNumber: true,
        paint: ([, { shedPerSecond }]) => warn(shedPerSecond)
      }
    ],
    spans,
    paint
  )
}

const rate = (perSecond: number): string => (perSecond < 100 ? perSecond.toFixed(1) : count(perSecond))

/** One line an entry: what, and how often. */
const list = (
  title: string,
  entries: ReadonlyArray<typeof TopEntry.Type>,
  width: number,
  paint: Style
): ReadonlyArray<Line> => [
  { text: title, paint: paint.dim },
  ...entries.map(({ key, count: n }) => ({
    text: `${cut(printable(key), width - COUNT_WIDTH).padEnd(width - COUNT_WIDTH)}${count(n).padStart(COUNT_WIDTH)}`,
    paint: (text: string) => text
  }))
]

interface Line {
  readonly text: string
  readonly paint: (text: string) => string
}

const NO_LINE: Line = { text: "", paint: (text) => text }

const beside = (left: ReadonlyArray<Line>, right: ReadonlyArray<Line>, width: number): ReadonlyArray<string> =>
  Array.from({ length: Math.max(left.length, right.length) }, (_, i) => {
    const [a, b] = [left[i] ?? NO_LINE, right[i] ?? NO_LINE]
    return `${a.paint(a.text.padEnd(width))}${GAP}${b.paint(b.text)}`.trimEnd()
  })
