/**
 * The pipeline: all steps of a packet, in order. Read it; check the client; answer from local answers, special names or
 * the cache; else make it a pending query, which takes a permit, joins the exchange of an equal question or begins one,
 * and is answered.
 *
 * Hot path up to the cache hit: nothing there waits, so the packet's fiber is over when it returns. Every failure and
 * every defect after the question was read becomes a reply: no query is left without one.
 */
import { Context, Effect, Layer } from "effect"
import { AnswerCache } from "../cache/answer-cache.ts"
import { FailureCache } from "../cache/failure-cache.ts"
import type { Key } from "../cache/table/key.ts"
import type { CachedAnswer } from "../cache/table/table.ts"
import { Configuration } from "../config/configuration.ts"
import type { ClientContext } from "../dns/client-context.ts"
import { Flag, Rcode, Type } from "../dns/codes.ts"
import type { OwnAnswer } from "../dns/own-answer.ts"
import { findOption, Query, readQuery, Verdict } from "../dns/query.ts"
import { questionOf } from "../dns/question.ts"
import type { AnswerMessage, ErrorReason } from "../dns/reply.ts"
import { u16 } from "../dns/wire.ts"
import { Geography } from "../geo/geography.ts"
import { compilePolicy, POLICY_SETTINGS, type Policy } from "../policy/policy.ts"
import { LoopClock } from "../runtime/loop-clock.ts"
import { inSlices } from "../runtime/slices.ts"
import { TimerWheel } from "../runtime/timer-wheel.ts"
import { Counters } from "../telemetry/counters.ts"
import { FailureLog } from "../telemetry/failure-log.ts"
import { Gauges } from "../telemetry/gauges.ts"
import { Latencies } from "../telemetry/latencies.ts"
import type { EarlyOutcome } from "../telemetry/query-outcome.ts"
import { RecentQueries } from "../telemetry/recent-queries/notes.ts"
import { NO_RCODE, type QueryRecord } from "../telemetry/record.ts"
import { Traces } from "../telemetry/traces.ts"
import { LoopMark } from "../upstream/resolver-pool.ts"
import { makeAdmission } from "./admission/admission.ts"
import { type LimitAction, QUERY_RATE_SETTINGS, QueryRates } from "./admission/query-rates.ts"
import { RateTable } from "./admission/rate-table.ts"
import { ClientMemory, cookieSecretIn, hashKeyIn, QUERY_RATES_AT } from "./client-memory.ts"
import { Coalescer } from "./exchange/coalescer.ts"
import { Refresher } from "./exchange/refresher.ts"
import { ServeStale } from "./exchange/serve-stale.ts"
import { looped, overRate, ownFault, prohibited } from "./extended-errors.ts"
import type { Packet, ReplyPath } from "./packet.ts"
import { PendingQuery, type PendingQueryTools } from "./pending-query.ts"
import { newRecord } from "./record.ts"
import { sendAnswer, sendError, sendRefused, sendTruncated, sentFlags } from "./reply-sender.ts"
import { readTransportOptions } from "./transport.ts"

/**
 * Handles packets: from a message of a client to its answer.
 *
 * **When to use**
 *
 * Use to put a step before the cache, by {@link standaloneLayerWith}: one that refuses, drops or counts queries.
 *
 * **Details**
 *
 * A step here sees every packet before anything else does: malformed ones, and those of clients outside `allow`. What it
 * does costs every query, those that the cache answers too.
 *
 * **Gotchas**
 *
 * `handle` is called once for a packet that holds one message after the other, and the effect that it returns runs for
 * each of them: look at the message in the effect. What the packet holds is good until the effect suspends; for a reply
 * later `keepPath` is called before.
 *
 * **Example** (One name refused)
 *
 * ```ts
 * import { Effect, Layer } from "effect"
 * import { formatName, Pipeline, Query, Rcode, readQuery, sendError, Verdict } from "strand-dns"
 *
 * const guarded = Layer.effect(
 *   Pipeline,
 *   Effect.map(Pipeline, (inner) => {
 *     const query = new Query()
 *     return Pipeline.of({
 *       ...inner,
 *       handle: (packet) => {
 *         const goOn = inner.handle(packet)
 *         return Effect.suspend(() => {
 *           if (readQuery(query, packet.wire, packet.length) !== Verdict.Accept) return goOn
 *           const name = formatName(packet.wire.subarray(12, 12 + query.nameLength))
 *           if (name.toLowerCase() !== "ads.example.com") return goOn
 *           return Effect.sync(() => sendError(packet, query, Rcode.Refused))
 *         })
 *       }
 *     })
 *   })
 * ).pipe(Layer.provide(Pipeline.layer))
 * ```
 */
