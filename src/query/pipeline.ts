/**
 * What happens to a packet, in this order: read, admit, answer from the cache; else wait for a permit, share the
 * exchange of an equal question or begin one, answer.
 *
 * Hot path up to the cache hit: nothing there waits, so the packet's fiber is over when it returns. Whatever goes wrong
 * behind it becomes an answer: no failure and no defect leaves a query without one.
 */
import { Cause, Context, Effect, Layer } from "effect"
import { AnswerCache } from "../cache/answer-cache.ts"
import { FailureCache } from "../cache/failure-cache.ts"
import { Configuration } from "../config/configuration.ts"
import { ExtendedError, Rcode } from "../dns/codes.ts"
import { findOption, Query, readQuery, Verdict } from "../dns/query.ts"
import { formatQuestion, type Question, questionOf } from "../dns/question.ts"
import {
  type AnswerMessage,
  type ErrorReason,
  MAX_ERROR_SIZE,
  replySize,
  udpLimit,
  writeAnswer,
  writeError
} from "../dns/reply.ts"
import { MAX_MESSAGE_SIZE, u16 } from "../dns/wire.ts"
import { TimerWheel } from "../io/timer-wheel.ts"
import { Turn } from "../io/turn.ts"
import { Counters } from "../telemetry/counters.ts"
import { FailureLog } from "../telemetry/failure-log.ts"
import { Latencies } from "../telemetry/latencies.ts"
import type { QueryRecord } from "../telemetry/record.ts"
import { Traces } from "../telemetry/traces.ts"
import type { ResolveError } from "../upstream/answer.ts"
import { LoopMark } from "../upstream/resolver-pool.ts"
import { makeAccess } from "./access.ts"
import { Coalescer } from "./coalescer.ts"
import { makeGate, type Shed, type WaitedTooLong } from "./gate.ts"
import type { Packet, ReplyPath } from "./packet.ts"

export class Pipeline extends Context.Service<
  Pipeline,
  {
    /**
     * Answers the message that the packet holds when the effect runs. Never fails; it is over at once unless the
     * answer has to be asked for.
     */
    readonly handle: (packet: Packet) => Effect.Effect<void>
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
    | Turn
    | LoopMark
    | FailureLog
  > = Layer.effect(
    Pipeline,
    Effect.gen(function* () {
      const config = yield* Configuration
      const cache = yield* AnswerCache
      const failures = yield* FailureCache
      const coalescer = yield* Coalescer
      const counters = yield* Counters
      const latencies = yield* Latencies
      const traces = yield* Traces
      const wheel = yield* TimerWheel
      const turn = yield* Turn
      const loopMark = yield* LoopMark
      const log = yield* FailureLog
      const mayAsk = makeAccess(config.allow)
      const gate = yield* makeGate(config.maxConcurrentQueries, config.maxQueuedQueries, wheel)
      const deadlineMs = config.queryTimeoutSecs * 1000
      const query = new Query()
      /** Answers of this batch that came from the cache. */
      let hits = 0

      const handle = (packet: Packet): Effect.Effect<void> => {
        counters.add(packet.transport === "udp" ? "queries.udp" : "queries.tcp")
        const verdict = readQuery(query, packet.wire, packet.length)
        if (verdict === Verdict.Drop) {
          counters.add("queries.dropped")
          packet.drop()
          return Effect.void
        }
        if (!mayAsk(packet.client)) {
          counters.add("queries.denied")
          if (config.denyAction === "refuse") sendError(packet, query, Rcode.Refused, prohibited)
          else packet.drop()
          return Effect.void
        }
        if (verdict !== Verdict.Accept) {
          counters.add("queries.malformed")
          sendError(packet, query, verdict)
          return Effect.void
        }
        if (carriesOurMark(query)) {
          counters.add("queries.looped")
          sendError(packet, query, Rcode.Refused, looped)
          return log.loop(packet.client.address)
        }
        const isPicked = traces.picks()
        const startedMs = isPicked ? turn.preciseMs() : turn.nowMs()
        const key = cache.keyOf(query)
        const hit = cache.find(key)
        if (hit !== undefined) {
          counters.add("cache.hits")
          hits++
          sendAnswer(packet, query, hit)
          if (isPicked)
            traces.finish(hitRecord(packet, query, startedMs, turn.preciseMs(), u16(hit.wire, 2) & 0xf), true)
          return Effect.void
        }
        return miss(packet.keepPath(), query.detach(), key.hash, startedMs, isPicked)
      }

      const miss = (
        packet: ReplyPath,
        asked: Query,
        hash: number,
        startedMs: number,
        isPicked: boolean
      ): Effect.Effect<void> => {
        const question = questionOf(asked)
        const record = newRecord(packet, question, startedMs, isPicked ? turn.preciseMs() : startedMs, "miss")
        const known = failures.lookup(question)
        if (known !== undefined) {
          counters.add("cache.failures")
          record.cache = "failure"
          fail(packet, asked, record, isPicked, { code: ExtendedError.CachedError, text: known.text })
          return Effect.void
        }
        counters.add("cache.misses")
        const admitted = (): void => {
          record.admittedMs = turn.nowMs()
        }
        // The permit is what a query holds while it waits for the network.
        const answer = Effect.suspend(() =>
          coalescer.resolve(question, hash, deadlineMs - (turn.nowMs() - startedMs), (resolution, isShared) => {
            record.resolution = resolution
            record.coalesced = isShared
          })
        )
        return gate.run(answer, deadlineMs, admitted).pipe(
          Effect.matchCauseEffect({
            onSuccess: ({ wire }) =>
              Effect.sync(() => {
                sendAnswer(packet, asked, { wire, length: wire.length, ageSeconds: 0, turn: 0 })
                record.rcode = u16(wire, 2) & 0xf
                record.endedMs = isPicked ? turn.preciseMs() : turn.nowMs()
                latencies.record("miss", record.endedMs - startedMs, 1)
                traces.finish(record, isPicked)
              }),
            onFailure: (cause) => {
              const reason = reasonOf(cause, counters)
              fail(packet, asked, record, isPicked, reason)
              return Cause.hasDies(cause)
                ? log.defect(formatQuestion(question), cause)
                : log.failure(formatQuestion(question), record, reason.text)
            }
          })
        )
      }

      const fail = (
        packet: ReplyPath,
        asked: Query,
        record: QueryRecord,
        isPicked: boolean,
        reason: ErrorReason
      ): void => {
        sendError(packet, asked, Rcode.ServFail, reason)
        record.rcode = Rcode.ServFail
        record.error = reason.text
        record.endedMs = turn.preciseMs()
        traces.finish(record, isPicked)
      }

      const carriesOurMark = (asked: Query): boolean => {
        if (asked.optionsStart === asked.optionsEnd) return false
        const at = findOption(asked, loopMark.code)
        return at >= 0 && loopMark.data.every((octet, i) => asked.wire[at + i] === octet)
      }

      const sendAnswer = (packet: ReplyPath, asked: Query, answer: AnswerMessage): void => {
        counters.add("answers.sent")
        const limit = packet.transport === "udp" ? udpLimit(asked) : MAX_MESSAGE_SIZE
        const out = packet.reserve(Math.min(replySize(answer), limit))
        packet.send(writeAnswer(out, asked, answer, limit))
      }

      return Pipeline.of({
        beginBatch: () => {
          turn.begin()
          cache.tick()
        },
        endBatch: () => {
          if (hits === 0) return
          latencies.record("hit", turn.preciseMs() - turn.nowMs(), hits)
          hits = 0
        },
        handle: (packet) =>
          Effect.catchCause(
            Effect.suspend(() => handle(packet)),
            (cause) => {
              // Still the packet that was read: what waits has its own copy and its own way to fail.
              if (query.wire === packet.wire) sendError(packet, query, Rcode.ServFail, ownFault)
              return log.defect("a packet", cause)
            }
          )
      })
    })
  )
}

