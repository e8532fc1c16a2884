/**
 * Where traces, logs and metrics go, by what OpenTelemetry's specification says of its settings.
 *
 * What is wrong in them is warned of and never stops the server: they stand in the environment for many programs at
 * once, and DNS does not depend on them. In a file of the server's own it is a mistake like any other.
 */
import type { SettingName, Settings } from "./schema/settings.ts"

const protocols = ["http/protobuf", "http/json"] as const
const STANDARD_TIMEOUT_MS = 3_000
const LONGEST_TIMEOUT_MS = 60_000

/** The settings of all signals that are read here, each as it was written. */
interface CommonSettings {
  readonly otelSdkDisabled: string
  readonly otelEndpoint: string | undefined
  readonly otelProtocol: string
  readonly otelTimeout: string | undefined
}

/** What can be sent, and the settings of each alone. */
const signals = {
  traces: {
    path: "/v1/traces",
    exporter: "otelTracesExporter",
    endpoint: "otelTracesEndpoint",
    protocol: "otelTracesProtocol",
    timeout: "otelTracesTimeout"
  },
  logs: { path: "/v1/logs", exporter: "otelLogsExporter", endpoint: "otelLogsEndpoint" },
  metrics: { path: "/v1/metrics", exporter: "otelMetricsExporter", endpoint: "otelMetricsEndpoint" }
} as const

export type Signal = keyof typeof signals
const signalNames = Object.keys(signals) as ReadonlyArray<Signal>

type OwnSettings = {
  readonly [S in Signal as (typeof signals)[S]["exporter"]]: string
} & {
  readonly [S in Signal as (typeof signals)[S]["endpoint"]]: string | undefined
} & {
  readonly otelTracesProtocol: string | undefined
  readonly otelTracesTimeout: string | undefined
}

export type OtlpSettings = CommonSettings & OwnSettings

const common = ["otelSdkDisabled", "otelEndpoint", "otelProtocol", "otelTimeout"] as const

type NamesOf<S extends Signal> = Exclude<(typeof signals)[S][keyof (typeof signals)[S]], `/${string}`>

/** The settings that say where a signal goes. */
export const otlpSettingsOf = <S extends Signal>(signal: S): ReadonlyArray<(typeof common)[number] | NamesOf<S>> => {
  const { path: _, ...own } = signals[signal]
  return [...common, ...(Object.values(own) as ReadonlyArray<NamesOf<S>>)]
}

export interface OtlpTarget {
  readonly url: string
  readonly protocol: (typeof protocols)[number]
  readonly timeoutMs: number
}

/** A value that means nothing here. */
export interface OtlpDoubt {
  readonly name: Extract<SettingName, keyof OtlpSettings>
  readonly expected: string
  /** What is done in its stead. */
  readonly instead: string
}

export interface Otlp {
  /** Undefined where none of it is to leave. */
  readonly target: OtlpTarget | undefined
  readonly doubts: ReadonlyArray<OtlpDoubt>
}

type SettingsOf<S extends Signal> = CommonSettings & Pick<OtlpSettings, NamesOf<S> & keyof OtlpSettings>

export const otlpOf = <S extends Signal>(settings: SettingsOf<S>, signal: S): Otlp => {
  const doubts: Array<OtlpDoubt> = []
  const all = settings as SettingsOf<S> & OtlpSettings
  const isOff = readDisabled(all, doubts) || !readExporter(all, signal, doubts)
  const url = readUrl(all, signal, doubts)
  const protocol = readProtocol(all, signal, doubts)
  const timeoutMs = readTimeout(all, signal, doubts)
  return { target: isOff || url === undefined ? undefined : { url, protocol, timeoutMs }, doubts }
}

