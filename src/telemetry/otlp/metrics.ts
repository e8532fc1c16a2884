/** Metrics on their way to a collector: all that `/metrics` has, under the same names. */
import { ValueType } from "@opentelemetry/api"
import {
  JsonMetricsSerializer,
  MetricsExporterMetricsHelper,
  ProtobufMetricsSerializer
} from "@opentelemetry/otlp-transformer"
import {
  AggregationTemporality,
  type DataPoint,
  DataPointType,
  type MetricData,
  type ResourceMetrics
} from "@opentelemetry/sdk-metrics"
import { Effect, Schedule } from "effect"
import type { OtlpTarget } from "../../config/otlp.ts"
import type { Family, HistogramSeries, NumberSeries } from "../metrics/family.ts"
import { instrumentation, makeResource } from "./resource.ts"
import { makeSender, watchCollector } from "./sender.ts"
import { hrTime } from "./times.ts"

const END_MS = 1_500

/** What there is to export, read when it is. */
export interface MetricReader {
  readonly read: () => ReadonlyArray<Family>
  /** Since when counters count, in milliseconds since 1970. */
  readonly startedAtMs: number
}

/** Sends all metrics, now and then; and once more at the end. */
export const sendMetrics = Effect.fnUntraced(function* (
  target: OtlpTarget,
  serviceName: string | undefined,
  intervalMs: number,
  { read, startedAtMs }: MetricReader
) {
  const resource = yield* makeResource(serviceName)
  const send = yield* makeSender<"all", ResourceMetrics>({
    signal: "METRICS",
    target,
    what: "metrics",
    // They are read when they are sent: it is enough that one export waits.
    sizeOf: () => 1,
    maxWaiting: 1,
    enough: 1,
    endMs: END_MS,
    requestOf: () => {
      const metrics = read().map((family) => dataOf(family, startedAtMs, Date.now()))
      return { resource, scopeMetrics: [{ scope: instrumentation, metrics }] }
    },
    protobuf: ProtobufMetricsSerializer,
    json: JsonMetricsSerializer,
    helper: MetricsExporterMetricsHelper,
    onSent: () => {},
    ...watchCollector()
  })
  const sendAll = Effect.sync(() => send("all"))
  // Registered behind the sender, so that it runs first.
  yield* Effect.addFinalizer(() => sendAll)
  yield* Effect.forkScoped(Effect.repeat(Effect.delay(sendAll, intervalMs), Schedule.forever))
})

const units = { seconds: "s", bytes: "By" } as const

const dataOf = (family: Family, startedAtMs: number, nowMs: number): MetricData => {
  const startTime = hrTime(startedAtMs)
  const endTime = hrTime(nowMs)
  const common = {
    descriptor: {
      name: family.name,
      description: family.help,
      unit: family.unit === undefined ? "" : units[family.unit],
      valueType: ValueType.DOUBLE
    },
    aggregationTemporality: AggregationTemporality.CUMULATIVE
  }
  const numbers = (series: ReadonlyArray<NumberSeries>): Array<DataPoint<number>> =>
    series.map(({ labels, value }) => ({ attributes: { ...labels }, value, startTime, endTime }))
  switch (family.kind) {
    case "counter":
      return { ...common, dataPointType: DataPointType.SUM, isMonotonic: true, dataPoints: numbers(family.series) }
    case "gauge":
      return { ...common, dataPointType: DataPointType.GAUGE, dataPoints: numbers(family.series) }
    case "histogram":
      return {
        ...common,
        dataPointType: DataPointType.HISTOGRAM,
        dataPoints: family.series.map((series) => ({
          attributes: { ...series.labels },
          value: histogramOf(series),
          startTime,
          endTime
        }))
      }
  }
}

const histogramOf = ({ bounds, counts, sum }: HistogramSeries) => ({
  buckets: { boundaries: [...bounds], counts: [...counts] },
  sum,
  count: counts.reduce((all, count) => all + count, 0)
})