const prohibited: ErrorReason = { code: ExtendedError.Prohibited, text: "this server does not serve your network" }
const looped: ErrorReason = { code: ExtendedError.Other, text: "this server asked this itself: a forwarding loop" }
const tooMany: ErrorReason = { code: ExtendedError.Other, text: "too many queries are waiting" }
const tooLate: ErrorReason = { code: ExtendedError.NoReachableAuthority, text: "no upstream answered in time" }
const allDown: ErrorReason = { code: ExtendedError.NoReachableAuthority, text: "all upstreams are down" }
const ownFault: ErrorReason = { code: ExtendedError.Other, text: "internal error" }

const reasonOf = (
  cause: Cause.Cause<ResolveError | Shed | WaitedTooLong>,
  counters: Counters["Service"]
): ErrorReason => {
  for (const reason of cause.reasons) {
    if (reason._tag !== "Fail") continue
    switch (reason.error._tag) {
      case "Shed":
        counters.add("answers.shed")
        return tooMany
      case "WaitedTooLong":
      case "DeadlinePassed":
        counters.add("answers.late")
        return tooLate
      case "NoUpstreamAvailable":
        counters.add("answers.failed")
        return allDown
      case "UpstreamsFailed":
        counters.add("answers.failed")
        return {
          code: reason.error.isOfQuestion ? ExtendedError.Other : ExtendedError.NetworkError,
          text: reason.error.message.slice(0, 200)
        }
    }
  }
  return ownFault
}

const sendError = (packet: ReplyPath, asked: Query, rcode: number, reason?: ErrorReason): void => {
  packet.send(writeError(packet.reserve(MAX_ERROR_SIZE), asked, rcode, reason))
}

const newRecord = (
  packet: ReplyPath,
  question: Question,
  startedMs: number,
  lookedUpMs: number,
  outcome: QueryRecord["cache"]
): QueryRecord => ({
  question,
  client: packet.client.address,
  transport: packet.transport,
  startedMs,
  lookedUpMs,
  cache: outcome,
  admittedMs: 0,
  coalesced: false,
  resolution: undefined,
  endedMs: 0,
  rcode: 0,
  error: ""
})

const hitRecord = (packet: ReplyPath, query: Query, startedMs: number, endedMs: number, rcode: number): QueryRecord => {
  const record = newRecord(packet, questionOf(query), startedMs, endedMs, "hit")
  record.endedMs = endedMs
  record.rcode = rcode
  return record
}
