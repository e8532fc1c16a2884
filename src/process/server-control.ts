/**
 * Changes the configuration that the server runs by: from its sources, read again; by settings that a program gives; or by
 * a step back.
 *
 * What is read is read in a thread of its own: this one may have queries to answer, and a file may be large or hostile.
 * With a mistake in it, or where a thread cannot do what is asked, nothing changes.
 */
import { Context, Effect, Layer, Schema, Semaphore } from "effect"
import { meaning } from "../config/codec/nearest.ts"
import { ConfigurationError, type Loaded } from "../config/configuration.ts"
import { decodeChanges } from "../config/decode-changes.ts"
import { ChangeRefused } from "../config/live-configuration.ts"
import type { Mistake } from "../config/mistakes.ts"
import { fileKey, type SettingName, settingNames } from "../config/schema/settings.ts"
import { type Difference, differences } from "../config/snapshot.ts"
import { type Given, NO_OVERRIDES, type Overrides, saidBySources, type Winning } from "../config/sources/gather.ts"
import type { GivenValue } from "../config/sources/program-settings.ts"
import { messageOf } from "../runtime/error-text.ts"
import { type LoadedApart, loadApart } from "./reload/load-apart.ts"

/** Changes that are remembered. */
const HISTORY = 50

/**
 * A change that was made.
 *
 * **When to use**
 *
 * Use as what {@link ServerControl} gives for a change and lists as its history.
 */
export interface ChangeRecord {
  /** Counts the changes; 0 is the configuration that the server was started with. */
  readonly generation: number
  readonly atMs: number
  /** What made it: `SIGHUP`, `a file`, a program. */
  readonly by: string
  /** Each with what it touches; values as they may be shown. */
  readonly changed: ReadonlyArray<Difference>
}

/**
 * Settings by their names in the file, as they may stand there; undefined, or null, goes back to what file and
 * environment say.
 *
 * **When to use**
 *
 * Use with `set` and `preview` of {@link ServerControl}.
 */
export type GivenSettings = Readonly<Record<string, GivenValue | undefined>>

/**
 * There is no earlier configuration of this number.
 *
 * **When to use**
 *
 * Use to tell a step back that cannot be made: fifty changes are remembered.
 *
 * **Example** (A step back, if there is one)
 *
 * ```ts
 * import { Effect } from "effect"
 * import { ServerControl } from "strand-dns"
 *
 * const back = ServerControl.pipe(
 *   Effect.flatMap(({ rollBack }) => rollBack("my program")),
 *   Effect.catchTag("UnknownGeneration", ({ message }) => Effect.logWarning(message))
 * )
 * ```
 */
export class UnknownGeneration extends Schema.TaggedError<UnknownGeneration>()("UnknownGeneration", {
  message: Schema.String
}) {}

/**
 * The configuration has changed meanwhile: it is not of the generation that a change was meant for.
 *
 * **When to use**
 *
 * Use to tell a change that comes too late from one that is wrong.
 *
 * **Example** (A change of what was just read, or none)
 *
 * ```ts
 * import { Effect } from "effect"
 * import { ServerControl } from "strand-dns"
 *
 * const once = Effect.gen(function* () {
 *   const control = yield* ServerControl
 *   yield* control.set({ retries: "1" }, "my program", control.generation())
 * }).pipe(Effect.catchTag("OtherGeneration", ({ message }) => Effect.logWarning(message)))
 * ```
 */
export class OtherGeneration extends Schema.TaggedError<OtherGeneration>()("OtherGeneration", {
  message: Schema.String,
  generation: Schema.Number
}) {}

/**
 * A configuration as data, where each setting came from, and what of it a program has set.
 *
 * **When to use**
 *
 * Use as what {@link ServerControl} says that the server runs by.
 */
export interface Running extends Pick<Loaded, "settings" | "written" | "given"> {
  readonly overrides: Overrides
  /** What is as it was before a roll-back to it, although file and environment say something else. */
  readonly kept: Kept
}

