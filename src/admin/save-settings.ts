/** Writes what was changed while the server ran into its file: all else in it stays as it is, comments too. */
import { chmod, readFile, realpath, rename, rm, stat, writeFile } from "node:fs/promises"
import { Effect, Result, Schema } from "effect"
import { type Document, isMap, isNode, isScalar, type Pair, parse, parseDocument, visit } from "yaml"
import { decodeSettings, differences } from "../config/configuration.ts"
import { fileKey, type SettingName, variableName } from "../config/schema/settings.ts"
import { loadApart } from "../process/reload/load-apart.ts"
import { type ServerControl, winningIn } from "../process/server-control.ts"
import { messageOf } from "../runtime/error-text.ts"

/** The file could not be written: why. It is as it was. */
export class NotSaved extends Schema.TaggedError<NotSaved>()("NotSaved", { message: Schema.String }) {}

export interface Saved {
  readonly saved: ReadonlyArray<string>
  /** Those that the environment sets: it wins over the file. */
  readonly skipped: ReadonlyArray<string>
}

/**
 * Saves all or nothing: where the file would not say what the server runs by, it stays as it is.
 *
 * @returns the names of those that were saved, and of those that were not
 */
export const saveSettings = (
  file: string,
  control: ServerControl["Service"],
  by: string
): Effect.Effect<Saved, NotSaved> =>
  Effect.gen(function* () {
    const running = control.running()
    const all = [...winningIn(running)].flatMap(([name, value]) =>
      value === undefined ? [] : [[name, value] as const]
    )
    const saved = all.filter(([name]) => !isSetByEnvironment(name))
    const skipped = all.filter(([name]) => isSetByEnvironment(name)).map(([name]) => fileKey(name))
    if (saved.length === 0) return { saved: [], skipped }
    // What a link leads to is written, and the link stays one.
    const target = yield* attempt(() => realpath(file))
    const text = yield* attempt(() => readFile(target, "utf8"))
    const next = yield* Effect.fromResult(withSettings(text, saved))
    const beside = `${target}.${process.pid}.new`
    const write = Effect.gen(function* () {
      const { mode } = yield* attempt(() => stat(target))
      yield* attempt(() => writeFile(beside, next, { mode: 0o600 }))
      yield* attempt(() => chmod(beside, mode & 0o7777))
      const read = yield* Effect.mapError(
        loadApart(beside, new Map(all.filter(([name]) => isSetByEnvironment(name)))),
        ({ message }) => new NotSaved({ message: message.replaceAll(beside, file) })
      )
      const others = differences(running.settings, decodeSettings(read.written)).map(({ name }) => fileKey(name))
      if (others.length > 0) {
        const message = `the file would then say something else for ${others.join(", ")} than the server runs by: it has been changed there, or something is shared in it`
        return yield* new NotSaved({ message })
      }
      yield* attempt(() => rename(beside, target))
    })
    yield* Effect.tapError(write, () => Effect.ignore(attempt(() => rm(beside, { force: true }))))
    // From now on the file says so: who changes it there is heard.
    const back = Object.fromEntries(saved.map(([name]) => [fileKey(name), undefined]))
    yield* Effect.mapError(control.set(back, by), ({ message }) => new NotSaved({ message }))
    return { saved: saved.map(([name]) => fileKey(name)), skipped }
  })

const attempt = <A>(run: () => Promise<A>): Effect.Effect<A, NotSaved> =>
  Effect.tryPromise({ try: run, catch: (cause) => new NotSaved({ message: messageOf(cause) }) })

const isSetByEnvironment = (name: SettingName): boolean => (process.env[variableName(name)]?.trim() ?? "") !== ""

/**
 * The text of the file with these settings in it. A value that is there is replaced where it stands, and the comments
 * within it are gone; a list that begins at the margin is replaced by one behind the colon; a setting that is not there
 * comes at the end. Not an octet else changes.
 *
 * @returns a failure where a value is one that others in the file refer to
 */
export const withSettings = (
  text: string,
  settings: Iterable<readonly [SettingName, string | ReadonlyArray<string>]>
): Result.Result<string, NotSaved> => {
  const document = parseDocument(text)
  const { contents } = document
  const pairs = isMap(contents) ? contents.items : []
  const places: Array<Place> = []
  let added = ""
  for (const [name, value] of settings) {
    const written = typeof value === "string" ? scalarText(value) : `[${value.map(scalarText).join(", ")}]`
    const pair = pairs.find(({ key }) => isScalar(key) && key.value === fileKey(name))
    if (pair === undefined) {
      added += `${fileKey(name)}: ${written}\n`
      continue
    }
    if (isReferredTo(document, pair.value)) {
      return Result.fail(new NotSaved({ message: `${fileKey(name)}: other settings refer to it by its anchor (&)` }))
    }
    places.push(...placesOf(text, pair, written))
  }
  // From the end on: what stands before stays where it is.
  const replaced = places
    .sort((a, b) => b.from - a.from || b.to - a.to)
    .reduce((whole, { from, to, written }) => whole.slice(0, from) + written + whole.slice(to), text)
  if (added === "") return Result.succeed(replaced)
  return Result.succeed(`${replaced}${replaced === "" || replaced.endsWith("\n") ? "" : "\n"}${added}`)
}

/** Part of the text, and what comes in its place. */
interface Place {
  readonly from: number
  readonly to: number
  readonly written: string
}

const placesOf = (text: string, { key, value }: Pair, written: string): ReadonlyArray<Place> => {
  const behindKey = isNode(key) && key.range ? text.indexOf(":", key.range[1]) + 1 : 0
  const range = isNode(value) ? value.range : undefined
  // Nothing stands there: what does behind it, is a comment.
  if (range === undefined || range === null || range[0] === range[1]) {
    return [{ from: behindKey, to: behindKey, written: ` ${written}` }]
  }
  const to = endOf(text, range)
  const column = range[0] - (text.lastIndexOf("\n", range[0] - 1) + 1)
  // A list whose lines begin at the margin, as those of the settings do: it goes, and the new one comes behind the colon.
  if (column === 0) {
    const end = text.lastIndexOf("\n", range[0] - 1)
    const from = text[end - 1] === "\r" ? end - 1 : end
    return [
      { from: behindKey, to: behindKey, written: ` ${written}` },
      { from, to, written: "" }
    ]
  }
  return [{ from: range[0], to, written }]
}

/** Whether an alias somewhere in the file stands for the value, or for part of it. */
const isReferredTo = (document: Document, value: unknown): boolean => {
  const anchors = new Set<string>()
  const aliases = new Set<string>()
  const noteAnchor = (_: unknown, node: { readonly anchor?: string }): void => {
    if (node.anchor !== undefined) anchors.add(node.anchor)
  }
  if (isNode(value)) visit(value, { Scalar: noteAnchor, Collection: noteAnchor })
  if (anchors.size === 0) return false
  visit(document, { Alias: (_, { source }) => void aliases.add(source) })
  return [...anchors].some((anchor) => aliases.has(anchor))
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
