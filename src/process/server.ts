/**
 * The server as one layer: what is built first is closed last.
 *
 * Closing goes the way of a query: listeners stop, fibers finish, resolvers close, telemetry is flushed.
 */
import { randomBytes } from "node:crypto"
import { Context, Effect, Layer } from "effect"
import { AnswerCache } from "../cache/answer-cache.ts"
import { FailureCache } from "../cache/failure-cache.ts"
import type { SharedTier } from "../cache/shared/shared-tier.ts"
import { layerSharedTier } from "../cache/shared/shared-tier-layer.ts"
import { Configuration } from "../config/configuration.ts"
import type { Settings } from "../config/schema/settings.ts"
import { LOOP_MARK } from "../dns/codes.ts"
import { followDatabase, Geography, Locations, type Needs } from "../geo/geography.ts"
import type { DatagramTransport, SocketError } from "../io/datagram.ts"
import type { StreamTransport } from "../io/stream-transport.ts"
import { Listeners } from "../listener/listeners.ts"
import { QueryFibers } from "../listener/query-fibers.ts"
import { StandIn } from "../listener/stand-in.ts"
import { ClientMemory, clientMemory } from "../query/client-memory.ts"
import { Coalescer } from "../query/exchange/coalescer.ts"
import { makeExchangeSteps } from "../query/exchange/exchange-steps.ts"
import { Pipeline } from "../query/pipeline.ts"
import { layerReplyRates } from "../query/reply-rates.ts"
import { layerResolveByHand } from "../query/resolve-by-hand.ts"
import { LoopClock } from "../runtime/loop-clock.ts"
import { TimerWheel } from "../runtime/timer-wheel.ts"
import { Counters } from "../telemetry/counters.ts"
import { layerEventLog } from "../telemetry/event-log.ts"
import { FailureLog } from "../telemetry/failure-log.ts"
import { layerIncidents } from "../telemetry/incidents.ts"
import { Latencies } from "../telemetry/latencies.ts"
import { layerRecentQueries } from "../telemetry/recent-queries/writer.ts"
import { Traces } from "../telemetry/traces.ts"
import { LoopMark, ResolverPool } from "../upstream/resolver-pool.ts"
import { layerIdleGc } from "./idle-gc.ts"

/** With a number of this process. */
const loopMark = Layer.sync(LoopMark, () => LoopMark.of({ code: LOOP_MARK, data: randomBytes(8) }))

const telemetry = Layer.mergeAll(Traces.layer, FailureLog.layer, layerRecentQueries)

/** Locations that another thread gives this one; undefined where this one follows the database itself. */
export const GivenLocations: Context.Reference<Locations | undefined> = Context.Reference<Locations | undefined>(
  "strand/process/GivenLocations",
  { defaultValue: () => undefined }
)

/** What the configuration asks places for. */
export const locationsNeeded = ({ groups, localAnswers, rules, upstreamPolicy }: Settings): Needs => ({
  continents: [...rules, ...localAnswers].some((rule) => rule.continents.length > 0),
  coordinates: upstreamPolicy === "geo" || groups.some(({ policy }) => policy === "geo")
})

/** Locations, where the configuration names a database. */
const geography = Layer.effect(
  Geography,
  Effect.gen(function* () {
    const configuration = yield* Configuration
    const given = yield* GivenLocations
    if (given !== undefined) return Geography.over(() => given)
    const needs = (): Needs => locationsNeeded(configuration.current())
    const live = yield* configuration.derive(["geoDatabase"], ({ geoDatabase }) =>
      Effect.gen(function* () {
        const locations = new Locations(undefined)
        if (geoDatabase === undefined) return { locations, look: Effect.void }
        const adopt = (memory: SharedArrayBuffer) => Effect.sync(() => locations.use(memory))
        return { locations, look: yield* followDatabase(geoDatabase, needs, adopt) }
      })
    )
    return Geography.over(
      () => live.current.locations,
      Effect.suspend(() => live.current.look)
    )
  })
)

/**
 * What others than queries look at, and change: counters, latencies, what is kept.
 *
 * **When to use**
 *
 * Use as what {@link standaloneLayer} gives beside its listeners.
 */
export type Shared = Counters | Latencies | AnswerCache | FailureCache

/**
 * What the server is built over: settings, and the ways to move octets.
 *
 * **When to use**
 *
 * Use as what {@link standaloneLayer} asks for: `Configuration.layer` and {@link layerDatagrams}.
 */
export type Ground = Configuration | DatagramTransport | StreamTransport

/**
 * What stands around the upstreams, or in their place, may ask for these.
 *
 * **When to use**
 *
 * Use as the requirements of a layer for `resolverPool` of {@link Rooms}.
 */
export type BelowUpstreams = Ground | Shared | Traces | FailureLog | TimerWheel | LoopClock | LoopMark | Geography

/**
 * What stands before the cache may ask for these.
 *
 * **When to use**
 *
 * Use as the requirements of a layer for `pipeline` of {@link Rooms}.
 */
export type BelowPipeline = BelowUpstreams | ResolverPool | SharedTier | Coalescer

/**
 * Rooms of the server that a program has of its own.
 *
 * **When to use**
 *
 * Use with {@link standaloneLayerWith} to add a step before the cache or around the upstreams, or to take the place of
 * either.
 *
 * **Details**
 *
 * The layer of a room may ask for services of the server that are built before it; what else it needs is provided to
 * it first. Without a layer the server has its own room. A step around the server's own is a layer that asks for the
 * service which it gives, with `ResolverPool.layer` or `Pipeline.layer` provided to it.
 *
 * @see {@link ResolverPool} for a step around the upstreams
 * @see {@link Pipeline} for a step before the cache
 */