/** Values that were gone back to, each for as long as file and environment say what they said then. */
type Kept = ReadonlyMap<SettingName, { readonly value: Given["value"]; readonly over: Given["value"] }>

/**
 * Changes what the server runs by, while it runs.
 *
 * **When to use**
 *
 * Use to set settings from a program, to have file and environment read again, or to go back to what was before.
 *
 * **Details**
 *
 * One change is made after the other. A change with a mistake in it, or one that cannot be made, fails with all that is
 * wrong, and what was in use before stays in use. No query is lost by a change.
 *
 * **Example** (Keeping answers for a minute at most)
 *
 * ```ts
 * import { Effect } from "effect"
 * import { ServerControl } from "strand-dns"
 *
 * const shorter = Effect.gen(function* () {
 *   const control = yield* ServerControl
 *   yield* control.set({ cache_max_ttl_secs: "60" }, "my program")
 * })
 * ```
 *
 * @see {@link layerStandaloneControl} for a server that a program embeds
 */
export class ServerControl extends Context.Service<
  ServerControl,
  {
    /** What the server runs by. */
    readonly running: () => Running
    readonly generation: () => number
    /** The last changes, the newest last; before them the start, or the oldest configuration that can be gone back to. */
    readonly history: () => ReadonlyArray<ChangeRecord>
    /**
     * Reads file and environment again, and changes what has changed. What a program has set stays.
     *
     * @param by what asks for it, for the history and the log
     * @returns the change; undefined where nothing is different
     */
    readonly reload: (by: string) => Effect.Effect<ChangeRecord | undefined, ConfigurationError | ChangeRefused>
    /**
     * Changes these settings. They win over file and environment until they are given back.
     *
     * @param generation the one that the change is meant for; any where it is undefined
     */
    readonly set: (
      settings: GivenSettings,
      by: string,
      generation?: number
    ) => Effect.Effect<ChangeRecord | undefined, ConfigurationError | ChangeRefused | OtherGeneration>
    /** What `set` would change. */
    readonly preview: (settings: GivenSettings) => Effect.Effect<ReadonlyArray<Difference>, ConfigurationError>
    /**
     * Goes back to an earlier configuration: by default to the one before, and from there to the one before that. Files are not read for it: they may be others
     * now. A setting for which file or environment say something else by now stays as it was gone back to, until they
     * say something new for it, or it is set or given back.
     *
     * @param from the generation that is to be left; any where it is undefined
     */
    readonly rollBack: (
      by: string,
      generation?: number,
      from?: number
    ) => Effect.Effect<ChangeRecord | undefined, UnknownGeneration | ChangeRefused | OtherGeneration>
  }
>()("strand/process/ServerControl") {
  static readonly layer = (options: ControlOptions): Layer.Layer<ServerControl> =>
    Layer.sync(ServerControl, () => make(options))
}

export interface ControlOptions {
  /** The file that the configuration was loaded from. */
  readonly file: string | undefined
  readonly first: Loaded
  /** Has the whole server run by another configuration, or changes nothing. */
  readonly apply: (next: Running) => Effect.Effect<void, ChangeRefused>
  /** Reads what the sources say, with the settings over it that a program has set: by default, in a thread of its own. */
  readonly read?: (winning: Winning) => Effect.Effect<LoadedApart, ConfigurationError>
  /** Called for each change that is refused. */
  readonly onRefusal?: () => void
  /** What is kept to of a configuration on this machine. */
  readonly withinLimits: (next: Loaded) => Loaded
}

