/**
 * Variables of OpenTelemetry that stand in the environment alone, and go to the exporter as they are.
 *
 * What means nothing in them is warned of. Files are read within bounds, for the exporter's own reading has none.
 */
import { Effect } from "effect"
import { type Bounds, readBounded } from "../io/bounded-file.ts"

/** The value of a variable; undefined where there is none, or nothing in it. */
type ReadVariable = (name: string) => string | undefined

/** Keys and certificates: in memory before the first trace, or passed over. */
const BOUNDS: Bounds = { maxOctets: 4 * 1024 * 1024, withinMs: 5_000, onlyFiles: true }

/** As it stands in the names of variables. */
export type OtlpSignal = "TRACES" | "LOGS" | "METRICS"

const SIGNALS: ReadonlyArray<OtlpSignal> = ["TRACES", "LOGS", "METRICS"]
const FOR_ALL = "OTEL_EXPORTER_OTLP_"
const PREFIXES = [...SIGNALS.map((signal) => `${FOR_ALL}${signal}_`), FOR_ALL]
const FILES = ["CERTIFICATE", "CLIENT_CERTIFICATE", "CLIENT_KEY"] as const

/** Those that name files. */
export const otlpFileVariables: ReadonlyArray<string> = PREFIXES.flatMap((prefix) => FILES.map((what) => prefix + what))

const HEADERS = PREFIXES.map((prefix) => `${prefix}HEADERS`)
const COMPRESSIONS = PREFIXES.map((prefix) => `${prefix}COMPRESSION`)
const ATTRIBUTES = "OTEL_RESOURCE_ATTRIBUTES"

/** All that are looked at here. */
export const otlpVariables: ReadonlyArray<string> = [...otlpFileVariables, ...HEADERS, ...COMPRESSIONS, ATTRIBUTES]

/** The one of the signal comes first. */
const variableFor = (what: string, read: ReadVariable, signal: OtlpSignal): string | undefined =>
  [`${FOR_ALL}${signal}_${what}`, FOR_ALL + what].find((name) => read(name) !== undefined)

/** Those that are heeded for any of the signals. */
const variablesFor = (what: string, read: ReadVariable, signals: ReadonlyArray<OtlpSignal>): ReadonlyArray<string> => [
  ...new Set(signals.flatMap((signal) => variableFor(what, read, signal) ?? []))
]

/** What a file holds that a variable names; undefined where none does, or where it cannot be read. */
export const otlpFile = (
  what: (typeof FILES)[number],
  read: ReadVariable,
  signal: OtlpSignal = "TRACES"
): Effect.Effect<Buffer | undefined> => {
  const variable = variableFor(what, read, signal)
  return variable === undefined
    ? Effect.succeed(undefined)
    : Effect.orElseSucceed(readBounded(read(variable)!, BOUNDS), () => undefined)
}

/**
 * One line each; nothing of headers is shown, for they hold keys.
 *
 * @param signals those that go somewhere
 */
export const otlpEnvironmentWarnings = Effect.fnUntraced(function* (
  read: ReadVariable,
  signals: ReadonlyArray<OtlpSignal> = ["TRACES"]
) {
  const warnings: Array<string> = []
  for (const compression of variablesFor("COMPRESSION", read, signals)) {
    if (!/^(gzip|none)$/.test(read(compression)!)) {
      warnings.push(`${compression}: ${read(compression)}: expected gzip or none; what goes by it goes uncompressed`)
    }
  }
  for (const name of [...signals.map((signal) => `${FOR_ALL}${signal}_HEADERS`), `${FOR_ALL}HEADERS`]) {
    if (hasWrongPair(read(name))) {
      warnings.push(`${name}: expected name=value, with commas between several; what is not so is left out`)
    }
  }
  if (hasWrongPair(read(ATTRIBUTES))) {
    warnings.push(`${ATTRIBUTES}: expected name=value, with commas between several; not all of it is heeded`)
  }
  for (const variable of FILES.flatMap((what) => variablesFor(what, read, signals))) {
    yield* Effect.catchTag(readBounded(read(variable)!, BOUNDS), "FileUnreadable", ({ reason }) =>
      Effect.sync(() => {
        warnings.push(`${variable}: expected a readable file in PEM: ${reason}; it is as if it were not there`)
      })
    )
  }
  return warnings
})

const hasWrongPair = (text = ""): boolean =>
  text.split(",").some((pair) => pair.trim() !== "" && !/^\s*[^=\s].*=/s.test(pair))
