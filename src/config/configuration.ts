/**
 * The configuration that the server runs by, and how it is loaded: all sources, all mistakes at once.
 */
import { ConfigProvider, Effect, Schema } from "effect"
import { contradictions } from "./checks/contradictions.ts"
import { suspicions } from "./checks/suspicions.ts"
import { decodeAll } from "./decode.ts"
import { formatMistake, type Mistake } from "./mistakes.ts"
import { fileKey, type SettingName, type Settings } from "./schema/settings.ts"
import type { Written } from "./snapshot.ts"
import { type Given, gather, NO_OVERRIDES, type Winning } from "./sources/gather.ts"

export { ChangeRefused, Configuration, type Derived, ofCurrent } from "./live-configuration.ts"
export { shown } from "./shown.ts"
export { decodeSettings, differences, encodeSettings } from "./snapshot.ts"

/** Lines of an error at most. */
const MAX_LINES = 200

/**
 * Nothing starts, and nothing changes: what is wrong, all of it.
 *
 * **When to use**
 *
 * Use to tell a mistake in the configuration from other failures; `message` lists all mistakes, each with its place.
 *
 * **Example** (Mistakes for people)
 *
 * ```ts
 * import { Console, Effect } from "effect"
 * import { load } from "strand-dns"
 *
 * const checked = load("strand.yaml").pipe(
 *   Effect.catchTag("ConfigurationError", (error) => Console.error(error.message))
 * )
 * ```
 */
export class ConfigurationError extends Schema.TaggedError<ConfigurationError>()("ConfigurationError", {
  mistakes: Schema.Array(
    Schema.Struct({ place: Schema.String, value: Schema.UndefinedOr(Schema.String), expected: Schema.String })
  ),
  /** What is suspicious besides. */
  warnings: Schema.Array(Schema.String)
}) {
  override get message(): string {
    const { length } = this.mistakes
    const lines = this.mistakes.slice(0, MAX_LINES).map((mistake) => `  ${formatMistake(mistake)}`)
    if (length > MAX_LINES) lines.push(`  … and ${length - MAX_LINES} more`)
    const warnings = this.warnings.slice(0, MAX_LINES).map((warning) => `warning: ${warning}`)
    const title = `The configuration has ${length === 1 ? "a mistake" : `${length} mistakes`}:`
    return [title, ...lines, ...warnings].join("\n")
  }
}

/**
 * A configuration without mistakes.
 *
 * **When to use**
 *
 * Use as what {@link load} gives: `settings` for `Configuration.layer`, all of it for {@link layerStandaloneControl}.
 */
export interface Loaded {
  readonly settings: Settings
  /** The settings as data that another thread can be sent: `decodeSettings` makes them what they are here. */
  readonly written: Written
  /** What each setting was set to, and by which source. */
  readonly given: ReadonlyMap<SettingName, Given>
  /** What is suspicious, and may be meant. */
  readonly warnings: ReadonlyArray<string>
}

/**
 * Loads the configuration from the file, if one is named, and the environment.
 *
 * **When to use**
 *
 * Use to get the settings that a server is started with.
 *
 * **Details**
 *
 * The environment is read by the `ConfigProvider` of the effect that runs it: with another one, a program sets settings
 * by code and the process's own variables count for nothing. They have the names that they have in the environment.
 *
 * **Example** (Settings from a program)
 *
 * ```ts
 * import { ConfigProvider, Effect } from "effect"
 * import { load } from "strand-dns"
 *
 * const loaded = load(undefined).pipe(
 *   Effect.provideService(
 *     ConfigProvider.ConfigProvider,
 *     ConfigProvider.fromEnv({ env: { DNS_SERVER_LISTEN: "127.0.0.1:5353", DNS_SERVER_UPSTREAMS: "9.9.9.9" } })
 *   )
 * )
 * ```
 *
 * @param winning what was set while the server runs
 * @returns the settings with the source of each, or a `ConfigurationError` with every mistake of every source
 */
export const load = Effect.fnUntraced(function* (file: string | undefined, winning: Winning = NO_OVERRIDES) {
  const provider = yield* ConfigProvider.ConfigProvider
  const gathered = yield* gather(file, provider, winning)
  const decoded = yield* decodeAll(gathered)
  const { written, settings } = decoded
  const found = [...gathered.mistakes, ...decoded.mistakes, ...(yield* contradictions(decoded, gathered))]
  const mistakes = found.toSorted((a, b) => positionIn(file, a) - positionIn(file, b))
  const warnings = [...gathered.warnings, ...suspicions(decoded, gathered)]
  if (mistakes.length > 0) return yield* new ConfigurationError({ mistakes, warnings })
  return { settings: settings as Settings, written, given: gathered.given, warnings } satisfies Loaded
})

/**
 * Reads some of the settings, each by itself: mistakes in others are not heard of.
 *
 * @returns what reads them from the file, the environment and the defaults
 */
export const loadSome =
  <const Names extends ReadonlyArray<SettingName>>(...names: Names) =>
  (file: string | undefined): Effect.Effect<Pick<Settings, Names[number]>, ConfigurationError> =>
    Effect.gen(function* () {
      const provider = yield* ConfigProvider.ConfigProvider
      const gathered = yield* gather(file, provider, NO_OVERRIDES)
      const given = new Map([...gathered.given].filter(([name]) => names.includes(name)))
      const { mistakes, settings } = yield* decodeAll({ ...gathered, given })
      const keys = names.map(fileKey)
      const ofFile = gathered.mistakes.filter(({ place }) => {
        const key = keyIn(file, place)
        return key === undefined || keys.includes(key)
      })
      const all = [...ofFile, ...mistakes]
      if (all.length > 0) return yield* new ConfigurationError({ mistakes: all, warnings: [] })
      return settings as Pick<Settings, Names[number]>
    })

/** The setting that a place in the file names; undefined where it names none, as for a file that cannot be read. */
const keyIn = (file: string | undefined, place: string): string | undefined =>
  file === undefined ? undefined : /^:\d+:\d+: (\w+)/.exec(place.slice(file.length))?.[1]

/** The mistakes of a file come first, from its top to its end; those of other sources follow in their order. */
const positionIn = (file: string | undefined, { place }: Mistake): number => {
  if (file === undefined || !place.startsWith(file)) return Number.MAX_SAFE_INTEGER
  const [, line, column] = /^:(\d+):(\d+)/.exec(place.slice(file.length)) ?? []
  return Number(line ?? 0) * 1_000_000 + Number(column ?? 0)
}
