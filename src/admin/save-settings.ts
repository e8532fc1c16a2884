/** Writes what was changed while the server ran into its file: all else in it stays as it is, comments too. */
import { chmod, readFile, rename, rm, stat, writeFile } from "node:fs/promises"
import { Effect, Schema } from "effect"
import { isMap, isNode, isScalar, parse, parseDocument } from "yaml"
import { fileKey, type SettingName, variableName } from "../config/schema/settings.ts"
import { loadApart } from "../process/reload/load-apart.ts"
import type { ServerControl } from "../process/server-control.ts"
import { messageOf } from "../runtime/error-text.ts"

/** The file could not be written: why. It is as it was. */
export class NotSaved extends Schema.TaggedError<NotSaved>()("NotSaved", { message: Schema.String }) {}

/**
 * Settings that the environment sets are not saved: it wins over the file.
 *
 * @returns the names of those that were
 */
export const saveSettings = (
  file: string,
  control: ServerControl["Service"],
  by: string
): Effect.Effect<ReadonlyArray<string>, NotSaved> =>
  Effect.gen(function* () {
    const { overrides } = control.running()
    const saved = [...overrides].filter(([name]) => !isSetByEnvironment(name))
    if (saved.length === 0) return []
    const text = yield* attempt(() => readFile(file, "utf8"))
    const next = withSettings(text, saved)
    const beside = `${file}.${process.pid}.new`
    const write = Effect.gen(function* () {
      const { mode } = yield* attempt(() => stat(file))
      yield* attempt(() => writeFile(beside, next, { mode: 0o600 }))
      yield* attempt(() => chmod(beside, mode & 0o7777))
      yield* Effect.mapError(loadApart(beside, new Map()), ({ message }) => new NotSaved({ message }))
      yield* attempt(() => rename(beside, file))
    })
    yield* Effect.tapError(write, () => Effect.ignore(attempt(() => rm(beside, { force: true }))))
    // From now on the file says so: who changes it there is heard.
    const back = Object.fromEntries(saved.map(([name]) => [fileKey(name), undefined]))
    yield* Effect.mapError(control.set(back, by), ({ message }) => new NotSaved({ message }))
    return saved.map(([name]) => fileKey(name))
  })

const attempt = <A>(run: () => Promise<A>): Effect.Effect<A, NotSaved> =>
  Effect.tryPromise({ try: run, catch: (cause) => new NotSaved({ message: messageOf(cause) }) })

const isSetByEnvironment = (name: SettingName): boolean => (process.env[variableName(name)]?.trim() ?? "") !== ""

/**
 * The text of the file with these settings in it. A value that is there is replaced where it stands, a setting that is not
 * comes at the end; not an octet else changes.
 */
export const withSettings = (
  text: string,
  settings: Iterable<readonly [SettingName, string | ReadonlyArray<string>]>
): string => {
  const { contents } = parseDocument(text)
  const pairs = isMap(contents) ? contents.items : []
  const places: Array<{ readonly from: number; readonly to: number; readonly written: string }> = []
  let added = ""
  for (const [name, value] of settings) {
    const written = typeof value === "string" ? scalarText(value) : `[${value.map(scalarText).join(", ")}]`
    const pair = pairs.find(({ key }) => isScalar(key) && key.value === fileKey(name))
    const range = isNode(pair?.value) ? pair.value.range : undefined
    if (range === undefined || range === null) added += `${fileKey(name)}: ${written}\n`
    else places.push({ from: range[0], to: endOf(text, range), written })
  }
  // From the end on: what stands before stays where it is.
  const replaced = places
    .sort((a, b) => b.from - a.from)
    .reduce((whole, { from, to, written }) => whole.slice(0, from) + written + whole.slice(to), text)
  if (added === "") return replaced
  return `${replaced}${replaced === "" || replaced.endsWith("\n") ? "" : "\n"}${added}`
}

/** Behind the last character of a value: the spaces and the end of the line behind it stay. */
const endOf = (text: string, [from, to]: readonly [number, number, number]): number =>
  from + text.slice(from, to).trimEnd().length

/** As it is, where YAML reads the same text in it, else in quotes. */
const scalarText = (text: string): string => {
  try {
    const read: unknown = parse(`[${text}]`)
    if (Array.isArray(read) && read.length === 1 && !/[#\n]/.test(text) && String(read[0]) === text) return text
  } catch {}
  return JSON.stringify(text)
}
