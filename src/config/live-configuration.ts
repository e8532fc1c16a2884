/**
 * The settings that a thread runs by, and how others take their place while it runs.
 *
 * A room does not read a setting once when it is built: it reads `current()` each time, or has the settings that it needs
 * compiled (`derive`), so that a change makes a new value beside the one in use. All parts that a change touches are
 * compiled first; only when every one of them could be is the whole change committed, by assignments that no packet can
 * come between. What was in use before stays open until the queries that began with it are over.
 */
import { isDeepStrictEqual } from "node:util"
import { Context, Effect, Exit, Layer, Schema, Scope } from "effect"
import type { SettingName, Settings } from "./schema/settings.ts"

/**
 * A change was not made: why. What was in use before is in use still.
 *
 * **When to use**
 *
 * Use to tell a change that this machine does not allow, such as a port that is taken, from a mistake in a setting.
 *
 * **Example** (A change that may be refused)
 *
 * ```ts
 * import { Effect } from "effect"
 * import { ServerControl } from "strand-dns"
 *
 * const listenElsewhere = ServerControl.pipe(
 *   Effect.flatMap(({ set }) => set({ listen: "127.0.0.1:53" }, "my program")),
 *   Effect.catchTag("ChangeRefused", ({ message }) => Effect.logWarning(`it listens where it did: ${message}`))
 * )
 * ```
 */
export class ChangeRefused extends Schema.TaggedError<ChangeRefused>()("ChangeRefused", { message: Schema.String }) {}

/** Later than this behind a query's deadline nothing that it uses is in use any more. */
const DRAIN_MS = 1_000

/** What a room has compiled from settings: read `current` anew for each query. */
export interface Derived<out A> {
  readonly current: A
}

/** A change that every part has agreed to. Exactly one of the two is to be run. */
export interface Prepared {
  /** Puts it in use, at once. Cannot fail. */
  readonly commit: Effect.Effect<void>
  /** Closes what was prepared; what is in use stays. */
  readonly abandon: Effect.Effect<void>
}

/** Makes a value of the settings that it names. What it opens belongs to the scope, which outlives the value's use. */
export type Compile<Name extends SettingName, A, E, R> = (settings: Pick<Settings, Name>) => Effect.Effect<A, E, R>

/**
 * The settings that the server runs by, now and after each change.
 *
 * **When to use**
 *
 * Use to give the server its settings (`Configuration.layer`), and in a step of one's own to read them: `current` for
 * each question, `derive` where something is opened or compiled by them.
 *
 * **Details**
 *
 * {@link ServerControl} changes them with all that a change means for what is kept, and is what a program calls.
 * `prepare` changes the settings alone.
 *
 * **Example** (A step that reads a setting for each question)
 *
 * ```ts
 * import { Effect, Layer } from "effect"
 * import { Configuration, ResolverPool } from "strand-dns"
 *
 * const timed = Layer.effect(
 *   ResolverPool,
 *   Effect.gen(function* () {
 *     const { current } = yield* Configuration
 *     const { begin } = yield* ResolverPool
 *     return ResolverPool.of({
 *       begin: (question, record, asker) => {
 *         console.log(`asked for at most ${current().queryTimeoutSecs} s`)
 *         return begin(question, record, asker)
 *       }
 *     })
 *   })
 * ).pipe(Layer.provide(ResolverPool.layer))
 * ```
 */
export class Configuration extends Context.Service<
  Configuration,
  {
    readonly current: () => Settings
    /** Counts the changes that were committed. */
    readonly generation: () => number
    /**
     * Compiles the settings of these names now, and again at each change of one of them. A change for which it fails is
     * refused. While it compiles `current` still says what was before.
     */
    readonly derive: <Name extends SettingName, A, E extends { readonly message: string }, R>(
      names: ReadonlyArray<Name>,
      compile: Compile<Name, A, E, R>
    ) => Effect.Effect<Derived<A>, E, R | Scope.Scope>
    /** Calls `apply` in the commit of each change of one of these settings. It must not throw. */
    readonly follow: <Name extends SettingName>(
      names: ReadonlyArray<Name>,
      apply: (settings: Pick<Settings, Name>) => void
    ) => Effect.Effect<void, never, Scope.Scope>
    /** Has all parts compile the next settings. One change at a time: to be committed or abandoned before the next. */
    readonly prepare: (next: Settings) => Effect.Effect<Prepared, ChangeRefused>
  }
