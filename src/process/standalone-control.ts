/**
 * Changes of the configuration of a server of one thread, which another program embeds.
 *
 * What the supervisor does for a server of many threads (`supervisor.ts`), where there is no other thread to agree.
 */
import { ConfigProvider, Effect, Layer } from "effect"
import { AnswerCache } from "../cache/answer-cache.ts"
import { FailureCache } from "../cache/failure-cache.ts"
import { Configuration, type Loaded, load } from "../config/configuration.ts"
import { cacheOctets, forgetsFailures, isOtherWorld } from "./change-effects.ts"
import { ServerControl } from "./server-control.ts"

/**
 * What {@link layerStandaloneControl} starts from.
 *
 * **When to use**
 *
 * Use with {@link layerStandaloneControl}.
 */
export interface StandaloneControlOptions {
  /** What `load` gave, and the server was started with. */
  readonly first: Loaded
  /** The file that it was loaded from, to be read again at each change. */
  readonly file: string | undefined
}

/**
 * `ServerControl` for a server that a program embeds.
 *
 * **When to use**
 *
 * Use beside {@link standaloneLayer} or {@link standaloneLayerWith}, over the same `Configuration`, to change settings
 * while the server answers.
 *
 * **Details**
 *
 * File and environment are read in the thread that the server runs in, the environment by the `ConfigProvider` of the
 * effect that builds the layer. Nothing is read of itself: files are not followed and SIGHUP is not heeded.
 *
 * **Example** (A setting changed while the server answers)
 *
 * ```ts
 * import { Effect, Layer } from "effect"
 * import {
 *   Configuration,
 *   layerDatagrams,
 *   layerStandaloneControl,
 *   load,
 *   ServerControl,
 *   standaloneLayer
 * } from "strand-dns"
 *
 * const program = Effect.gen(function* () {
 *   const first = yield* load(undefined)
 *   const { settings } = first
 *   const server = layerStandaloneControl({ first, file: undefined }).pipe(
 *     Layer.provideMerge(standaloneLayer),
 *     Layer.provide(Layer.mergeAll(Configuration.layer(settings), layerDatagrams(settings.datagrams)))
 *   )
 *   return yield* Effect.gen(function* () {
 *     const control = yield* ServerControl
 *     yield* control.set({ upstreams: ["9.9.9.9", "1.1.1.1"] }, "my program")
 *     return yield* Effect.never
 *   }).pipe(Effect.provide(server))
 * })
 * ```
 */
export const layerStandaloneControl = ({
  first,
  file
}: StandaloneControlOptions): Layer.Layer<ServerControl, never, Configuration | AnswerCache | FailureCache> =>
  Layer.unwrap(
    Effect.gen(function* () {
      const configuration = yield* Configuration
      const cache = yield* AnswerCache
      const failures = yield* FailureCache
      const provider = yield* ConfigProvider.ConfigProvider
      return ServerControl.layer({
        file,
        first,
        read: (winning) => Effect.provideService(load(file, winning), ConfigProvider.ConfigProvider, provider),
        withinLimits: (next) => next,
        apply: ({ settings }) =>
          Effect.gen(function* () {
            const before = configuration.current()
            const { commit, abandon } = yield* configuration.prepare(settings)
            if (cacheOctets(before) !== cacheOctets(settings)) {
              yield* Effect.onError(cache.resize(cacheOctets(settings)), () => abandon)
            }
            yield* commit
            if (forgetsFailures(before, settings)) failures.forgetAll()
            if (isOtherWorld(before, settings)) yield* cache.flushAll
          }).pipe(Effect.uninterruptible)
      })
    })
  )
