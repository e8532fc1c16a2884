/**
 * The server as one layer: what is built first is closed last.
 *
 * Closing goes the way of a query: listeners stop, fibers finish, resolvers close, telemetry is flushed.
 */
import { randomBytes } from "node:crypto"
import { Context, Effect, Layer } from "effect"
import { AnswerCache } from "../cache/answer-cache.ts"
import { FailureCache } from "../cache/failure-cache.ts"
import { layerSharedTier } from "../cache/shared/shared-tier-layer.ts"
import { Configuration } from "../config/configuration.ts"
import type { Settings } from "../config/schema/settings.ts"
import { followDatabase, Geography, Locations, type Needs } from "../geo/geography.ts"
import type { DatagramTransport, SocketError } from "../io/datagram.ts"
import type { StreamTransport } from "../io/stream-transport.ts"
import { Listeners } from "../listener/listeners.ts"
import { QueryFibers } from "../listener/query-fibers.ts"
import { StandIn } from "../listener/stand-in.ts"
import { Coalescer } from "../query/exchange/coalescer.ts"
import { makeSharedCacheLookup } from "../query/exchange/shared-cache-lookup.ts"
import { Pipeline } from "../query/pipeline.ts"
import { LoopClock } from "../runtime/loop-clock.ts"
import { TimerWheel } from "../runtime/timer-wheel.ts"
import { Counters, counterMemory } from "../telemetry/counters.ts"
import { layerEventLog } from "../telemetry/event-log.ts"
import { FailureLog } from "../telemetry/failure-log.ts"
import { layerIncidents } from "../telemetry/incidents.ts"
import { Latencies } from "../telemetry/latencies.ts"
import { Traces } from "../telemetry/traces.ts"
import { slotsFor } from "../upstream/health/shared-state.ts"
import { LoopMark, ResolverPool } from "../upstream/resolver-pool.ts"
import { layerIdleGc } from "./idle-gc.ts"

/** An option from the range for local use (RFC 6891 §9) with a number of this process. */
const loopMark = Layer.sync(LoopMark, () => LoopMark.of({ code: 65_314, data: randomBytes(8) }))

const telemetry = Layer.mergeAll(Traces.layer, FailureLog.layer)

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

/** The counters of a server of one thread, by each upstream of the configuration. */
const counters = Layer.unwrap(
  Effect.map(Configuration, ({ current }) => Counters.layerOver(counterMemory(1, slotsFor(current())), 0))
)

/** What others than queries look at, and change: counters, latencies, what is kept. */
export type Shared = Counters | Latencies | AnswerCache | FailureCache

/** The server in one thread, over services that threads share or that are its own. */
export const serverLayer: Layer.Layer<
  Listeners | StandIn,
  SocketError,
  Configuration | DatagramTransport | StreamTransport | Shared
> = Layer.mergeAll(Listeners.layer, StandIn.layer, layerIdleGc).pipe(
  Layer.provide(QueryFibers.layer),
  Layer.provide(Pipeline.layer),
  Layer.provide(Coalescer.layer(makeSharedCacheLookup)),
  Layer.provide(layerSharedTier),
  Layer.provide(ResolverPool.layer),
  Layer.provide(telemetry),
  Layer.provide(Layer.mergeAll(TimerWheel.layer, loopMark, geography)),
  Layer.provide(LoopClock.layer),
  Layer.provide(Layer.mergeAll(layerEventLog, layerIncidents))
)

/** A server of one thread, with all that is its own. */
export const standaloneLayer: Layer.Layer<
  Listeners | StandIn | Shared,
  SocketError,
  Configuration | DatagramTransport | StreamTransport
> = serverLayer.pipe(
  Layer.provideMerge(Layer.mergeAll(AnswerCache.layer, FailureCache.layer)),
  Layer.provideMerge(Layer.mergeAll(counters, Latencies.layer))
)
