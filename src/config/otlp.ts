/**
 * Where traces go, by what OpenTelemetry's specification says of its settings.
 *
 * What is wrong in them is warned of and never stops the server: they stand in the environment for many programs at
 * once, and DNS does not depend on them. In a file of the server's own it is a mistake like any other.
 */
import type { SettingName, Settings } from "./schema/settings.ts"

const protocols = ["http/protobuf", "http/json"] as const
const TRACES_PATH = "/v1/traces"
const STANDARD_TIMEOUT_MS = 3_000
const LONGEST_TIMEOUT_MS = 60_000

/** The settings that are read here, each as it was written. */
export interface OtlpSettings {
  readonly otelSdkDisabled: string
  readonly otelTracesExporter: string
  readonly otelEndpoint: string | undefined
  readonly otelTracesEndpoint: string | undefined
  readonly otelProtocol: string
  readonly otelTracesProtocol: string | undefined
  readonly otelTimeout: string | undefined
  readonly otelTracesTimeout: string | undefined
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
  /** Undefined where no trace is to leave. */
  readonly target: OtlpTarget | undefined
  readonly doubts: ReadonlyArray<OtlpDoubt>
}

export const otlpOf = (settings: OtlpSettings): Otlp => {
  const doubts: Array<OtlpDoubt> = []
  const isOff = readDisabled(settings, doubts) || !readExporter(settings, doubts)
  const url = readUrl(settings, doubts)
  const protocol = readProtocol(settings, doubts)
  const timeoutMs = readTimeout(settings, doubts)
  return { target: isOff || url === undefined ? undefined : { url, protocol, timeoutMs }, doubts }
}

/** The same where some settings may be missing, because they have mistakes of their own. */
export const otlpDoubts = ({
  otelSdkDisabled,
  otelTracesExporter,
  otelProtocol,
  ...others
}: Partial<Settings>): ReadonlyArray<OtlpDoubt> =>
  otelSdkDisabled === undefined || otelTracesExporter === undefined || otelProtocol === undefined
    ? []
    : otlpOf({
        otelSdkDisabled,
        otelTracesExporter,
        otelProtocol,
        otelEndpoint: others.otelEndpoint,
        otelTracesEndpoint: others.otelTracesEndpoint,
        otelTracesProtocol: others.otelTracesProtocol,
        otelTimeout: others.otelTimeout,
        otelTracesTimeout: others.otelTracesTimeout
      }).doubts

/** Only `true` is true, in whatever case. */
const readDisabled = ({ otelSdkDisabled }: OtlpSettings, doubts: Array<OtlpDoubt>): boolean => {
  const word = otelSdkDisabled.toLowerCase()
  if (word !== "true" && word !== "false") {
    doubts.push({ name: "otelSdkDisabled", expected: "true or false", instead: "it counts as false" })
  }
  return word === "true"
}

const readExporter = ({ otelTracesExporter }: OtlpSettings, doubts: Array<OtlpDoubt>): boolean => {
  const words = otelTracesExporter.toLowerCase().split(",")
  const known = words.map((word) => word.trim()).filter((word) => word === "otlp" || word === "none")
  if (known.length < words.length) {
    const instead = known.length === 0 ? "traces go by otlp" : "the rest of it holds"
    doubts.push({ name: "otelTracesExporter", expected: "otlp or none", instead })
  }
  return !known.includes("none")
}

/** The URL for traces is used as it is; to the one for all signals the path is added, unless it is there already. */
const readUrl = (settings: OtlpSettings, doubts: Array<OtlpDoubt>): string | undefined => {
  const read = (name: "otelEndpoint" | "otelTracesEndpoint"): URL | undefined => {
    const text = settings[name]
    const url = text === undefined ? undefined : URL.parse(text)
    if (url !== null && url !== undefined && /^https?:$/.test(url.protocol)) return url
    if (text !== undefined) {
      doubts.push({ name, expected: "an http:// or https:// URL", instead: "it is as if it were not there" })
    }
    return undefined
  }
  const all = read("otelEndpoint")
  const own = read("otelTracesEndpoint")
  if (own !== undefined || all === undefined) return own?.href
  const path = all.pathname.replace(/\/+$/, "")
  all.pathname = path.endsWith(TRACES_PATH) ? path : `${path}${TRACES_PATH}`
  return all.href
}

const readProtocol = (settings: OtlpSettings, doubts: Array<OtlpDoubt>): OtlpTarget["protocol"] => {
  const name = settings.otelTracesProtocol === undefined ? "otelProtocol" : "otelTracesProtocol"
  const word = settings[name]!.toLowerCase()
  const known = protocols.find((protocol) => protocol === word)
  if (known !== undefined) return known
  const why = word === "grpc" ? " (gRPC is not spoken here; collectors take HTTP at port 4318)" : ""
  doubts.push({ name, expected: protocols.join(" or "), instead: `traces go by http/protobuf${why}` })
  return "http/protobuf"
}

const readTimeout = (settings: OtlpSettings, doubts: Array<OtlpDoubt>): number => {
  const name = settings.otelTracesTimeout === undefined ? "otelTimeout" : "otelTracesTimeout"
  const text = settings[name]
  if (text === undefined) return STANDARD_TIMEOUT_MS
  const ms = /^\d+$/.test(text) ? Number(text) : 0
  if (ms >= 1 && ms <= LONGEST_TIMEOUT_MS) return ms
  const expected = `milliseconds from 1 to ${LONGEST_TIMEOUT_MS}`
  doubts.push({ name, expected, instead: `it is ${STANDARD_TIMEOUT_MS}` })
  return STANDARD_TIMEOUT_MS
}