export interface Rooms<PipelineError = never, PoolError = never> {
  /** Takes each packet, before anything is known of it. */
  readonly pipeline?: Layer.Layer<Pipeline, PipelineError, BelowPipeline>
  /** Takes each question that is neither answered here nor kept, once for all who ask it at the same time. */
  readonly resolverPool?: Layer.Layer<ResolverPool, PoolError, BelowUpstreams>
}

/**
 * The server in one thread, over caches and counters that are given, with rooms of the program's own.
 *
 * **When to use**
 *
 * Use to give the server another `AnswerCache`, `FailureCache`, `Counters` or `Latencies`. For all else there is
 * {@link standaloneLayerWith}.
 *
 * **Example** (Counters that the rest of the program has too)
 *
 * ```ts
 * import { Layer } from "effect"
 * import { AnswerCache, Counters, FailureCache, Latencies, serverLayerWith } from "strand-dns"
 *
 * const serverWith = (counters: Layer.Layer<Counters>) =>
 *   serverLayerWith({}).pipe(
 *     Layer.provide(Layer.mergeAll(AnswerCache.layer, FailureCache.layer)),
 *     Layer.provide(Layer.mergeAll(counters, Latencies.layer))
 *   )
 * ```
 */
export const serverLayerWith = <PipelineError = never, PoolError = never>(
  rooms: Rooms<PipelineError, PoolError>
): Layer.Layer<Listeners | StandIn, SocketError | PipelineError | PoolError, Ground | Shared> => {
  const pipeline: Layer.Layer<Pipeline, PipelineError, BelowPipeline> = rooms.pipeline ?? Pipeline.layer
  const resolverPool: Layer.Layer<ResolverPool, PoolError, BelowUpstreams> = rooms.resolverPool ?? ResolverPool.layer
  return Layer.mergeAll(Listeners.layer, StandIn.layer, layerIdleGc, layerResolveByHand).pipe(
    Layer.provide(QueryFibers.layer),
    Layer.provide(pipeline),
    Layer.provide(Coalescer.layer(makeExchangeSteps)),
    Layer.provide(layerSharedTier),
    Layer.provide(resolverPool),
    Layer.provide(telemetry),
    Layer.provide(Layer.mergeAll(TimerWheel.layer, loopMark, geography, layerReplyRates)),
    Layer.provide(LoopClock.layer),
    Layer.provide(Layer.mergeAll(layerEventLog, layerIncidents))
  )
}

/** The server in one thread, over services that threads share or that are its own. */
export const serverLayer: Layer.Layer<Listeners | StandIn, SocketError, Ground | Shared> = serverLayerWith({})

/**
 * A server of one thread with rooms of the program's own.
 *
 * **When to use**
 *
 * Use when an embedding program answers some questions itself, or looks at what is asked, before the cache or around
 * the upstreams.
 *
 * **Example** (A step that counts what the upstreams are asked)
 *
 * ```ts
 * import { Effect, Layer } from "effect"
 * import { Configuration, layerDatagrams, load, ResolverPool, standaloneLayerWith } from "strand-dns"
 *
 * let asked = 0
 *
 * const counted = Layer.effect(
 *   ResolverPool,
 *   Effect.map(ResolverPool, ({ begin }) =>
 *     ResolverPool.of({
 *       begin: (question, record, asker) => {
 *         asked++
 *         return begin(question, record, asker)
 *       }
 *     })
 *   )
 * ).pipe(Layer.provide(ResolverPool.layer))
 *
 * const program = Effect.gen(function* () {
 *   const { settings } = yield* load(undefined)
 *   return yield* standaloneLayerWith({ resolverPool: counted }).pipe(
 *     Layer.provide(Layer.mergeAll(Configuration.layer(settings), layerDatagrams(settings.datagrams))),
 *     Layer.launch
 *   )
 * })
 * ```
 *
 * @see {@link standaloneLayer} for the server as it is
 */
export const standaloneLayerWith = <PipelineError = never, PoolError = never>(
  rooms: Rooms<PipelineError, PoolError>
): Layer.Layer<Listeners | StandIn | Shared, SocketError | PipelineError | PoolError, Ground> =>
  serverLayerWith(rooms).pipe(
    Layer.provide(Layer.sync(ClientMemory, clientMemory)),
    Layer.provideMerge(Layer.mergeAll(AnswerCache.layer, FailureCache.layer)),
    Layer.provideMerge(Layer.mergeAll(Counters.layer, Latencies.layer))
  )

/**
 * A server of one thread, with all that is its own.
 *
 * **When to use**
 *
 * Use to run the server inside another program. It answers as long as the layer is open; when it closes, queries under
 * way are answered first.
 *
 * **Details**
 *
 * It runs in the thread that builds it, whatever the setting `workers` says, and takes no signals. The log is Effect's.
 *
 * **Example** (A server inside a program)
 *
 * ```ts
 * import { Effect, Layer } from "effect"
 * import { Configuration, layerDatagrams, Listeners, load, standaloneLayer } from "strand-dns"
 *
 * const program = Effect.gen(function* () {
 *   const { settings } = yield* load("strand.yaml")
 *   const server = standaloneLayer.pipe(
 *     Layer.provide(Layer.mergeAll(Configuration.layer(settings), layerDatagrams(settings.datagrams)))
 *   )
 *   return yield* Effect.gen(function* () {
 *     const listeners = yield* Listeners
 *     yield* Effect.log("answers", listeners.current())
 *     return yield* Effect.never
 *   }).pipe(Effect.provide(server))
 * })
 * ```
 *
 * @see {@link standaloneLayerWith} for a server with steps of the program's own
 * @see {@link layerStandaloneControl} for changing settings while it runs
 */
export const standaloneLayer: Layer.Layer<Listeners | StandIn | Shared, SocketError, Ground> = standaloneLayerWith({})
