/** Writes what was changed while the server ran into its file: all else in it stays as it is, comments too. */
import { chmod, readFile, rename, rm, stat, writeFile } from "node:fs/promises"
import { Effect, Schema } from "effect"
import { parseDocument } from "yaml"
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

/** The text of the file with these settings in it; what was there is replaced where it stands, what is new comes last. */
export const withSettings = (
  text: string,
  settings: Iterable<readonly [SettingName, string | ReadonlyArray<string>]>
): string => {
  const document = parseDocument(text, { keepSourceTokens: true })
  for (const [name, value] of settings) {
    document.set(fileKey(name), typeof value === "string" ? value : document.createNode([...value], { flow: false }))
  }
  return document.toString({ lineWidth: 0 })
}
