/**
 * Where settings come from: defaults < file < environment. Later ones win; each value remembers its source.
 */

import { getServers } from "node:dns"
import { readFileSync } from "node:fs"
import { availableParallelism } from "node:os"
import { Config, type ConfigProvider, Effect, Option, Predicate, Result } from "effect"
import { Yaml } from "effect/encoding"
import { groupTexts, localAnswerTexts, ruleTexts, upstreamTexts } from "./routes.ts"
import { fileKey, type SettingName, settingInfo, settingNames, variableName } from "./schema.ts"
import { DEFAULT_SPECIAL_NAMES, SPECIAL_NAMES_BESIDE_SYSTEM_RESOLVERS } from "./special-names.ts"
import { splitList } from "./words.ts"

export type Source = "default" | "file" | "environment"

/** A setting's value as it was written, and by whom. */
export interface Given {
  readonly value: string | ReadonlyArray<string> | undefined
  readonly source: Source
  /** `DNS_SERVER_RETRIES`, `strand.yaml: retries`, `default`. */
  readonly place: string
}

/** A mistake in a source. */
export interface Mistake {
  /** Where it was said. */
  readonly place: string
  /** What was said, as text; undefined where nothing was. */
  readonly value: string | undefined
  readonly expected: string
}

export interface Gathered {
  readonly given: ReadonlyMap<SettingName, Given>
  readonly mistakes: ReadonlyArray<Mistake>
  readonly warnings: ReadonlyArray<string>
}

/** Reads all sources; what cannot be read is a mistake, and reading goes on. */
export const gather = Effect.fnUntraced(function* (file: string | undefined, provider: ConfigProvider.ConfigProvider) {
  const given = new Map<SettingName, Given>()
  const mistakes: Array<Mistake> = []
  const warnings: Array<string> = []
  for (const name of settingNames) given.set(name, { value: defaultOf(name), source: "default", place: "default" })

  if (file !== undefined) readFile(file, given, mistakes)

  for (const name of settingNames) {
    const variable = variableName(name)
    const value = yield* Config.option(Config.String(variable)).parse(provider).pipe(Effect.orElseSucceed(Option.none))
    if (Option.isSome(value) && value.value.trim() !== "") {
      given.set(name, { value: split(name, value.value), source: "environment", place: variable })
    }
  }
  for (const variable of unknownVariables()) {
    warnings.push(`${variable} is not a setting of this server and was ignored`)
  }
  return { given: withDependentDefaults(given), mistakes, warnings } satisfies Gathered
})

const defaultOf = (name: SettingName): Given["value"] => {
  const text = settingInfo[name].default
  return text === undefined ? undefined : split(name, text)
}

const split = (name: SettingName, text: string): string | ReadonlyArray<string> =>
  settingInfo[name].isList === true ? splitList(text) : text.trim()

/** Defaults that follow from other settings or from the machine. */
const withDependentDefaults = (given: Map<SettingName, Given>): Map<SettingName, Given> => {
  const fill = (name: SettingName, value: Given["value"], place: string): void => {
    if (given.get(name)!.value === undefined) given.set(name, { value, source: "default", place })
  }
  const usesSystemResolvers = given.get("upstreams")!.value === undefined
  fill("upstreams", getServers(), "the system's resolvers")
  fill("bootstrap", getServers(), "the system's resolvers")
  // The system's resolvers may see different worlds: their order is the user's choice.
  fill("upstreamPolicy", usesSystemResolvers ? "ordered" : "fastest", "default")
  fill("specialNames", usesSystemResolvers ? SPECIAL_NAMES_BESIDE_SYSTEM_RESOLVERS : DEFAULT_SPECIAL_NAMES, "default")
  fill("maxQueuedQueries", given.get("maxConcurrentQueries")!.value, "as max_concurrent_queries")
  fill("workers", String(availableParallelism()), "the processors")
  fill("logFormat", process.stdout.isTTY ? "pretty" : "json", "default")
  return given
}

const readFile = (file: string, given: Map<SettingName, Given>, mistakes: Array<Mistake>): void => {
  const parsed = Result.try({
    try: () => Yaml.parse(readFileSync(file, "utf8")),
    catch: (cause) => (cause instanceof Error ? cause.message : String(cause))
  })
  if (Result.isFailure(parsed)) {
    mistakes.push({ place: file, value: undefined, expected: `a readable YAML file: ${parsed.failure}` })
    return
  }
  const root = parsed.success ?? {}
  if (!Predicate.isObject(root)) {
    mistakes.push({ place: file, value: JSON.stringify(root), expected: "settings, one a line: name: value" })
    return
  }
  const names = new Map(settingNames.map((name) => [fileKey(name), name] as const))
  for (const [key, value] of Object.entries(root)) {
    const name = names.get(key)
    const place = `${file}: ${key}`
    if (name === undefined) {
      mistakes.push({ place, value: JSON.stringify(value), expected: `a setting; there is none named ${key}` })
      continue
    }
    if (value === null) continue
    const text = asText(name, value)
    if (text === undefined) {
      const expected = settingInfo[name].isList === true ? "a list of texts, or one text" : "one value"
      mistakes.push({ place, value: JSON.stringify(value), expected })
    } else {
      given.set(name, { value: text, source: "file", place })
    }
  }
}

const isScalar = (value: unknown): value is string | number | boolean =>
  Predicate.isString(value) || Predicate.isNumber(value) || Predicate.isBoolean(value)

/** Settings that may be maps in the file, and how they are brought into texts. */
const structured: Partial<Record<SettingName, (value: unknown) => ReadonlyArray<string> | undefined>> = {
  upstreams: upstreamTexts,
  groups: groupTexts,
  rules: ruleTexts,
  localAnswers: localAnswerTexts
}

const asText = (name: SettingName, value: unknown): Given["value"] => {
  const toTexts = structured[name]
  if (toTexts !== undefined) return toTexts(value)
  if (isScalar(value)) return split(name, String(value))
  const isListOfScalars = settingInfo[name].isList === true && Array.isArray(value) && value.every(isScalar)
  return isListOfScalars ? value.map((item) => String(item).trim()) : undefined
}

/** Only a warning: orchestrators put variables of their own under a service's name (`DNS_SERVER_SERVICE_HOST`). */
const unknownVariables = (): ReadonlyArray<string> => {
  const known = new Set(settingNames.map(variableName))
  return Object.keys(process.env).filter((variable) => variable.startsWith("DNS_SERVER_") && !known.has(variable))
}
