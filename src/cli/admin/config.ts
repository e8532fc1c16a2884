/** `strand config`: the configuration of a running server, changed while it runs. */
import { Effect } from "effect"
import type { Changed, Configuration, HistoryEntry, Setting } from "../../admin/api/config.ts"
import { meaning } from "../../config/codec/nearest.ts"
import { CommandFailed } from "../failure.ts"
import { dayAndTime } from "../text/amounts.ts"
import { print } from "../text/print.ts"
import { printable } from "../text/printable.ts"
import { type Style, style } from "../text/style.ts"
import { table } from "../text/table.ts"
import { openAdmin } from "./client.ts"
import { given } from "./given.ts"
import type { AdminOptions } from "./place.ts"

interface Options extends AdminOptions {
  readonly isJson: boolean
}

export const showConfig = Effect.fnUntraced(function* (
  options: Options & { readonly names: ReadonlyArray<string>; readonly isChangedOnly: boolean }
) {
  const admin = yield* openAdmin(options)
  const { body } = yield* admin.ask(({ config }) => config.read({}))
  const chosen = yield* choose(body, options)
  const paint = yield* style
  yield* print(options.isJson, { ...body, settings: chosen }, () => [
    ...table(
      [
        { title: "setting", text: ([name]) => name },
        { title: "value", text: ([, setting]) => valueText(setting), atMost: 80 },
        { title: "from", text: ([, { source, place }]) => (source === "default" ? place || source : place) }
      ],
      Object.entries(chosen),
      paint
    ),
    "",
    `generation ${body.generation}, ${body.file === null ? "no file" : printable(body.file)}`
  ])
})

type One = typeof Setting.Type

const choose = (
  { settings }: typeof Configuration.Type,
  { names, isChangedOnly }: { readonly names: ReadonlyArray<string>; readonly isChangedOnly: boolean }
): Effect.Effect<Readonly<Record<string, One>>, CommandFailed> => {
  const unknown = names.find((name) => settings[name] === undefined)
  if (unknown !== undefined) {
    const message = `${printable(unknown)} is no setting${meaning(unknown, Object.keys(settings))}`
    return Effect.fail(new CommandFailed({ message }))
  }
  const isChosen = ([name, { source }]: [string, One]): boolean =>
    (names.length === 0 || names.includes(name)) && (!isChangedOnly || source !== "default")
  return Effect.succeed(Object.fromEntries(Object.entries(settings).filter(isChosen)))
}

const valueText = ({ value }: One): string => {
  const text = Array.isArray(value) ? value.join(", ") : value
  return text === null || text === "" ? "(none)" : String(text)
}

interface ChangeOptions extends Options {
  readonly isDryRun: boolean
  /** Changes nothing where the configuration is of another generation. */
  readonly ifGeneration: number | undefined
}

const ifMatch = ({ ifGeneration }: { readonly ifGeneration: number | undefined }) => ({
  "if-match": ifGeneration === undefined ? undefined : `"${ifGeneration}"`
})

/** @param assignments each `NAME=VALUE`; what stands behind the first `=` is the value as it is written in the file */
export const setConfig = Effect.fnUntraced(function* (
  options: ChangeOptions & { readonly assignments: ReadonlyArray<string> }
) {
  const changes: Record<string, string> = {}
  for (const assignment of options.assignments) {
    const [, name, value] = /^([^=]+)=(.*)$/s.exec(assignment) ?? []
    if (name === undefined || value === undefined) {
      return yield* new CommandFailed({ message: `${printable(assignment)}: expected NAME=VALUE` })
    }
    if (name in changes) return yield* new CommandFailed({ message: `${printable(name)} is given twice` })
    changes[name] = value
  }
  yield* change(options, changes)
})

/** What was set while the server runs is taken away: the file, the environment or the default hold again. */
export const unsetConfig = Effect.fnUntraced(function* (
  options: ChangeOptions & { readonly names: ReadonlyArray<string> }
) {
  yield* change(options, Object.fromEntries(options.names.map((name) => [name, null])))
})

const change = Effect.fnUntraced(function* (options: ChangeOptions, payload: Readonly<Record<string, string | null>>) {
  const admin = yield* openAdmin(options)
  const { body } = yield* admin.ask(({ config }) =>
    config.change({ query: { dry_run: options.isDryRun ? true : undefined }, headers: ifMatch(options), payload })
  )
  yield* printChanged(options, body)
})

const printChanged = Effect.fnUntraced(function* (
  { isJson, isDryRun }: { readonly isJson: boolean; readonly isDryRun: boolean },
  changed: typeof Changed.Type
) {
  const paint = yield* style
  yield* print(isJson, changed, () => [
    ...changed.changed.map((one) => changeLine(one, paint)),
    changed.changed.length === 0
      ? `nothing ${isDryRun ? "would change" : "has changed"}`
      : isDryRun
        ? "nothing was changed: this was a dry run"
        : `generation ${changed.generation}`
  ])
})

const changeLine = ({ name, before, after, touches }: (typeof Changed.Type)["changed"][number], paint: Style): string =>
  `${paint.bold(printable(name))}: ${printable(before ?? "(none)")} -> ${printable(after ?? "(none)")}  ` +
  paint.dim(`# touches ${touches.map(printable).join(", ")}`)

export const showHistory = Effect.fnUntraced(function* (options: Options) {
  const admin = yield* openAdmin(options)
  const history = yield* admin.ask(({ config }) => config.history({}))
  const paint = yield* style
  yield* print(options.isJson, history, () =>
    history.length === 0
      ? ["nothing has changed since the start"]
      : history.flatMap((entry) => [
          historyTitle(entry, paint),
          ...entry.changed.map((one) => `  ${changeLine(one, paint)}`)
        ])
  )
})

const historyTitle = ({ generation, atMs, by }: typeof HistoryEntry.Type, paint: Style): string =>
  `${paint.bold(`generation ${generation}`)}  ${dayAndTime(atMs)}  ${printable(by)}`

export const rollBack = Effect.fnUntraced(function* (
  options: Options & { readonly generation: number | undefined; readonly ifGeneration: number | undefined }
) {
  const admin = yield* openAdmin(options)
  const { generation } = options
  const { body } = yield* admin.ask(({ config }) =>
    config.rollBack({ headers: ifMatch(options), payload: given({ generation }) })
  )
  yield* printChanged({ isJson: options.isJson, isDryRun: false }, body)
})

export const saveConfig = Effect.fnUntraced(function* (options: Options) {
  const admin = yield* openAdmin(options)
  const { file, saved, skipped } = yield* admin.ask(({ config }) => config.save({}))
  yield* print(options.isJson, { file, saved, skipped }, () => [
    ...(saved.length > 0 ? [printable(`saved in ${file}: ${saved.join(", ")}`)] : []),
    ...(skipped.length > 0 ? [printable(`not saved, for the environment sets it: ${skipped.join(", ")}`)] : []),
    ...(saved.length + skipped.length === 0 ? [printable(`${file} has all of it already`)] : [])
  ])
})

/** A dry run is a change of nothing: file and environment are read for it as for any other. */
export const reloadConfig = Effect.fnUntraced(function* (options: Options & { readonly isDryRun: boolean }) {
  const admin = yield* openAdmin(options)
  const { body } = yield* admin.ask(({ config }) =>
    options.isDryRun ? config.change({ query: { dry_run: true }, headers: {}, payload: {} }) : config.reload({})
  )
  yield* printChanged(options, body)
})
