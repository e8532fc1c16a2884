/**
 * A question's way through the shared tier: asked before the upstreams are, and given what they say.
 *
 * What comes from there is checked as what comes from an upstream. An answer that lives is kept here for the rest of its
 * life. One past its life is kept as such, the upstreams are asked, and if they fail, or take longer than a client ought
 * to wait, it is there to be given (RFC 8767 §5). An answer that may not be kept supersedes the one in the tier: other
 * servers find a note of that, and forget the answer that they have. A server that has the question's answer already
 * wants a newer one: it takes the tier's only if another server has asked for it anew.
 */
import { Effect, Exit, Option } from "effect"
import { AnswerCache } from "../../cache/answer-cache.ts"
import { type SharedFind, SharedTier, type Tier, UNKNOWN } from "../../cache/shared/shared-tier.ts"
import { Configuration } from "../../config/configuration.ts"
import { ttlBoundsOf } from "../../config/ttl-bounds.ts"
import type { Question } from "../../dns/question.ts"
import type { TtlBounds } from "../../dns/response.ts"
import { subtractAge } from "../../dns/ttl.ts"
import { LoopClock } from "../../runtime/loop-clock.ts"
import { type Timer, type TimerTarget, TimerWheel } from "../../runtime/timer-wheel.ts"
import { Counters } from "../../telemetry/counters.ts"
import type { ResolutionRecord } from "../../telemetry/record.ts"
import {
  type Abandonable,
  type Answer,
  type Asker,
  type Begin,
  deadlinePassed,
  type Outcome
} from "../../upstream/answer.ts"
import { isFinal, makeCachingExchange } from "./caching-exchange.ts"
import type { Join } from "./coalescer.ts"
import { limitNetworks } from "./network-limit.ts"
import { STALE_AFTER_MS } from "./serve-stale.ts"
import { readShared } from "./shared-answer.ts"

/** Exchanges that no client waits for any more, at most: they hold no permit. Past this they are given up. */
const MAX_DETACHED = 1_000

/** The way by the upstreams alone where there is no shared tier. */
export const makeSharedCacheLookup = (join: Join) =>
  Effect.gen(function* () {
    const askUpstreams = yield* limitNetworks(yield* makeCachingExchange(join))
    const tier = yield* SharedTier
    return Option.isNone(tier) ? askUpstreams : yield* lookUpFirst(tier.value, askUpstreams)
  })

const lookUpFirst = (tier: Tier, askUpstreams: Begin) =>
  Effect.gen(function* () {
    const config = yield* Configuration
    const detached = new Set<SharedCacheLookup>()
    const tools: Tools = {
      tier,
      askUpstreams,
      cache: yield* AnswerCache,
      counters: yield* Counters,
      wheel: yield* TimerWheel,
      clock: yield* LoopClock,
      ttl: ttlBoundsOf(config),
      staleSeconds: config.cacheStaleSecs,
      staleAfterMs: config.staleAnswer === "at-once" ? 0 : STALE_AFTER_MS,
      detached
    }
    yield* Effect.addFinalizer(() =>
      Effect.sync(() => {
        for (const lookup of detached) lookup.abandon()
      })
    )
    const begin: Begin = (question, record, asker) => {
      // What is one client network's is found by more than a key.
      if (question.clientContext?.subnet !== undefined) return askUpstreams(question, record, asker)
      const lookup = new SharedCacheLookup(tools, question, record, asker)
      lookup.begin()
      return lookup
    }
    return begin
  })

interface Tools {
  readonly tier: Tier
  readonly askUpstreams: Begin
  readonly cache: AnswerCache["Service"]
  readonly counters: Counters["Service"]
  readonly wheel: TimerWheel["Service"]
  readonly clock: LoopClock["Service"]
  readonly ttl: TtlBounds
  readonly staleSeconds: number
  /** Milliseconds that upstreams have where there is an answer past its life. */
  readonly staleAfterMs: number
  /** Those for which upstreams are still asked though nobody waits. */
  readonly detached: Set<SharedCacheLookup>
}

/** One question's way: the tier, then the upstreams. */
class SharedCacheLookup implements Asker, Abandonable, TimerTarget {
  private readonly tools: Tools
  private readonly question: Question
  private readonly record: ResolutionRecord
  /** Undefined once it has been told, or does not want to be any more. */
  private asker: Asker | undefined
  private exchange: Abandonable | undefined
  /** What the tier has. */
  private found: SharedFind = UNKNOWN
  private generation = 0
  private timer: Timer | undefined

