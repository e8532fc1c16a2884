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
import { LiveUpstreams } from "../config/live-upstreams.ts"
import type { Settings } from "../config/schema/settings.ts"
import { Geography, type Locations, type Needs } from "../geo/geography.ts"
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
import { layerTracer } from "../telemetry/tracer.ts"
import { Traces } from "../telemetry/traces.ts"
import { slotsFor } from "../upstream/health/shared-state.ts"
import { LoopMark, ResolverPool } from "../upstream/resolver-pool.ts"
import { layerIdleGc } from "./idle-gc.ts"

/** An option from the range for local use (RFC 6891 §9) with a number of this process. */
const loopMark = Layer.sync(LoopMark, () => LoopMark.of({ code: 65_314, data: randomBytes(8) }))

const telemetry = Layer.mergeAll(Traces.layer, FailureLog.layer).pipe(Layer.provide(layerTracer))

/** Locations that another thread gives this one; undefined where this one follows the database itself. */
export const GivenLocations: Context.Reference<Locations | undefined> = Context.Reference<Locations | undefined>(
  "strand/process/GivenLocations",
  { defaultValue: () => undefined }
)

/** What the configuration needs locations for. */
export const locationsNeeded = ({ groups, localAnswers, rules, upstreamPolicy }: Settings): Needs => ({
  continents: [...rules, ...localAnswers].some((rule) => rule.continents.length > 0),
  coordinates: upstreamPolicy === "geo" || groups.some(({ policy }) => policy === "geo")
})

/** Locations, where the configuration names a database. */
const geography = Layer.unwrap(
  Effect.gen(function* () {
    const config = yield* Configuration
    const given = yield* GivenLocations
    if (config.geoDatabase === undefined) return Geography.none
    return given === undefined
      ? Geography.layerOf(config.geoDatabase, locationsNeeded(config))
      : Geography.layerGiven(given)
  })
)

/** The counters of a server of one thread, by each upstream of the configuration. */
const counters = Layer.unwrap(
  Effect.map(Configuration, (settings) => Counters.layerOver(counterMemory(1, slotsFor(settings)), 0))
)

/** The services that are looked at, and changed, from outside: counters, latencies, caches, upstreams in use. */
export type Shared = Counters | Latencies | AnswerCache | FailureCache | LiveUpstreams

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
  Layer.provideMerge(Layer.mergeAll(AnswerCache.layer, FailureCache.layer, LiveUpstreams.layer)),
  Layer.provideMerge(Layer.mergeAll(counters, Latencies.layer))
)
