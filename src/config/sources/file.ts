/** The settings of a file: what it says of each, and where. */
import { Effect } from "effect"
import { readBounded } from "../../io/bounded-file.ts"
import { meaning } from "../codec/nearest.ts"
import type { Mistake } from "../mistakes.ts"
import { fileKey, type SettingName, settingNames, variableName } from "../schema/settings.ts"
import { kindOf } from "./map-mistakes.ts"
import { type Item, WrittenValues } from "./written-values.ts"
import { readYaml, type YamlEntry, type YamlTree } from "./yaml-tree.ts"

/** A pipe may take so long to say all. */
const BOUNDS = { maxOctets: 4 * 1024 * 1024, withinMs: 5_000 }

interface FileSetting {
  readonly items: ReadonlyArray<Item>
  /** Where its name stands. */
  readonly at: string
}

export interface FileSettings {
  readonly settings: ReadonlyMap<SettingName, FileSetting>
  /** Settings with a mistake in them. */
  readonly broken: ReadonlySet<SettingName>
  /** Names of all groups that stand in a map. */
  readonly groupNames: ReadonlyArray<string>
  readonly mistakes: ReadonlyArray<Mistake>
  readonly warnings: ReadonlyArray<string>
}

const none: FileSettings = { settings: new Map(), broken: new Set(), groupNames: [], mistakes: [], warnings: [] }

const nothingOf = (file: string, expected: string): FileSettings => ({
  ...none,
  mistakes: [{ place: file, value: undefined, expected }]
})

/** Reads the file; never fails, for what is wrong is a mistake. */
export const readFileSettings = (file: string): Effect.Effect<FileSettings> =>
  Effect.match(readBounded(file, BOUNDS), {
    onFailure: ({ reason }) => nothingOf(file, `a readable YAML file: ${reason}${aboutHome(file)}`),
    onSuccess: (octets) => settingsIn(octets, file)
  })

const aboutHome = (file: string): string => (file.startsWith("~") ? "; ~ is the shell's, and only without quotes" : "")

const settingsIn = (octets: Buffer, file: string): FileSettings => {
  const text = decodeUtf8(octets)
  if (text === undefined) return nothingOf(file, `a readable YAML file in UTF-8${encodingOf(octets)}`)
  const { tree, mistakes } = readYaml(text, file)
  if (tree === undefined) return { ...none, mistakes }
  if (tree.kind === "nothing") {
    return { ...none, warnings: [`${file} has no settings in it: all are as without it`] }
  }
  if (tree.kind !== "map")
    return nothingOf(`${file}:${tree.at}`, `settings, one a line, name: value, not ${kindOf(tree)}`)
  const values = new WrittenValues((at, path) => `${file}:${at}: ${path}`)
  const settings = new Map<SettingName, FileSetting>()
  const broken = new Set<SettingName>()
  for (const entry of tree.entries) {
    const name = byKey.get(entry.key)
    if (name === undefined) {
      sayUnknown(values, entry)
      continue
    }
    const before = values.mistakes.length
    const given = values.itemsOf(name, entry.key, entry.value)
    if (values.mistakes.length > before) broken.add(name)
    if (given !== undefined) settings.set(name, { items: given, at: values.place(entry.keyAt, entry.key) })
  }
  const groups = tree.entries.find(({ key }) => key === "groups")?.value
  const groupNames = groups?.kind === "map" ? groups.entries.map(({ key }) => key) : []
  return { ...none, settings, broken, groupNames, mistakes: values.mistakes }
}

/** What is meant is looked for in so many mistakes: a file with more is no configuration. */
const MAX_MEANT = 100

const keys = settingNames.map(fileKey)
const byKey = new Map(settingNames.map((name) => [fileKey(name), name] as const))

/** What it is set to is not shown: under a name that is misspelt may stand a password. */
const sayUnknown = (values: WrittenValues, { key, keyAt, value }: YamlEntry): void => {
  const name = key.length > 80 ? `${key.slice(0, 80)}…` : key
  const hint = values.mistakes.length < MAX_MEANT ? meantBy(key, value) : ""
  values.say(keyAt, name, `a setting; there is none named ${name}${hint}`)
}

const meantBy = (key: string, value: YamlTree): string => {
  const ofEnvironment = settingNames.find((name) => variableName(name) === key.toUpperCase())
  if (ofEnvironment !== undefined) return `: did you mean ${fileKey(ofEnvironment)}?`
  const [first] = value.kind === "map" ? value.entries : []
  const nested = first === undefined ? undefined : byKey.get(`${key}_${first.key}`)
  if (nested !== undefined) return `: did you mean ${fileKey(nested)}? Settings stand side by side`
  return meaning(key, keys)
}

const decodeUtf8 = (octets: Buffer): string | undefined => {
  try {
    return new TextDecoder("utf-8", { fatal: true }).decode(octets)
  } catch {
    return undefined
  }
}

const encodingOf = (octets: Buffer): string => {
  const mark = octets.subarray(0, 2).toString("hex")
  return mark === "fffe" || mark === "feff" ? ": this one is in UTF-16" : ""
}
