/**
 * Which queries leave a trace.
 *
 * The sampler picks queries at their start, whatever becomes of them, as does a client that is trusted to say that a query
 * belongs to a trace. Failed, shed, slow and stale ones are kept besides, up to a number a second; and the query for
 * whose exchange a traced one waited, so that its attempts are seen. The trace is built (`trace-tree.ts`) off the query's
 * way.
 */
import { Context, Effect, Layer, Result } from "effect"
import { IpNetwork, NetAddress } from "effect/net"
import type { Sampling } from "../config/codec/sampling.ts"
import { Configuration } from "../config/configuration.ts"
import { rcodeName } from "../dns/codes.ts"
import type { Query } from "../dns/query.ts"
import { formatQuestion } from "../dns/question.ts"
import { readTraceContext, type TraceContext } from "../dns/trace-context.ts"
import type { Peer } from "../io/peer.ts"
import { LoopClock } from "../runtime/loop-clock.ts"
import { Counters } from "./counters.ts"
import { EventLog } from "./event-log.ts"
import { TRACE_SETTINGS, TraceSender } from "./otlp/targets.ts"
import { isEarly } from "./query-outcome.ts"
import { type KeptFor, newTrace, type QueryTrace } from "./query-trace.ts"
import type { QueryRecord } from "./record.ts"
import { ServerInstance } from "./server-instance.ts"
import { SlowQueries } from "./slow-queries.ts"
import { leaderOf, traceOf } from "./trace-tree.ts"

/** Queries that are kept for what became of them, a second at most: an outage must not become a flood of traces. */
const MAX_NOTABLE_PER_SECOND = 100
/** Traces that wait to be built at most. */
const MAX_WAITING = 2048
/** Traces built in one turn of the event loop. */
const BUILD_SLICE = 16

export class Traces extends Context.Service<
  Traces,
  {
    /** Whether the query that begins now is picked. */
    readonly picks: (query: Query, client: Peer) => boolean
    /** The ids of the query that was picked just now. */
    readonly begin: () => QueryTrace
    /** Takes the record of a query that is over. */
    readonly finish: (record: QueryRecord) => void
  }
>()("strand/telemetry/Traces") {
  static readonly layer: Layer.Layer<Traces, never, Configuration | Counters | LoopClock> = Layer.effect(
    Traces,
    Effect.gen(function* () {
      const configuration = yield* Configuration
      const counters = yield* Counters
      const clock = yield* LoopClock
      const events = yield* EventLog
      const { worker } = yield* ServerInstance
      const slow = yield* SlowQueries
      const makeSender = yield* TraceSender
      // Without a collector nobody would see them.
      const sender = yield* configuration.derive(TRACE_SETTINGS, makeSender)
      /** What the client of the query that was picked just now said. */
      let context: TraceContext | undefined
      const sampler = yield* configuration.derive(
        ["traceSampling", "traceContextFrom", "traceContextOption"],
        ({ traceSampling, traceContextFrom, traceContextOption: code }) =>
          Effect.sync((): Picks => {
            const sample = makeSampler(traceSampling, clock.nowMs)
            if (traceContextFrom.length === 0) return sample
            return (query, client) => {
              const said = readTraceContext(query.wire, query.optionsStart, query.optionsEnd, code)
              context = said !== undefined && isIn(traceContextFrom, client.address) ? said : undefined
              return context !== undefined || sample()
            }
          })
      )
      const mayKeep = makeSampler({ kind: "rate", perSecond: MAX_NOTABLE_PER_SECOND }, clock.nowMs)
      const waiting: Array<QueryRecord> = []
      let isScheduled = false

      const buildAll = (records: ReadonlyArray<QueryRecord>): void => {
        const { current } = sender
        if (current === undefined) return
        for (const record of records) current(traceOf(record, record.trace!, worker, clock.wallMs))
      }
      const build = (): void => {
        isScheduled = false
        buildAll(waiting.splice(0, BUILD_SLICE))
        schedule()
      }
      const schedule = (): void => {
        if (isScheduled || waiting.length === 0) return
        isScheduled = true
        setImmediate(build)
      }
      yield* Effect.addFinalizer(() =>
        Effect.sync(() => {
          buildAll(waiting.splice(0))
        })
      )
      const take = (record: QueryRecord, keptFor: KeptFor): void => {
        record.trace ??= newTrace(keptFor)
        if (record.trace.isTaken) return
        record.trace.isTaken = true
        if (waiting.length >= MAX_WAITING) {
          counters.add("traces.dropped")
          return
        }
        waiting.push(record)
        schedule()
      }
      return Traces.of({
        picks: (query, client) => sender.current !== undefined && sampler.current(query, client),
        begin: () => {
          const found = context
          context = undefined
          return newTrace(found === undefined ? "sampler" : "context", found)
        },
        finish: (record) => {
          if (events.trace !== undefined && isAskedFor(record)) events.trace(...lineOf(record))
          const tookMs = record.endedMs - record.startedMs
          const isSlow = slow.isExceededBy(tookMs)
          if (wasAsked(record)) slow.observe(tookMs)
          if (sender.current === undefined) return
          const keptFor = record.trace?.keptFor ?? reasonToKeep(record, isSlow)
          if (keptFor === undefined || (record.trace === undefined && !mayKeep())) return
          const leader = leaderOf(record)
          // One that is not over yet is taken when it is: it is known to be traced from now on.
          if (leader !== undefined) {
            if (leader.endedMs === 0) leader.trace ??= newTrace("followed")
            else take(leader, "followed")
          }
          take(record, keptFor)
        }
      })
    })
  ).pipe(Layer.provide(SlowQueries.layer))
}

