/** Traces and logs. */
import { sampling } from "../codec/sampling.ts"
import { shownUpstream, shownUrl } from "../codec/secrets.ts"
import { slowFrom } from "../codec/slow-from.ts"
import { networkLike } from "./networks.ts"
import { fromText, listOrNone, number, optional, section, text, textLike, word } from "./setting.ts"

const HTTP_URL = "^[Hh][Tt][Tt][Pp][Ss]?://"

// What those of OpenTelemetry mean is read in `otlp.ts`: nothing in them stops the server.
export const telemetry = section("Traces and logs", {
  traceSampling: {
    schema: fromText(sampling, {
      kind: "text",
      pattern: "^(always|never|ratio:[\\d.]+|rate:[\\d.]+)$",
      examples: ["always", "never", "ratio:0.01", "rate:200"]
    }),
    default: "rate:200",
    touches: ["telemetry"],
    meaning: "queries that are traced: always, never, ratio:0.01, rate:N a second"
  },
  traceContextFrom: {
    schema: listOrNone(networkLike()),
    default: "",
    touches: ["telemetry"],
    isList: true,
    meaning: "networks of clients that may say which trace a query belongs to, by the EDNS option TRACEPARENT"
  },
  traceContextTo: {
    schema: listOrNone(textLike({ examples: ["quad9", "udp://192.0.2.53:53", "192.0.2.53"] })),
    default: "",
    touches: ["telemetry", "upstream"],
    isList: true,
    shown: shownUpstream,
    meaning: "upstreams that are told which trace a question belongs to: their names, or addresses"
  },
  traceContextOption: {
    schema: number({ min: 65_001, max: 65_534 }),
    default: "65500",
    touches: ["telemetry", "upstream"],
    meaning: "the code of the EDNS option TRACEPARENT; dnsdist and PowerDNS have 65500"
  },
  slowQueryMs: {
    schema: fromText(slowFrom, {
      kind: "either",
      shapes: [
        { kind: "number", min: 1, max: 60_000 },
        { kind: "word", words: ["p99"] }
      ]
    }),
    default: "1000",
    touches: ["telemetry"],
    meaning:
      "milliseconds from which a query counts as slow and is traced; p99 for longer than 99 of 100 before it that were asked upstream"
  },
  logLevel: {
    schema: word("trace", "debug", "info", "warn", "error", "fatal", "none"),
    default: "info",
    touches: ["telemetry"],
    meaning: "trace, debug, info, warn, error, fatal, none"
  },
  logFormat: {
    schema: word("pretty", "json"),
    default: undefined,
    otherwise: "pretty on a terminal, else json",
    touches: ["telemetry"],
    meaning: "pretty or json; by default pretty on a terminal"
  },
  otelSdkDisabled: {
    schema: text,
    default: "false",
    touches: ["telemetry"],
    variable: "OTEL_SDK_DISABLED",
    meaning: "true: no trace, log line or metric leaves the server, whatever else is set"
  },
  otelTracesExporter: {
    schema: textLike({ examples: ["otlp", "none"] }),
    default: "otlp",
    touches: ["telemetry"],
    variable: "OTEL_TRACES_EXPORTER",
    meaning: "otlp, or none for no traces"
  },
  otelLogsExporter: {
    schema: textLike({ examples: ["otlp", "none"] }),
    default: "none",
    touches: ["telemetry"],
    variable: "OTEL_LOGS_EXPORTER",
    meaning: "otlp for log lines to the collector too"
  },
  otelMetricsExporter: {
    schema: textLike({ examples: ["otlp", "none"] }),
    default: "none",
    touches: ["telemetry"],
    variable: "OTEL_METRICS_EXPORTER",
    meaning: "otlp for metrics to the collector too"
  },
  otelMetricExportInterval: {
    schema: number({ min: 100, max: 3_600_000, unit: "milliseconds" }),
    default: "60000",
    touches: ["telemetry"],
    variable: "OTEL_METRIC_EXPORT_INTERVAL",
    meaning: "milliseconds between two exports of metrics"
  },
  otelEndpoint: {
    schema: optional(textLike({ pattern: HTTP_URL, examples: ["http://localhost:4318"] })),
    default: undefined,
    touches: ["telemetry"],
    variable: "OTEL_EXPORTER_OTLP_ENDPOINT",
    shown: shownUrl,
    meaning:
      "where traces go by OTLP over HTTP, and logs and metrics, such as http://localhost:4318; nowhere by default"
  },
  otelTracesEndpoint: {
    schema: optional(textLike({ pattern: HTTP_URL, examples: ["http://localhost:4318/v1/traces"] })),
    default: undefined,
    touches: ["telemetry"],
    variable: "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT",
    shown: shownUrl,
    meaning: "the same for traces alone, used as it is: http://localhost:4318/v1/traces"
  },
  otelLogsEndpoint: {
    schema: optional(textLike({ pattern: HTTP_URL, examples: ["http://localhost:4318/v1/logs"] })),
    default: undefined,
    touches: ["telemetry"],
    variable: "OTEL_EXPORTER_OTLP_LOGS_ENDPOINT",
    shown: shownUrl,
    meaning: "the same for logs alone: http://localhost:4318/v1/logs"
  },
  otelMetricsEndpoint: {
    schema: optional(textLike({ pattern: HTTP_URL, examples: ["http://localhost:4318/v1/metrics"] })),
    default: undefined,
    touches: ["telemetry"],
    variable: "OTEL_EXPORTER_OTLP_METRICS_ENDPOINT",
    shown: shownUrl,
    meaning: "the same for metrics alone: http://localhost:4318/v1/metrics"
  },
  otelProtocol: {
    schema: textLike({ examples: ["http/protobuf", "http/json"] }),
    default: "http/protobuf",
    touches: ["telemetry"],
    variable: "OTEL_EXPORTER_OTLP_PROTOCOL",
    meaning: "http/protobuf or http/json"
  },
  otelTracesProtocol: {
    schema: optional(textLike({ examples: ["http/protobuf", "http/json"] })),
    default: undefined,
    otherwise: "as otel_protocol",
    touches: ["telemetry"],
    variable: "OTEL_EXPORTER_OTLP_TRACES_PROTOCOL",
    meaning: "the same for traces alone"
  },
  otelTimeout: {
    schema: optional(textLike({ pattern: "^\\d+$", isMaybeNumber: true, examples: ["3000"] })),
    default: undefined,
    otherwise: "3000",
    touches: ["telemetry"],
    variable: "OTEL_EXPORTER_OTLP_TIMEOUT",
    meaning: "milliseconds that one export may take; 3000 by default"
  },
  otelTracesTimeout: {
    schema: optional(textLike({ pattern: "^\\d+$", isMaybeNumber: true })),
    default: undefined,
    otherwise: "as otel_timeout",
    touches: ["telemetry"],
    variable: "OTEL_EXPORTER_OTLP_TRACES_TIMEOUT",
    meaning: "the same for traces alone"
  },
  otelServiceName: {
    schema: optional(text),
    default: undefined,
    otherwise: "what OTEL_RESOURCE_ATTRIBUTES says, else strand",
    touches: ["telemetry"],
    variable: "OTEL_SERVICE_NAME",
    meaning: "the service's name in traces; by default what OTEL_RESOURCE_ATTRIBUTES says, else strand"
  }
})
