/**
 * Hands out resolvers to pending queries.
 *
 * Effect's `Pool` owns the resolvers: it acquires them, and replaces one that is invalidated. The pool has slots, each
 * with one lease of a resolver; which slot takes a question, round-robin or least-busy, is decided here, for `Pool`
 * itself always lends the one returned last. The questions of one batch go to one slot, so that they leave in one
 * batch.
 */
import { Context, Effect, Exit, FiberSet, Layer, Pool, Scope, Semaphore } from "effect"
import { answerRulesOf } from "../config/answer-rules.ts"
import { Configuration } from "../config/configuration.ts"
import type { SettingName } from "../config/schema/settings.ts"
import type { Option } from "../dns/question.ts"
import type { Geography } from "../geo/geography.ts"
import type { DatagramTransport } from "../io/datagram.ts"
import { Incidents } from "../runtime/incidents.ts"
import { LoopClock } from "../runtime/loop-clock.ts"
import { Operations } from "../runtime/operations.ts"
import { TimerWheel } from "../runtime/timer-wheel.ts"
import { Counters } from "../telemetry/counters.ts"
import { Gauges } from "../telemetry/gauges.ts"
import type { Begin } from "./answer.ts"
import { Resolution, type ResolutionOptions } from "./attempt/resolution.ts"
import { Resolver } from "./attempt/resolver.ts"
import { RetryBudget } from "./attempt/retry-budget.ts"
import { makeRetryPlans } from "./attempt/retry-schedule.ts"
import { HealthMonitor } from "./health/monitor.ts"
import { probeByHand } from "./health/probe-by-hand.ts"
import { commonState, SharedUpstreams, slotsFor, upstreamMemory } from "./health/shared-state.ts"
import { makeTopology } from "./topology.ts"
import { makeTraceOption } from "./trace-option.ts"
import { mixesCase } from "./transport/case-support.ts"

/** The most questions of one batch that one resolver takes. */
const MAX_RUN = 32
/** Resolvers that there are at most, those included whose last exchanges are not over. */
const MAX_RESOLVERS = 4096
/** One that no slot leases any more is closed after so long. */
const IDLE_RESOLVERS_LIVE = "1 second"
/**
 * An exchange ends this long before the deadline of the query that began it, so that its record is complete by then.
 */
export const ENDS_BEFORE_MS = 20
/** Larger rcodes do not fit the four bits of a header (RFC 6891 §6.1.3). */
const MAX_PLAIN_RCODE = 15

/** The settings by which a question is resolved, beside the upstreams. */
const RESOLUTION_SETTINGS = [
  "attemptTimeoutMs",
  "retries",
  "queryTimeoutSecs",
  "maxQueriesPerUpstream",
  "failoverRcodes"
] as const satisfies ReadonlyArray<SettingName>

interface Slot {
  resolver: Resolver
  lease: Scope.Closeable
}

/** The EDNS option that marks this server's own queries, so that one that comes back in a loop is recognised. */
export class LoopMark extends Context.Service<LoopMark, Option>()("strand/upstream/LoopMark") {}

/**
 * Carries questions to the upstreams.
 *
 * **When to use**
 *
 * Use to put a step around the upstreams, or an upstream of one's own in their place, by {@link standaloneLayerWith}.
 *
 * **Details**
 *
 * It is asked what is neither answered here nor kept: once for all who ask the same at the same time. `begin` returns at
 * once and tells the asker of the outcome once, at once or later, and not after `abandon`. The answer is cached by its
 * TTL; what it gives is not checked any more, so make it by {@link beginBy}.
 *
 * **Example** (One zone answered here, all else passed on)
 *
 * ```ts
 * import { Effect, Layer } from "effect"
 * import { beginBy, isAtOrBelow, messageFor, parseName, ResolverPool, Type } from "strand-dns"
 *
 * const zone = parseName("corp.example.com")!
 *
 * const step = Layer.effect(
 *   ResolverPool,
 *   Effect.gen(function* () {
 *     const upstreams = yield* ResolverPool
 *     const own = yield* beginBy((question) =>
 *       Effect.succeed(
 *         messageFor(question, [{ type: Type.A, ttlSeconds: 60, data: Uint8Array.of(192, 0, 2, 1) }])
 *       )
 *     )
 *     return ResolverPool.of({
 *       begin: (question, record, asker) => {
 *         const begin = isAtOrBelow(question.name, zone) ? own : upstreams.begin
 *         return begin(question, record, asker)
 *       }
 *     })
 *   })
 * ).pipe(Layer.provide(ResolverPool.layer))
 * ```
 *
 * @see {@link beginBy} for a `begin` made of an effect
 */
export class ResolverPool extends Context.Service<
  ResolverPool,
  {
    /** Begins to carry one question to the upstreams. Fails when the deadline passes or no upstream is left to ask. */
    readonly begin: Begin
  }