/** The same where some settings may be missing, because they have mistakes of their own. */
export const otlpDoubts = (settings: Partial<Settings>): ReadonlyArray<OtlpDoubt> => {
  const { otelSdkDisabled, otelProtocol, otelTracesExporter, otelLogsExporter, otelMetricsExporter } = settings
  if (otelSdkDisabled === undefined || otelProtocol === undefined) return []
  if (otelTracesExporter === undefined || otelLogsExporter === undefined || otelMetricsExporter === undefined) return []
  const whole: OtlpSettings = {
    otelSdkDisabled,
    otelProtocol,
    otelTracesExporter,
    otelLogsExporter,
    otelMetricsExporter,
    otelEndpoint: settings.otelEndpoint,
    otelTimeout: settings.otelTimeout,
    otelTracesEndpoint: settings.otelTracesEndpoint,
    otelTracesProtocol: settings.otelTracesProtocol,
    otelTracesTimeout: settings.otelTracesTimeout,
    otelLogsEndpoint: settings.otelLogsEndpoint,
    otelMetricsEndpoint: settings.otelMetricsEndpoint
  }
  const seen = new Map<string, OtlpDoubt>()
  for (const signal of signalNames) {
    for (const doubt of otlpOf(whole, signal).doubts) if (!seen.has(doubt.name)) seen.set(doubt.name, doubt)
  }
  return [...seen.values()]
}

/** Only `true` is true, in whatever case. */
const readDisabled = ({ otelSdkDisabled }: OtlpSettings, doubts: Array<OtlpDoubt>): boolean => {
  const word = otelSdkDisabled.toLowerCase()
  if (word !== "true" && word !== "false") {
    doubts.push({ name: "otelSdkDisabled", expected: "true or false", instead: "it counts as false" })
  }
  return word === "true"
}

/** Traces go unless they are not to, as the specification has it; logs and metrics where they are asked for. */
const readExporter = (settings: OtlpSettings, signal: Signal, doubts: Array<OtlpDoubt>): boolean => {
  const name = signals[signal].exporter
  const words = settings[name].toLowerCase().split(",")
  const known = words.map((word) => word.trim()).filter((word) => word === "otlp" || word === "none")
  const isUsual = signal === "traces"
  if (known.length < words.length) {
    const otherwise = isUsual ? "traces go by otlp" : `no ${signal} go`
    doubts.push({
      name,
      expected: "otlp or none",
      instead: known.length === 0 ? otherwise : "the rest of it holds"
    })
  }
  return !known.includes("none") && (isUsual || known.includes("otlp"))
}

/** The URL of the signal is used as it is; to the one for all the path is added, in the place of one for traces. */
const readUrl = (settings: OtlpSettings, signal: Signal, doubts: Array<OtlpDoubt>): string | undefined => {
  const read = (name: "otelEndpoint" | (typeof signals)[Signal]["endpoint"]): URL | undefined => {
    const text = settings[name]
    const url = text === undefined ? undefined : URL.parse(text)
    if (url !== null && url !== undefined && /^https?:$/.test(url.protocol)) return url
    if (text !== undefined) {
      doubts.push({ name, expected: "an http:// or https:// URL", instead: "it is as if it were not there" })
    }
    return undefined
  }
  const all = read("otelEndpoint")
  const own = read(signals[signal].endpoint)
  if (own !== undefined || all === undefined) return own?.href
  all.pathname = `${all.pathname.replace(/\/+$/, "").replace(/\/v1\/traces$/, "")}${signals[signal].path}`
  return all.href
}

const readProtocol = (settings: OtlpSettings, signal: Signal, doubts: Array<OtlpDoubt>): OtlpTarget["protocol"] => {
  const isOwn = signal === "traces" && settings.otelTracesProtocol !== undefined
  const name = isOwn ? "otelTracesProtocol" : "otelProtocol"
  const word = settings[name]!.toLowerCase()
  const known = protocols.find((protocol) => protocol === word)
  if (known !== undefined) return known
  const why = word === "grpc" ? " (gRPC is not spoken here; collectors take HTTP at port 4318)" : ""
  doubts.push({ name, expected: protocols.join(" or "), instead: `traces go by http/protobuf${why}` })
  return "http/protobuf"
}

const readTimeout = (settings: OtlpSettings, signal: Signal, doubts: Array<OtlpDoubt>): number => {
  const isOwn = signal === "traces" && settings.otelTracesTimeout !== undefined
  const name = isOwn ? "otelTracesTimeout" : "otelTimeout"
  const text = settings[name]
  if (text === undefined) return STANDARD_TIMEOUT_MS
  const ms = /^\d+$/.test(text) ? Number(text) : 0
  if (ms >= 1 && ms <= LONGEST_TIMEOUT_MS) return ms
  const expected = `milliseconds from 1 to ${LONGEST_TIMEOUT_MS}`
  doubts.push({ name, expected, instead: `it is ${STANDARD_TIMEOUT_MS}` })
  return STANDARD_TIMEOUT_MS
}
