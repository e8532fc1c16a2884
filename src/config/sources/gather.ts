/**
 * Where settings come from: defaults < file < environment < what was set while the server runs. Later ones win; each
 * value remembers its source.
 */
import { availableParallelism } from "node:os"
import { isatty } from "node:tty"
import { Config, type ConfigProvider, Effect, Option } from "effect"
import { meaning } from "../codec/nearest.ts"
import { splitList } from "../codec/words.ts"
import type { Mistake } from "../mistakes.ts"
import { type OtlpSignal, otlpEnvironmentWarnings, otlpVariables } from "../otlp-environment.ts"
import { fileKey, type SettingName, settingInfo, settingNames, variableName } from "../schema/settings.ts"
import { DEFAULT_SPECIAL_NAMES, SPECIAL_NAMES_BESIDE_SYSTEM_RESOLVERS } from "../schema/special-names.ts"
import { systemResolvers } from "./resolv-conf.ts"

export type Source = "default" | "file" | "environment" | "program"

/** Settings that were set while the server runs, as texts. */
export type Overrides = ReadonlyMap<SettingName, string | ReadonlyArray<string>>

/** What wins over file and environment, as texts; undefined for what is to be as by default. */
export type Winning = ReadonlyMap<SettingName, Given["value"]>

export const NO_OVERRIDES: Overrides = new Map()

/** A setting's value as it was written, and by whom. */
export interface Given {
  readonly value: string | ReadonlyArray<string> | undefined
  readonly source: Source
  /** `DNS_SERVER_RETRIES`, `strand.yaml: retries`, `default`. */
  readonly place: string
  /** Where each value of it stands, line and column included; none where `place` says all. */
  readonly places?: ReadonlyArray<string>
  /** Where its name stands in a file, line and column included. */
  readonly at?: string
  /** Of a list in which nothing was right: its mistakes are said already. */
  readonly isBroken?: boolean
  /** Of what was set while the server runs: what file or environment say; undefined where they say nothing. */
  readonly beneath?: Given["value"]
}

/** What file or environment say of a setting; undefined where they say nothing. */
export const saidBySources = ({ source, value, beneath }: Given): Given["value"] =>
  source === "file" || source === "environment" ? value : beneath

export interface Gathered {
  readonly given: ReadonlyMap<SettingName, Given>
  /** Names of groups that stand in the file, those with mistakes in them included. */
  readonly groupNames: ReadonlyArray<string>
  readonly mistakes: ReadonlyArray<Mistake>
  readonly warnings: ReadonlyArray<string>
}

/** Reads all sources; what cannot be read is a mistake, and reading goes on. */
export const gather = Effect.fnUntraced(function* (
  file: string | undefined,
  provider: ConfigProvider.ConfigProvider,
  winning: Winning
) {
  const given = new Map<SettingName, Given>()
  const mistakes: Array<Mistake> = []
  const warnings: Array<string> = []
  let groupNames: ReadonlyArray<string> = []
  for (const name of settingNames) given.set(name, { value: defaultOf(name), source: "default", place: "default" })

  if (file !== undefined) {
    // What reads YAML is loaded by those who have a file: no worker thread has.
    const { readFileSettings } = yield* Effect.promise(() => import("./file.ts"))
    const ofFile = yield* readFileSettings(file)
    mistakes.push(...ofFile.mistakes)
    warnings.push(...ofFile.warnings)
    groupNames = ofFile.groupNames
    for (const [name, { items, at }] of ofFile.settings) {
      const texts = items.map(({ text }) => text)
      const value = settingInfo[name].isList === true ? texts : texts[0]
      const places = items.map(({ place }) => place)
      const isBroken = items.length === 0 && ofFile.broken.has(name)
      given.set(name, { value, source: "file", place: `${file}: ${fileKey(name)}`, places, at, isBroken })
    }
  }

  for (const name of settingNames) {
    const variable = variableName(name)
    const value = yield* valueOf(provider, variable)
    if (value !== undefined) given.set(name, { value: split(name, value), source: "environment", place: variable })
  }
  for (const [name, value] of winning) {
    const beneath = saidBySources(given.get(name)!)
    given.set(name, { value: asSet(name, value), source: "program", place: fileKey(name), beneath })
  }
  for (const variable of yield* unknownVariables(provider)) {
    warnings.push(`${variable} is not a setting of this server and was ignored${meaning(variable, variables)}`)
  }
  const asked = signalsAsked(given)
  if (asked.length > 0) {
    const environment = new Map<string, string>()
    for (const variable of otlpVariables) {
      const value = yield* valueOf(provider, variable)
      if (value !== undefined) environment.set(variable, value)
    }
    warnings.push(...(yield* otlpEnvironmentWarnings((variable) => environment.get(variable), asked)))
  }
  yield* fillFromSystem(given, warnings)
  fillDependent(given)
  return { given, groupNames, mistakes, warnings } satisfies Gathered
})