const make = (options: ControlOptions): ServerControl["Service"] => {
  const {
    file,
    first,
    apply,
    withinLimits,
    onRefusal = () => {},
    read = (winning) => loadApart(file, winning)
  } = options
  const alone = Semaphore.makeUnsafe(1)
  /** `sameAs`: the generation whose settings these are, for a roll-back that of its target, else its own. */
  const earlier: Array<{ readonly record: ChangeRecord; readonly running: Running; readonly sameAs: number }> = []
  let running: Running = { ...first, overrides: NO_OVERRIDES, kept: new Map() }
  let generation = 0

  const remember = (by: string, changed: ReadonlyArray<Difference>, sameAs: number): ChangeRecord => {
    const record = { generation, atMs: Date.now(), by, changed }
    earlier.push({ record, running, sameAs })
    if (earlier.length > HISTORY + 1) earlier.shift()
    return record
  }
  remember("the start", [], generation)

  const load = ({
    overrides,
    kept,
    mistakes
  }: Merged): Effect.Effect<Running & Pick<Loaded, "warnings">, ConfigurationError> =>
    Effect.gen(function* () {
      const found = yield* Effect.mapError(
        read(winningIn({ overrides, kept })),
        (error) => new ConfigurationError({ ...error, mistakes: [...mistakes, ...error.mistakes] })
      )
      const stillKept = new Map([...kept].filter(([name, { over }]) => isSame(found.given.get(name)?.beneath, over)))
      if (stillKept.size < kept.size) return yield* load({ overrides, kept: stillKept, mistakes })
      if (mistakes.length > 0) return yield* new ConfigurationError({ mistakes, warnings: [] })
      const settings = yield* decodeChanges(running, found.written)
      return { ...withinLimits({ ...found, settings }), overrides, kept }
    })

  /**
   * @param what has happened, as the log says it
   * @param sameAs the generation that it goes back to
   */
  const change = (
    next: Running,
    by: string,
    what: string,
    sameAs?: number
  ): Effect.Effect<ChangeRecord | undefined, ChangeRefused> =>
    Effect.gen(function* () {
      const changed = differences(running.settings, next.settings)
      if (changed.length > 0) yield* apply(next)
      running = next
      const names = changed.length === 0 ? "nothing" : changed.map(({ name }) => fileKey(name)).join(", ")
      if (changed.length > 0) generation++
      yield* Effect.logInfo(`${what}; changed: ${names}`, { by, generation })
      return changed.length === 0 ? undefined : remember(by, changed, sameAs ?? generation)
    })

  /** One change after the other; what is refused is logged. */
  const exclusively = <A, E extends { readonly _tag: string; readonly message: string }>(
    what: string,
    by: string,
    effect: Effect.Effect<A, E>
  ): Effect.Effect<A, E | ChangeRefused> =>
    effect.pipe(
      // A fault of this program refuses the change; the server goes on.
      Effect.catchDefect((defect) => Effect.fail(new ChangeRefused({ message: messageOf(defect) }))),
      Effect.tapError(({ _tag, message }) => {
        // One that comes too late, or goes back to nothing, is no fault of what the configuration says.
        if (_tag === "ConfigurationError" || _tag === "ChangeRefused") onRefusal()
        return Effect.logError(`${what}; nothing changed: ${message}`, { by })
      }),
      alone.withPermits(1)
    )

  /** What was in use before this configuration was; one that was gone back to is not in use for the first time. */
  const before = () => {
    const since = earlier.at(-1)?.sameAs
    return earlier[earlier.findIndex(({ record }) => record.generation === since) - 1]
  }

  /** Fails where the configuration is not of this generation. */
  const expect = (wanted: number | undefined): Effect.Effect<void, OtherGeneration> =>
    Effect.suspend(() => {
      if (wanted === undefined || wanted === generation) return Effect.void
      const message = `the configuration is of generation ${generation} now, not ${wanted}`
      return Effect.fail(new OtherGeneration({ message, generation }))
    })

  const changeTo = <E extends { readonly _tag: string; readonly message: string }>(
    overrides: () => Effect.Effect<Merged, E>,
    by: string,
    what: string
  ) =>
    exclusively(
      what,
      by,
      Effect.gen(function* () {
        const next = yield* load(yield* overrides())
        for (const warning of next.warnings) yield* Effect.logWarning(warning)
        if (next.settings.datagrams !== first.settings.datagrams) {
          yield* Effect.logWarning(`datagrams: ${next.settings.datagrams} waits for the next start`)
        }
        return yield* change(next, by, what)
      })
    )

  return ServerControl.of({
    running: () => running,
    generation: () => generation,
    history: () => earlier.map(({ record }) => record),
    reload: (by) => changeTo(() => merged(running, {}), by, "configuration read again"),
    set: (settings, by, wanted) =>
      changeTo(
        () =>
          Effect.andThen(
            expect(wanted),
            Effect.suspend(() => merged(running, settings))
          ),
        by,
        "configuration set"
      ),
    preview: (settings) =>
      Effect.gen(function* () {
        const next = yield* load(yield* merged(running, settings))
        return differences(running.settings, next.settings)
      }),
    rollBack: (by, to, from) => {
      const what = "configuration rolled back"
      const goBack = Effect.gen(function* () {
        yield* expect(from)
        const found = to === undefined ? before() : earlier.find(({ record }) => record.generation === to)
        if (found !== undefined) return yield* change(asItWas(found.running, running), by, what, found.sameAs)
        const message = `there is no configuration ${to ?? "before this one"} to go back to`
        return yield* new UnknownGeneration({ message })
      })
      return exclusively(what, by, goBack)
    }
  })
}