>()("strand/upstream/ResolverPool") {
  static readonly layer: Layer.Layer<
    ResolverPool,
    never,
    Configuration | Counters | TimerWheel | LoopClock | DatagramTransport | LoopMark | Geography
  > = Layer.effect(
    ResolverPool,
    Effect.gen(function* () {
      const configuration = yield* Configuration
      const counters = yield* Counters
      const wheel = yield* TimerWheel
      const clock = yield* LoopClock
      const scope = yield* Effect.scope
      const shared = (yield* SharedUpstreams) ?? {
        memory: upstreamMemory(slotsFor(configuration.current())),
        worker: 1
      }
      const topology = yield* makeTopology(shared)
      const pool = yield* Pool.makeWithTTL({
        acquire: Resolver.make({
          rules: answerRulesOf(configuration),
          counters,
          connections: topology.connections,
          addressResolvers: topology.addressResolvers,
          silenceMs: () => configuration.current().attemptTimeoutMs,
          mixesCase: ({ isOnLoopback }) => mixesCase(configuration.current().mixCase, isOnLoopback),
          sendsCookies: () => configuration.current().upstreamCookies,
          clock,
          loopOptions: [yield* LoopMark],
          traceOption: yield* makeTraceOption
        }),
        min: 0,
        max: MAX_RESOLVERS,
        timeToLive: IDLE_RESOLVERS_LIVE
      })

      const take = Effect.gen(function* () {
        const lease = yield* Scope.fork(scope)
        return { resolver: yield* Pool.get(pool).pipe(Scope.provide(lease)), lease } satisfies Slot
      })
      const slots: Array<Slot> = yield* Effect.replicateEffect(take, configuration.current().actorPoolSize)

      /** Puts a new resolver into the slot of one that failed. The old lease is over when its last exchange is. */
      const replace = Effect.fnUntraced(function* (slot: Slot) {
        const { resolver, lease } = slot
        resolver.isBroken = false
        yield* Pool.invalidate(pool, resolver)
        const fresh = yield* take
        slot.resolver = fresh.resolver
        slot.lease = fresh.lease
        yield* resolver.drained
        yield* Scope.close(lease, Exit.void)
      })

      const runFork = yield* FiberSet.makeRuntime<DatagramTransport>()
      const alone = yield* Semaphore.make(1)
      const grow = Effect.gen(function* () {
        while (slots.length < configuration.current().actorPoolSize) slots.push(yield* take)
      })
      /** Gives the lease back when the last exchange is over. */
      const dismiss = ({ lease, resolver }: Slot) => Effect.andThen(resolver.drained, Scope.close(lease, Exit.void))
      yield* configuration.follow(["actorPoolSize"], ({ actorPoolSize }) => {
        for (const spare of slots.splice(actorPoolSize)) runFork(dismiss(spare))
        runFork(alone.withPermits(1)(grow))
      })
      const gauges = yield* Gauges
      gauges.register("resolvers", () => slots.length)
      gauges.register("resolvers.busy", () => slots.filter(({ resolver }) => resolver.inFlight > 0).length)
      gauges.register("exchanges", () => slots.reduce((sum, { resolver }) => sum + resolver.inFlight, 0))
      gauges.before(() => {
        for (const { observer, inFlight } of topology.upstreams()) observer.noteInFlight(inFlight)
      })
      let slot = slots[0]!
      let latest = 0
      let run = 0
      let slotBatch = -1
      /** The slot for the next question: that of the batch, up to `MAX_RUN` questions. */
      const choose = (): Slot => {
        if (slotBatch === clock.count() && ++run < MAX_RUN && !slot.resolver.isBroken) return slot
        slotBatch = clock.count()
        run = 0
        latest = (latest + 1) % slots.length
        slot = slots[latest]!
        if (configuration.current().poolStrategy === "least-busy") {
          for (const other of slots) if (other.resolver.inFlight < slot.resolver.inFlight) slot = other
        }
        if (slot.resolver.isBroken) runFork(replace(slot))
        return slot
      }
      const health = new HealthMonitor({
        wheel,
        incidents: yield* Incidents,
        counters,
        attemptTimeoutMs: () => configuration.current().attemptTimeoutMs,
        random: Math.random,
        upstreams: topology.upstreams,
        common: commonState(shared.memory),
        begin: (attempt) => choose().resolver.begin(attempt)
      })
      const operations = yield* Operations
      operations.probe = (name) =>
        Effect.suspend(() => {
          const upstream = topology.upstreams().find((candidate) => candidate.name === name)
          if (upstream === undefined) return Effect.undefined
          clock.begin()
          const withinMs = configuration.current().attemptTimeoutMs
          return probeByHand(upstream, wheel, withinMs, (attempt) => choose().resolver.begin(attempt))
        })
      const budget = new RetryBudget()
      /** What a question that begins now is resolved by, to its end. */
      const options = yield* configuration.derive(RESOLUTION_SETTINGS, (settings) =>
        Effect.gen(function* () {
          const { attemptTimeoutMs, retries } = settings
          const failover = new Set(settings.failoverRcodes)
          const made: ResolutionOptions = {
            wheel,
            counters,
            budget,
            health,
            attemptTimeoutMs,
            retries,
            deadlineMs: settings.queryTimeoutSecs * 1000 - ENDS_BEFORE_MS,
            maxInFlight: settings.maxQueriesPerUpstream,
            failsOver: (rcode) => failover.has(rcode) || rcode > MAX_PLAIN_RCODE,
            nextPlan: yield* makeRetryPlans(attemptTimeoutMs, retries)
          }
          return made
        })
      )
      const begin: Begin = (question, record, asker) => {
        const group = topology.groupOf(question.view)
        const resolution = new Resolution(choose().resolver, group, question, record, options.current, asker)
        resolution.begin()
        return resolution
      }
      return ResolverPool.of({ begin })
    })
  )
}
