/** Log lines on their way to a collector. */
import { SeverityNumber } from "@opentelemetry/api-logs"
import { JsonLogsSerializer, LogsExporterMetricsHelper, ProtobufLogsSerializer } from "@opentelemetry/otlp-transformer"
import type { Resource } from "@opentelemetry/resources"
import type { ReadableLogRecord } from "@opentelemetry/sdk-logs"
import { Effect } from "effect"
import type { OtlpTarget } from "../../config/otlp.ts"
import type { LogLine } from "../log-line.ts"
import { instrumentation, makeResource } from "./resource.ts"
import { makeSender, watchCollector } from "./sender.ts"
import { hrTime } from "./times.ts"

/** Lines that wait at most, and lines of an export. */
const MAX_WAITING = 2_048
const ENOUGH = 512
const END_MS = 1_500

export const sendLogLines = Effect.fnUntraced(function* (target: OtlpTarget, serviceName: string | undefined) {
  const resource = yield* makeResource(serviceName)
  return yield* makeSender<LogLine, Array<ReadableLogRecord>>({
    signal: "LOGS",
    target,
    what: "log lines",
    sizeOf: () => 1,
    maxWaiting: MAX_WAITING,
    enough: ENOUGH,
    endMs: END_MS,
    requestOf: (lines) => lines.map((line) => recordOf(line, resource)),
    protobuf: ProtobufLogsSerializer,
    json: JsonLogsSerializer,
    helper: LogsExporterMetricsHelper,
    onSent: () => {},
    ...watchCollector()
  })
})

const severities = {
  trace: SeverityNumber.TRACE,
  debug: SeverityNumber.DEBUG,
  info: SeverityNumber.INFO,
  warn: SeverityNumber.WARN,
  error: SeverityNumber.ERROR,
  fatal: SeverityNumber.FATAL
} as const

const recordOf = ({ timeMs, level, message, fields }: LogLine, resource: Resource): ReadableLogRecord => ({
  hrTime: hrTime(timeMs),
  hrTimeObserved: hrTime(timeMs),
  severityNumber: severities[level],
  severityText: level.toUpperCase(),
  body: message,
  attributes: Object.fromEntries(
    Object.entries(fields).map(([name, value]) => [name, typeof value === "object" ? value.map(String) : value])
  ),
  droppedAttributesCount: 0,
  resource,
  instrumentationScope: instrumentation
})