/** What was before, with a note of what file and environment say otherwise by now: later changes leave that as it is. */
const asItWas = (before: Running, now: Running): Running => {
  const kept = new Map<SettingName, { readonly value: Given["value"]; readonly over: Given["value"] }>()
  const given = new Map(before.given)
  for (const [name, is] of now.given) {
    const was = before.given.get(name)
    if (was === undefined || before.overrides.has(name)) continue
    const value = was.source === "default" ? undefined : was.value
    const over = saidBySources(is)
    if (isSame(value, over)) continue
    kept.set(name, { value, over })
    given.set(name, { value: was.value, source: "program", place: fileKey(name), beneath: over })
  }
  return { ...before, given, kept }
}

/** What a program has set, and what was rolled back to. */
export const winningIn = ({ overrides, kept }: Pick<Running, "overrides" | "kept">): Winning =>
  new Map([...[...kept].map(([name, { value }]) => [name, value] as const), ...overrides])

const isSame = (one: Given["value"], other: Given["value"]): boolean => JSON.stringify(one) === JSON.stringify(other)

const keys = settingNames.map(fileKey)

interface Merged {
  readonly overrides: Overrides
  readonly kept: Kept
  /** Names that are no settings, and what is wrong in lists and maps. */
  readonly mistakes: ReadonlyArray<Mistake>
}

/** What a program has set before and sets now. */
const merged = (before: Pick<Running, "overrides" | "kept">, settings: GivenSettings): Effect.Effect<Merged> =>
  Effect.gen(function* () {
    const overrides = new Map(before.overrides)
    const kept = new Map(before.kept)
    const mistakes: Array<Mistake> = []
    for (const [key, value] of Object.entries(settings)) {
      const name: SettingName | undefined = settingNames[keys.indexOf(key)]
      if (name === undefined) {
        mistakes.push({ place: key, value: undefined, expected: `the name of a setting${meaning(key, keys)}` })
        continue
      }
      kept.delete(name)
      if (value === undefined || value === null) {
        overrides.delete(name)
      } else if (typeof value !== "object") {
        overrides.set(name, String(value))
      } else {
        const { textsOf } = yield* Effect.promise(() => import("../config/sources/program-settings.ts"))
        const read = textsOf(name, value)
        mistakes.push(...read.mistakes)
        if (read.texts !== undefined) overrides.set(name, read.texts)
      }
    }
    return { overrides, kept, mistakes }
  })
