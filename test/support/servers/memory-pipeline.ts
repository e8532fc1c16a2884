/** The pipeline without listeners: packets are the test's, upstreams are in memory, traces are records that were taken. */
import { Context, Effect, Layer, Logger, type Scope } from "effect"
import { AnswerCache } from "../../../src/cache/answer-cache.ts"
import { FailureCache } from "../../../src/cache/failure-cache.ts"
import { layerSharedTier } from "../../../src/cache/shared/shared-tier-layer.ts"
import { Configuration } from "../../../src/config/configuration.ts"
import { Geography, Locations } from "../../../src/geo/geography.ts"
import { StreamTransport } from "../../../src/io/stream-transport.ts"
import { Coalescer } from "../../../src/query/exchange/coalescer.ts"
import { makeExchangeSteps } from "../../../src/query/exchange/exchange-steps.ts"
import { Pipeline } from "../../../src/query/pipeline.ts"
import type { Transport } from "../../../src/query/transport.ts"
import { LoopClock } from "../../../src/runtime/loop-clock.ts"
import { TimerWheel } from "../../../src/runtime/timer-wheel.ts"
import { Counters } from "../../../src/telemetry/counters.ts"
import { layerEventLog } from "../../../src/telemetry/event-log.ts"
import { FailureLog } from "../../../src/telemetry/failure-log.ts"
import { layerIncidents } from "../../../src/telemetry/incidents.ts"
import { Latencies } from "../../../src/telemetry/latencies.ts"
import { newTrace } from "../../../src/telemetry/query-trace.ts"
import type { QueryRecord } from "../../../src/telemetry/record.ts"
import { Traces } from "../../../src/telemetry/traces.ts"
import { LoopMark, ResolverPool } from "../../../src/upstream/resolver-pool.ts"
import { FakePacket } from "./fake-packet.ts"
import type { MemoryNetwork } from "./memory-network.ts"
import { settle } from "./memory-server.ts"
import { settingsOf } from "./settings.ts"

/** The mark by which the server knows its own queries. */
export const OWN_MARK = { code: 65_314, data: Uint8Array.of(1, 2, 3, 4, 5, 6, 7, 8) }

export interface MemoryPipeline {
  readonly counters: Counters["Service"]
  /** Handles a message, and all that follows without time passing. */
  readonly handle: (wire: Uint8Array, transport?: Transport) => Effect.Effect<FakePacket, never, Scope.Scope>
  /** How often it was asked whether a query is picked. */
  readonly timesPicked: () => number
  /** The records of picked queries, in the order in which these were over. */
  readonly records: ReadonlyArray<QueryRecord>
}

/**
 * @param upstreams ports at 192.0.2.53
 * @param isPicked whether queries are traced
 */
export const memoryPipeline = (
  network: MemoryNetwork,
  upstreams: ReadonlyArray<number>,
  settings: Record<string, string> = {},
  isPicked = true
): Effect.Effect<MemoryPipeline, never, Scope.Scope> =>
  Effect.gen(function* () {
    const records: Array<QueryRecord> = []
    let timesPicked = 0
    const traces = Layer.succeed(Traces, {
      picks: () => {
        timesPicked++
        return isPicked
      },
      begin: () => newTrace("sampler"),
      finish: (record) => {
        if (record.trace !== undefined) records.push(record)
      }
    })
    const configuration = Configuration.layer(
      settingsOf({
        DNS_SERVER_UPSTREAMS: upstreams.map((port) => `192.0.2.53:${port}`).join(","),
        DNS_SERVER_UPSTREAM_POLICY: "ordered",
        ...settings
      })
    )
    const context = yield* Layer.build(
      Pipeline.layer.pipe(
        Layer.provide(Coalescer.layer(makeExchangeSteps)),
        Layer.provide(layerSharedTier),
        Layer.provide(ResolverPool.layer),
        Layer.provide(Layer.mergeAll(traces, FailureLog.layer, TimerWheel.layer, mark, nowhere)),
        Layer.provide(LoopClock.layer),
        Layer.provide(Layer.mergeAll(layerEventLog, layerIncidents)),
        Layer.provide(Layer.mergeAll(AnswerCache.layer, FailureCache.layer)),
        Layer.provideMerge(Layer.mergeAll(Counters.layer, Latencies.layer)),
        Layer.provide(Layer.mergeAll(configuration, network.layer, noStreams, Logger.layer([])))
      )
    )
    const pipeline = Context.get(context, Pipeline)
    return {
      counters: Context.get(context, Counters),
      handle: (wire: Uint8Array, transport?: Transport) =>
        Effect.gen(function* () {
          const packet = new FakePacket(wire, transport)
          pipeline.beginBatch()
          yield* Effect.forkScoped(pipeline.handle(packet))
          yield* settle
          pipeline.endBatch()
          return packet
        }),
      timesPicked: () => timesPicked,
      records
    }
  }).pipe(Effect.orDie)

const mark = Layer.succeed(LoopMark, OWN_MARK)

const nowhere = Layer.succeed(
  Geography,
  Geography.over(() => new Locations(undefined), Effect.void)
)

const noStreams = Layer.succeed(StreamTransport, {
  listen: () => Effect.die(new Error("no connections in memory"))
})