type Picks = (query: Query, client: Peer) => boolean

/** Only of clients that send a context is it asked. */
const isIn = (networks: ReadonlyArray<IpNetwork.IpNetwork>, client: string): boolean => {
  const address = NetAddress.ipFromString(client.split("%", 1)[0]!)
  if (Result.isFailure(address)) return false
  const canonical = NetAddress.toCanonical(address.success)
  return networks.some((network) => IpNetwork.contains(network, canonical))
}

/** Why a query is kept though nobody picked it; undefined where it is not. */
const reasonToKeep = (record: QueryRecord, isSlow: boolean): KeptFor | undefined => {
  if (record.errorType === "shed") return "shed"
  if (record.error !== "") return "failed"
  if (record.outcome === "stale") return "stale"
  return isSlow ? "slow" : undefined
}

/** Whether upstreams were asked by this very query. */
const wasAsked = ({ coalesced, outcome, resolution }: QueryRecord): boolean =>
  outcome === "miss" && !coalesced && resolution !== undefined && resolution.attempts.length > 0

/** Whether the query was not over with the policy or with a hit: those leave a record only where they are picked. */
const isAskedFor = (record: QueryRecord): boolean => record.outcome !== "hit" && !isEarly(record)

/** A query that was not answered from the cache alone, for the log at the level `trace`. */
const lineOf = (record: QueryRecord): readonly [message: string, fields: Record<string, unknown>] => [
  `query: ${formatQuestion(record.question)}`,
  {
    client: record.client.address,
    client_name: record.client.clientName,
    transport: record.transport,
    cache: record.outcome,
    rcode: rcodeName(record.rcode),
    milliseconds: Math.round(record.endedMs - record.startedMs),
    attempts: record.resolution?.attempts.map(({ upstream, outcome }) => `${upstream.name} ${outcome}`),
    reason: record.error
  }
]

/** A rate is kept second by second: the first N of each are picked. */
const makeSampler = (sampling: Sampling, nowMs: () => number): (() => boolean) => {
  switch (sampling.kind) {
    case "always":
      return () => true
    case "never":
      return () => false
    case "ratio":
      return () => Math.random() < sampling.ratio
    case "rate": {
      let endMs = Number.NEGATIVE_INFINITY
      let picked = 0
      return () => {
        if (picked >= sampling.perSecond || endMs === Number.NEGATIVE_INFINITY) {
          const now = nowMs()
          if (now < endMs) return false
          endMs = now + 1000
          picked = 0
        }
        picked++
        return true
      }
    }
  }
}