/** What OpenTelemetry's variables that are no settings of this server concern. */
const signalsAsked = (given: ReadonlyMap<SettingName, Given>): ReadonlyArray<OtlpSignal> => {
  const isSet = (name: SettingName): boolean => given.get(name)!.value !== undefined
  const goes = (name: SettingName, endpoint: SettingName): boolean =>
    String(given.get(name)!.value).toLowerCase().includes("otlp") && (isSet("otelEndpoint") || isSet(endpoint))
  const signals: Array<OtlpSignal> = []
  if (isSet("otelEndpoint") || isSet("otelTracesEndpoint")) signals.push("TRACES")
  if (goes("otelLogsExporter", "otelLogsEndpoint")) signals.push("LOGS")
  if (goes("otelMetricsExporter", "otelMetricsEndpoint")) signals.push("METRICS")
  return signals
}

/** An empty variable counts as not set. */
const valueOf = (provider: ConfigProvider.ConfigProvider, variable: string): Effect.Effect<string | undefined> =>
  Config.option(Config.String(variable))
    .parse(provider)
    .pipe(
      Effect.orElseSucceed(Option.none),
      Effect.map((value) => (Option.isSome(value) && value.value.trim() !== "" ? value.value.trim() : undefined))
    )

/** Asked by its number: in a thread `process.stdout` is no terminal. */
const STDOUT = 1

const variables = settingNames.map(variableName)

const defaultOf = (name: SettingName): Given["value"] => {
  const text = settingInfo[name].default
  return text === undefined ? undefined : split(name, text)
}

const asSet = (name: SettingName, value: Given["value"]): Given["value"] => {
  if (value === undefined) return defaultOf(name)
  if (settingInfo[name].isList !== true) return String(value)
  return typeof value === "string" ? split(name, value) : value
}

const split = (name: SettingName, text: string): string | ReadonlyArray<string> =>
  settingInfo[name].isList === true ? splitList(text) : text.trim()

const fill = (given: Map<SettingName, Given>, name: SettingName, value: Given["value"], place: string): void => {
  const said = given.get(name)!
  if (said.value === undefined) given.set(name, { ...said, value, source: "default", place })
}

/** Where no upstreams are configured, the system's resolvers are the upstreams. */
const fillFromSystem = (given: Map<SettingName, Given>, warnings: Array<string>): Effect.Effect<void> =>
  Effect.map(systemResolvers(), ({ addresses, unreadable }) => {
    const usesThem = given.get("upstreams")!.value === undefined
    // They may see different worlds: their order is the user's choice.
    fill(given, "upstreamPolicy", usesThem ? "ordered" : "fastest", "default")
    fill(given, "specialNames", usesThem ? SPECIAL_NAMES_BESIDE_SYSTEM_RESOLVERS : DEFAULT_SPECIAL_NAMES, "default")
    if (usesThem) {
      for (const text of unreadable)
        warnings.push(`the system's resolver ${text.slice(0, 80)} is no address, and left out`)
    }
    fill(given, "upstreams", addresses, SYSTEM)
    fill(given, "bootstrap", addresses, SYSTEM)
  })

/** The place of what the operating system says. */
export const SYSTEM = "the system's resolvers"

/** Defaults that follow from other settings or from the machine. */
const fillDependent = (given: Map<SettingName, Given>): void => {
  fill(given, "maxQueuedQueries", given.get("maxConcurrentQueries")!.value, "as max_concurrent_queries")
  fill(given, "workers", String(availableParallelism()), "the processors")
  fill(given, "logFormat", isatty(STDOUT) ? "pretty" : "json", "default")
}

/**
 * Names of variables that mean this server, or nearly, and are none of its settings.
 *
 * Only warned of: orchestrators put variables of their own under a service's name (`DNS_SERVER_SERVICE_HOST`).
 */
const unknownVariables = (provider: ConfigProvider.ConfigProvider): Effect.Effect<ReadonlyArray<string>> =>
  Effect.map(namesUnder(provider, []), (names) =>
    names.filter((name) => /^dns_?servers?_/i.test(name) && !variables.includes(name))
  )

/** The provider has a tree of the words between the `_`. */
const namesUnder = (
  provider: ConfigProvider.ConfigProvider,
  path: ReadonlyArray<string>
): Effect.Effect<ReadonlyArray<string>> =>
  Effect.flatMap(
    Effect.orElseSucceed(provider.load(path), () => undefined),
    (node) => {
      const own = node?.value === undefined ? [] : [path.join("_")]
      const keys = node?._tag === "Record" ? [...node.keys] : []
      const ours = path.length === 0 ? keys.filter((key) => /^dns/i.test(key)) : keys
      return Effect.map(
        Effect.forEach(ours, (key) => namesUnder(provider, [...path, key])),
        (names) => [...own, ...names.flat()]
      )
    }
  )
