/** The configuration: read, changed, given back, rolled back, read again, saved. */
import { Effect } from "effect"
import { HttpServerRequest } from "effect/http"
import { HttpApiBuilder, HttpApiSchema } from "effect/http-api"
import { ConfigurationError, shown } from "../../config/configuration.ts"
import type { ChangeRefused } from "../../config/live-configuration.ts"
import {
  fileKey,
  type SettingName,
  Settings,
  sections,
  settingInfo,
  settingNames
} from "../../config/schema/settings.ts"
import { shapeOf } from "../../config/schema/shape.ts"
import type { Difference } from "../../config/snapshot.ts"
import { type ChangeRecord, OtherGeneration, type UnknownGeneration } from "../../process/server-control.ts"
import { AdminApi } from "../api/api.ts"
import type { Setting } from "../api/config.ts"
import { ChangeNotMade, NotThere, StaleGeneration, WrongSettings } from "../api/errors.ts"
import { saveSettings } from "../save-settings.ts"
import { type AdminSources, Sources } from "../sources.ts"

export const configHandlers = HttpApiBuilder.group(
  AdminApi,
  "config",
  Effect.fnUntraced(function* (handlers) {
    const sources = yield* Sources
    const { control } = sources
    const changed = (record: ChangeRecord | undefined) => withEtag(control.generation(), record?.changed ?? [])
    return handlers.handleAll({
      read: () =>
        Effect.sync(() => {
          const generation = control.generation()
          const body = { generation, file: sources.file ?? null, settings: settingsOf(sources) }
          return HttpApiSchema.withHeaders({ body, headers: { etag: etagOf(generation) } })
        }),
      change: ({ headers, payload, query }) => {
        const wanted = generationOf(headers["if-match"])
        if (query.dry_run !== true) {
          return Effect.flatMap(by, (who) =>
            Effect.mapError(Effect.map(control.set(payload, who, wanted), changed), failureOf)
          )
        }
        const generation = control.generation()
        if (wanted !== undefined && wanted !== generation) return Effect.fail(new StaleGeneration({ generation }))
        return Effect.mapError(
          Effect.map(control.preview(payload), (differences) => withEtag(generation, differences)),
          failureOf
        )
      },
      giveBack: ({ headers, params }) =>
        Effect.gen(function* () {
          if (!settingNames.some((name) => fileKey(name) === params.name)) {
            return yield* new NotThere({ message: `there is no setting ${params.name}` })
          }
          const given = control.set({ [params.name]: undefined }, yield* by, generationOf(headers["if-match"]))
          return yield* Effect.mapError(Effect.map(given, changed), failureOf)
        }),
      history: () =>
        Effect.sync(() =>
          control.history().map(({ generation, atMs, by: who, changed: differences }) => ({
            generation,
            atMs,
            by: who,
            changed: differences.map(changeOf)
          }))
        ),
      rollBack: ({ headers, payload }) =>
        Effect.gen(function* () {
          return yield* control
            .rollBack(yield* by, payload.generation, generationOf(headers["if-match"]))
            .pipe(Effect.map(changed), Effect.mapError(notGoneBack))
        }),
      reload: () =>
        Effect.flatMap(by, (who) =>
          Effect.mapError(Effect.map(control.reload(who), changed), (error) => wrongOf(error) ?? notMade(error))
        ),
      save: () =>
        Effect.gen(function* () {
          const { file } = sources
          if (file === undefined) {
            return yield* new NotThere({ message: "the server was started without a file: --config FILE" })
          }
          const { saved, skipped } = yield* Effect.mapError(saveSettings(file, control, yield* by), notMade)
          return { file, saved, skipped }
        })
    })
  })
)

/** Who changes it, for the history: the address that the request came from. */
const by = Effect.map(
  HttpServerRequest.HttpServerRequest,
  ({ remoteAddress }) => `the admin API, from ${remoteAddress._tag === "Some" ? remoteAddress.value : "somebody"}`
)

const etagOf = (generation: number): string => `"${generation}"`

/** The generation that `If-Match` names; -1, which none has, where it cannot be read; undefined for any. */
const generationOf = (header: string | undefined): number | undefined => {
  if (header === undefined || header.trim() === "*") return undefined
  const found = /^\s*(?:W\/)?"?(\d+)"?\s*$/.exec(header)
  return found === null ? -1 : Number(found[1])
}

const changeOf = ({ name, before, after, touches }: Difference) => ({
  name: fileKey(name),
  before: before ?? null,
  after: after ?? null,
  touches
})

const withEtag = (generation: number, differences: ReadonlyArray<Difference>) =>
  HttpApiSchema.withHeaders({
    body: {
      generation,
      changed: differences.map(changeOf),
      touches: [...new Set(differences.flatMap(({ touches }) => touches))]
    },
    headers: { etag: etagOf(generation) }
  })

const wrongOf = (error: { readonly _tag: string }): WrongSettings | undefined =>
  error instanceof ConfigurationError
    ? new WrongSettings({
        mistakes: error.mistakes.map(({ place, value, expected }) => ({ path: place, value: value ?? null, expected }))
      })
    : undefined

const notMade = ({ message }: { readonly message: string }): ChangeNotMade => new ChangeNotMade({ message })

const failureOf = (
  error: ConfigurationError | ChangeRefused | OtherGeneration
): WrongSettings | ChangeNotMade | StaleGeneration => staleOf(error) ?? wrongOf(error) ?? notMade(error)

const notGoneBack = (
  error: UnknownGeneration | ChangeRefused | OtherGeneration
): NotThere | ChangeNotMade | StaleGeneration =>
  error._tag === "UnknownGeneration" ? new NotThere({ message: error.message }) : (staleOf(error) ?? notMade(error))

const staleOf = (error: { readonly _tag: string }): StaleGeneration | undefined =>
  error instanceof OtherGeneration ? new StaleGeneration({ generation: error.generation }) : undefined

const sectionOf = new Map<SettingName, string>(
  sections.flatMap(({ title, settings }) => Object.keys(settings).map((name) => [name as SettingName, title] as const))
)

const settingsOf = ({ control }: AdminSources): Record<string, typeof Setting.Type> => {
  const { given } = control.running()
  return Object.fromEntries(
    settingNames.map((name) => {
      const { value, source, place } = given.get(name)!
      const { touches, meaning } = settingInfo[name]
      return [
        fileKey(name),
        {
          value: shownValue(name, value),
          source,
          place,
          touches,
          section: sectionOf.get(name) ?? "",
          meaning,
          ...kindOf(name)
        }
      ]
    })
  )
}

/** Item by item, without what is secret. */
const shownValue = (name: SettingName, value: string | ReadonlyArray<string> | undefined) =>
  value === undefined
    ? null
    : typeof value === "string"
      ? (shown(name, value) ?? null)
      : value.map((item) => shown(name, item)!)

const kindOf = (name: SettingName): Pick<typeof Setting.Type, "kind" | "words"> => {
  const shape = shapeOf(Settings.fields[name])
  switch (shape.kind) {
    case "word":
      return { kind: "word", words: shape.words }
    case "number":
    case "truth":
    case "list":
      return { kind: shape.kind, words: [] }
    default:
      return { kind: "text", words: [] }
  }
}