>()("strand/config/Configuration") {
  static readonly layer = (settings: Settings): Layer.Layer<Configuration> =>
    Layer.effect(Configuration, make(settings))
}

/** What is computed of the settings as they are, again when they have changed: for what opens nothing and cannot fail. */
export const ofCurrent = <A>(
  { current }: Pick<Configuration["Service"], "current">,
  compute: (settings: Settings) => A
): (() => A) => {
  let settings = current()
  let computed = compute(settings)
  return () => {
    const now = current()
    if (now !== settings) {
      settings = now
      computed = compute(now)
    }
    return computed
  }
}

/** What one `derive` or `follow` has registered. */
interface Part {
  readonly names: ReadonlyArray<SettingName>
  readonly prepare: (next: Settings) => Effect.Effect<PreparedPart, ChangeRefused>
}

interface PreparedPart {
  /** @returns what to close when the queries that use it are over */
  readonly commit: () => Scope.Closeable | undefined
  readonly abandon: Effect.Effect<void>
}

const make = (first: Settings) =>
  Effect.gen(function* () {
    const ownScope = yield* Effect.scope
    const parts = new Set<Part>()
    let current = first
    let generation = 0

    const register = (part: Part): Effect.Effect<void, never, Scope.Scope> =>
      Effect.asVoid(
        Effect.acquireRelease(
          Effect.sync(() => parts.add(part)),
          () => Effect.sync(() => parts.delete(part))
        )
      )

    const derive = <Name extends SettingName, A, E extends { readonly message: string }, R>(
      names: ReadonlyArray<Name>,
      compile: Compile<Name, A, E, R>
    ): Effect.Effect<Derived<A>, E, R | Scope.Scope> =>
      Effect.gen(function* () {
        const context = yield* Effect.context<R>()
        const roomScope = yield* Effect.scope
        /** In a scope of its own, which is closed where it fails. */
        const compileApart = (settings: Settings): Effect.Effect<readonly [A, Scope.Closeable], E> =>
          Effect.gen(function* () {
            const scope = yield* Scope.fork(roomScope)
            const value = yield* compile(settings).pipe(
              Effect.provideContext(Context.add(context, Scope.Scope, scope)),
              Effect.onError(() => Scope.close(scope, Exit.void))
            ) as Effect.Effect<A, E>
            return [value, scope] as const
          })
        const [value, scope] = yield* compileApart(current)
        const derived = { current: value, scope }
        yield* register({
          names,
          prepare: (next) =>
            compileApart(next).pipe(
              Effect.mapError(({ message }) => new ChangeRefused({ message })),
              Effect.map(([fresh, freshScope]) => ({
                commit: () => {
                  const before = derived.scope
                  derived.current = fresh
                  derived.scope = freshScope
                  return before
                },
                abandon: Scope.close(freshScope, Exit.void)
              }))
            )
        })
        return derived
      })

    const follow = <Name extends SettingName>(
      names: ReadonlyArray<Name>,
      apply: (settings: Pick<Settings, Name>) => void
    ): Effect.Effect<void, never, Scope.Scope> =>
      register({
        names,
        prepare: (next) =>
          Effect.succeed({
            commit: () => {
              apply(next)
              return undefined
            },
            abandon: Effect.void
          })
      })

    const isTouched = ({ names }: Part, next: Settings): boolean =>
      names.some((name) => !isDeepStrictEqual(current[name], next[name]))

    const prepare = (next: Settings): Effect.Effect<Prepared, ChangeRefused> =>
      Effect.gen(function* () {
        const prepared: Array<PreparedPart> = []
        const abandon = Effect.suspend(() => Effect.forEach(prepared, (part) => part.abandon, { discard: true }))
        const preparing = Effect.forEach(
          [...parts].filter((part) => isTouched(part, next)),
          (part) => Effect.map(part.prepare(next), (agreed) => prepared.push(agreed)),
          { discard: true }
        )
        yield* Effect.onError(preparing, () => abandon)
        const commit = Effect.suspend(() => {
          const drainMs = current.queryTimeoutSecs * 1000 + DRAIN_MS
          current = next
          generation++
          const replaced = prepared.flatMap((part) => part.commit() ?? [])
          const close = Effect.forEach(replaced, (scope) => Scope.close(scope, Exit.void), { discard: true })
          return Effect.asVoid(Effect.forkIn(Effect.delay(close, drainMs), ownScope))
        })
        return { commit: Effect.uninterruptible(commit), abandon }
      })

    return Configuration.of({ current: () => current, generation: () => generation, derive, follow, prepare })
  })