export class Pipeline extends Context.Service<
  Pipeline,
  {
    /**
     * Answers the message that the packet holds when the effect runs. Never fails. It completes at once unless the
     * answer has to be asked for; its result is not used.
     */
    readonly handle: (packet: Packet) => Effect.Effect<unknown>
    /** To be called before the messages of a batch are handled: time has passed. */
    readonly beginBatch: () => void
    /** To be called when all messages of the batch have been begun. */
    readonly endBatch: () => void
  }
>()("strand/query/Pipeline") {
  static readonly layer: Layer.Layer<
    Pipeline,
    never,
    | Configuration
    | AnswerCache
    | FailureCache
    | Coalescer
    | Counters
    | Latencies
    | Traces
    | TimerWheel
    | LoopClock
    | LoopMark
    | FailureLog
    | Geography
  > = Layer.effect(
    Pipeline,
    Effect.gen(function* () {
      const configuration = yield* Configuration
      const cache = yield* AnswerCache
      const failures = yield* FailureCache
      const coalescer = yield* Coalescer
      const counters = yield* Counters
      const latencies = yield* Latencies
      const traces = yield* Traces
      const wheel = yield* TimerWheel
      const clock = yield* LoopClock
      const loopMark = yield* LoopMark
      const log = yield* FailureLog
      const geography = yield* Geography
      const recent = yield* RecentQueries
      const memory = yield* ClientMemory
      const cookieSecret = cookieSecretIn(memory)
      const live = yield* configuration.derive(POLICY_SETTINGS, (settings) =>
        inSlices(() => compilePolicy(settings, geography, cookieSecret))
      )
      const rateTable = new RateTable(memory, QUERY_RATES_AT)
      const limits = yield* configuration.derive(QUERY_RATE_SETTINGS, (settings) =>
        Effect.sync(() => QueryRates.of(settings, rateTable, hashKeyIn(memory)))
      )
      const admission = yield* makeAdmission(configuration.current(), wheel)
      yield* configuration.follow(["maxConcurrentQueries", "maxQueuedQueries"], admission.resize)
      const gauges = yield* Gauges
      gauges.register("permits.used", admission.held)
      gauges.register("queue.length", admission.waiting)
      const serveStale = new ServeStale(cache, clock, configuration)
      const refresher = new Refresher(admission, coalescer, clock, serveStale, configuration)
      const tools = yield* configuration.derive(["queryTimeoutSecs"], ({ queryTimeoutSecs }) =>
        Effect.succeed<PendingQueryTools>({
          admission,
          cache,
          coalescer,
          counters,
          latencies,
          traces,
          recent,
          clock,
          log,
          serveStale,
          refresher,
          deadlineMs: queryTimeoutSecs * 1000
        })
      )
      const query = new Query()
      /** Answers of this batch that came from the cache, and replies that came before it was asked. */
      let hits = 0
      let early = 0

      /** Of a query that is over before the cache was asked. */
      const endEarly = (
        packet: ReplyPath,
        startedMs: number,
        outcome: EarlyOutcome,
        rcode: number,
        size: number,
        isPicked: boolean,
        reason?: ErrorReason
      ): void => {
        early++
        recent.note(packet.client, packet.transport.protocol, query, outcome, rcode, size, startedMs)
        if (!isPicked) return
        const endedMs = clock.preciseMs()
        const record = newRecord(packet, questionOf(query), startedMs, endedMs, outcome, undefined, traces.begin())
        record.endedMs = endedMs
        record.rcode = rcode
        record.flags = rcode === NO_RCODE ? 0 : sentFlags()
        record.reason = reason
        traces.finish(record)
      }

      /** Says so to a client that may not ask, where it is told; returns the octets that are sent. */
      const deny = (packet: Packet, isTold: boolean): number => {
        counters.add("queries.denied")
        if (isTold) return sendRefused(packet, query, prohibited)
        packet.drop()
        return 0
      }

      const answerOwn = (
        packet: Packet,
        own: OwnAnswer,
        outcome: "local" | "special",
        startedMs: number,
        isPicked: boolean
      ): Effect.Effect<void> => {
        countOwn(sendAnswer(packet, query, own, own.ttlSeconds), packet, startedMs, outcome, rcodeOf(own), isPicked)
        return Effect.void
      }

      /** Counts an answer of this server's own, so many octets long. */
      const countOwn = (
        size: number,
        packet: Packet,
        startedMs: number,
        outcome: "local" | "special",
        rcode: number,
        isPicked: boolean
      ): void => {
        counters.add("answers.local")
        if (size > 0) counters.add("answers.sent")
        endEarly(packet, startedMs, outcome, rcodeOfSent(size, rcode), size, isPicked)
      }

      /** Gives a client beyond its rate what it gets; returns the octets that are sent. */
      const limit = (packet: Packet, action: LimitAction, isProven: boolean): number => {
        counters.add("queries.limited")
        if (action === "drop") {
          packet.drop()
          return 0
        }
        // Whoever has the address may not be who sent the query: the reply is no longer than it.
        if (!isProven) {
          query.cookie = undefined
          query.nsid = undefined
        }
        if (action === "truncate" && !packet.transport.isAddressProven) return sendTruncated(packet, query)
        return sendRefused(packet, query, overRate)
      }

      /** Reads what the query says of its client; returns the verdict on it, which a cookie that is none changes. */
      const readClient = (packet: Packet, verdict: number, policy: Policy): number => {
        if (query.asksNsid) query.nsid = policy.nsid
        if (policy.readCookie === undefined) return verdict === Rcode.NoError ? Rcode.FormErr : verdict
        if (query.cookieStart === 0 || verdict === Rcode.FormErr) return verdict
        // By the time of day as it is now, which other servers have too.
        const state = policy.readCookie(query, packet.client, Date.now())
        if (state === "malformed") return Rcode.FormErr
        counters.add(`cookies.${state}`)
        // Who asks for nothing but a cookie is told that his is not good (RFC 7873 §5.4).
        return verdict === Rcode.NoError && state === "invalid" ? Rcode.BadCookie : verdict
      }

      const handle = (packet: Packet): Effect.Effect<unknown> => {
        counters.add(packet.transport.counter)
        let verdict = readQuery(query, packet.wire, packet.length)
        const { traffic } = packet.transport
        if (verdict === Verdict.Drop) {
          traffic.receivedUnread(packet.length)
          counters.add("queries.dropped")
          packet.drop()
          return Effect.void
        }
        if (query.optionsEnd > query.optionsStart) readTransportOptions(query, packet.transport)
        if (query.nameLength === 0) traffic.receivedUnread(packet.length)
        else traffic.received(query.type, packet.length)
        const isPicked = traces.picks(query, packet.client)
        const startedMs = isPicked ? clock.preciseMs() : clock.nowMs()
        const policy = live.current
        if (!policy.mayAsk(packet.client)) {
          const { refuses } = policy
          const size = deny(packet, refuses)
          const reason = refuses ? prohibited : undefined
          endEarly(packet, startedMs, "denied", refuses ? Rcode.Refused : NO_RCODE, size, isPicked, reason)
          return Effect.void
        }
        if (query.optionsEnd > query.optionsStart) verdict = readClient(packet, verdict, policy)
        const isProven = packet.transport.isAddressProven || query.isCookieValid
        const rates = limits.current
        if (rates !== undefined && !rates.admits(packet.client, isProven, clock.nowMs())) {
          packet.noteLimited?.()
          const size = limit(packet, rates.action, isProven)
          const rcode = size === 0 ? NO_RCODE : sentFlags() & Flag.RcodeMask
          endEarly(packet, startedMs, "limited", rcode, size, isPicked, size === 0 ? undefined : overRate)
          return Effect.void
        }
        if (policy.maxAmplification > 0 && !isProven) {
          query.sizeBound = Math.floor(policy.maxAmplification * packet.length)
        }
        if (verdict !== Verdict.Accept) {
          const identity = verdict === Rcode.Refused ? policy.findIdentity(query) : undefined
          if (identity !== undefined) return answerOwn(packet, identity, "local", startedMs, isPicked)
          if (verdict === Rcode.NoError || verdict === Rcode.BadCookie) {
            countOwn(sendError(packet, query, verdict), packet, startedMs, "local", verdict, isPicked)
            return Effect.void
          }
          counters.add("queries.malformed")
          const size = sendError(packet, query, verdict)
          endEarly(packet, startedMs, "malformed", rcodeOfSent(size, verdict), size, isPicked)
          return Effect.void
        }
        packet.noteQuery()
        if (carriesOurMark(query)) {
          counters.add("queries.looped")
          const size = sendError(packet, query, Rcode.Refused, looped)
          endEarly(packet, startedMs, "looped", rcodeOfSent(size, Rcode.Refused), size, isPicked, looped)
          return log.loop(packet.client.address)
        }
        policy.note(query, packet.client)
        const local = policy.findLocal?.(query, packet.client)
        const own = local ?? policy.findSpecial?.(query, packet.client)
        if (own !== undefined)
          return answerOwn(packet, own, local === undefined ? "special" : "local", startedMs, isPicked)
        if (query.type === Type.ANY) {
          const minimal = policy.findAny?.(query, packet.client)
          if (minimal !== undefined) return answerOwn(packet, minimal, "special", startedMs, isPicked)
          if (policy.sendsAnyToTcp && !packet.transport.isAddressProven) {
            countOwn(sendTruncated(packet, query), packet, startedMs, "special", Rcode.NoError, isPicked)
            return Effect.void
          }
        }
        const view = policy.viewOf(query, packet.client)
        const clientContext = policy.clientContextOf(query, packet.client, view)
        const key = cache.keyOf(query, view)
        const found = clientContext?.subnet === undefined ? cache.find(key) : cache.findFor(key, clientContext.subnet)
        if (found !== undefined && found.remainingSeconds > 0) {
          counters.add("cache.hits")
          hits++
          const size = sendAnswer(packet, query, found, found.remainingSeconds)
          if (size > 0) counters.add("answers.sent")
          const rcode = rcodeOfSent(size, rcodeOf(found))
          recent.note(packet.client, packet.transport.protocol, query, "hit", rcode, size, startedMs)
          const refreshes =
            found.remainingSeconds * PREFETCH_SHARE <= found.ageSeconds && isWorthPrefetching(found, key.hash)
          if (isPicked) {
            const asked = questionOf(query, view)
            const record = newRecord(
              packet,
              asked,
              startedMs,
              clock.preciseMs(),
              "hit",
              policy.lastRule(),
              traces.begin()
            )
            traces.finish(withHit(record, rcode, refreshes))
          }
          return refreshes ? prefetch(key, clientContext) : Effect.void
        }
        const hasStale = serveStale.isUsable(found)
        const question = questionOf(query, view, clientContext)
        const asked = query.detach()
        const pendingQuery = new PendingQuery(
          tools.current,
          packet.keepPath(),
          asked,
          question,
          key.hash,
          hasStale,
          startedMs,
          policy.lastRule(),
          isPicked ? traces.begin() : undefined
        )
        const known = failures.lookup(pendingQuery.question)
        if (known !== undefined) {
          counters.add("cache.failures")
          pendingQuery.failAgain(known)
          return Effect.void
        }
        counters.add("cache.misses")
        return pendingQuery.run()
      }

      /**
       * Whether a hit is popular, is not being refreshed already, and lives long enough for a prefetch to be worth it.
       */
      const isWorthPrefetching = (hit: CachedAnswer, hash: number): boolean =>
        configuration.current().cachePrefetch &&
        // The addresses of an answer rotate by one each time that it is given.
        hit.rotation >= MIN_ASKED &&
        hit.ageSeconds + hit.remainingSeconds >= MIN_PREFETCH_TTL_SECONDS &&
        refresher.claims(hash)

      const prefetch = ({ hash, view }: Key, clientContext: ClientContext | undefined): Effect.Effect<void> => {
        const question = questionOf(query, view, clientContext)
        // While its failure is kept it is not asked again (RFC 9520 §3.2).
        if (failures.lookup(question) !== undefined) return Effect.void
        counters.add("cache.prefetches")
        return refresher.refresh(question, hash)
      }

      const carriesOurMark = (asked: Query): boolean => {
        if (asked.optionsStart === asked.optionsEnd) return false
        const at = findOption(asked, loopMark.code)
        return at >= 0 && loopMark.data.every((octet, i) => asked.wire[at + i] === octet)
      }

      return Pipeline.of({
        beginBatch: () => {
          clock.begin()
          cache.tick()
        },
        endBatch: () => {
          if (hits === 0 && early === 0) return
          const tookMs = clock.preciseMs() - clock.nowMs()
          if (hits > 0) latencies.record("hit", tookMs, hits)
          if (early > 0) latencies.record("local", tookMs, early)
          recent.endBatch(tookMs)
          hits = 0
          early = 0
        },
        handle: (packet) =>
          Effect.catchCause(
            Effect.suspend(() => handle(packet)),
            (cause) => {
              // The message is still the one that was read: a pending query has its own copy and answers its own
              // failures.
              if (query.wire === packet.wire) sendError(packet, query, Rcode.ServFail, ownFault)
              else packet.drop()
              return log.defect("a packet", cause)
            }
          )
      })
    })
  )
}

/** An answer is refreshed in the last tenth of its life: nine parts have passed for one that is left. */
const PREFETCH_SHARE = 9
const MIN_ASKED = 2
const MIN_PREFETCH_TTL_SECONDS = 10

const rcodeOf = ({ wire }: AnswerMessage): number => u16(wire, 2) & 0xf

/** What was not sent has none. */
const rcodeOfSent = (size: number, rcode: number): number => (size === 0 ? NO_RCODE : rcode)

const withHit = (record: QueryRecord, rcode: number, refreshes: boolean): QueryRecord => {
  record.endedMs = record.lookedUpMs
  record.rcode = rcode
  record.flags = sentFlags()
  record.refreshes = refreshes
  return record
}