  constructor(tools: Tools, question: Question, record: ResolutionRecord, asker: Asker) {
    this.tools = tools
    this.question = question
    this.record = record
    this.asker = asker
  }

  begin(): void {
    this.tools.tier.find(this.question, (found) => {
      if (this.asker === undefined) return
      this.tools.clock.refresh()
      try {
        this.onFound(found)
      } catch (defect) {
        this.tell(Exit.die(defect))
      }
    })
  }

  abandon(): void {
    this.asker = undefined
    this.stopTimer()
    this.tools.detached.delete(this)
    this.exchange?.abandon()
  }

  /** What the upstreams say. */
  onOutcome(outcome: Outcome): void {
    this.tools.detached.delete(this)
    try {
      if (Exit.isSuccess(outcome)) this.keep(outcome.value)
    } catch (defect) {
      this.tell(Exit.die(defect))
      return
    }
    this.tell(outcome)
  }

  /** A client waits no longer where there is something to give; what the upstreams say then is kept. */
  fire(): void {
    const { detached } = this.tools
    if (detached.size < MAX_DETACHED) detached.add(this)
    else this.exchange?.abandon()
    this.tell(deadlinePassed)
  }

  /** What is older goes: there, and in the tier. */
  private keep(answer: Answer): void {
    const { wire, ttlSeconds } = answer
    const { found, generation, question, tools } = this
    const { tier } = tools
    if (ttlSeconds > 0) {
      if (!tier.keep(question, wire, ttlSeconds, generation) && found.kind === "answer") tier.forget(question)
    } else if (isFinal(answer)) {
      if (found.kind === "answer") tier.supersede(question, generation)
      else if (found.kind === "unknown") tier.forget(question)
    }
  }

  private onFound(found: SharedFind): void {
    this.found = found
    const { question, record, tools } = this
    const { cache, counters } = tools
    if (found.kind === "superseded") {
      const here = cache.peekStale(question)
      if (here !== undefined && here.ageSeconds >= found.ageSeconds) cache.supersede(question)
    }
    if (found.kind !== "answer") {
      this.askUpstreams()
      return
    }
    const { ageSeconds } = found
    const answer = readShared(found.wire, question, tools.ttl)
    if (answer === undefined) {
      counters.add("shared.refused")
      this.askUpstreams()
      return
    }
    const { ttlSeconds, wire } = answer
    const remaining = ttlSeconds - ageSeconds
    const here = this.remainingHere()
    if (remaining <= 0) {
      if (remaining > -tools.staleSeconds) this.askWithStale(wire, ttlSeconds, ageSeconds, here)
      else this.askUpstreams()
      return
    }
    // What is asked for again before it has expired: half of a life is a new one's.
    if (here > 0 && (remaining <= here || ageSeconds > remaining)) {
      this.askUpstreams()
      return
    }
    counters.add("shared.hits")
    cache.store(question, wire, ttlSeconds, 0, ageSeconds)
    subtractAge(wire, wire.length, ageSeconds)
    record.isShared = true
    record.endedMs = tools.clock.nowMs()
    this.tell(Exit.succeed({ wire, ttlSeconds: remaining, continuesAt: undefined, scope: 0 }))
  }

  private askWithStale(wire: Uint8Array, ttlSeconds: number, ageSeconds: number, here: number): void {
    const { question, tools } = this
    tools.counters.add("shared.stale")
    if (ttlSeconds - ageSeconds > here) tools.cache.store(question, wire, ttlSeconds, 0, ageSeconds)
    this.askUpstreams()
    if (this.asker === undefined) return
    if (tools.staleAfterMs === 0) this.fire()
    else this.timer = tools.wheel.after(tools.staleAfterMs, this)
  }

  private askUpstreams(): void {
    this.generation = this.tools.tier.generation()
    this.exchange = this.tools.askUpstreams(this.question, this.record, this)
  }

  /** Seconds that the answer kept here still lives; below 0 for one past its life. */
  private remainingHere(): number {
    const { question, tools } = this
    return tools.cache.peekStale(question)?.remainingSeconds ?? Number.NEGATIVE_INFINITY
  }

  private tell(outcome: Outcome): void {
    const { asker } = this
    this.asker = undefined
    this.stopTimer()
    asker?.onOutcome(outcome)
  }

  private stopTimer(): void {
    if (this.timer !== undefined) this.tools.wheel.cancel(this.timer)
    this.timer = undefined
  }
}
