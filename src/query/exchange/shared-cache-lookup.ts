/**
 * An exchange that looks into the shared cache first, and stores there what the upstreams answer.
 *
 * An answer from the shared cache is checked like one from an upstream. A live one is cached here for the rest of its
 * life. An expired one is cached as such and the upstreams are asked; if they fail, or take longer than a client should
 * wait, it is given (RFC 8767 §5). An answer that may not be cached supersedes the one in the shared cache: other
 * servers find a note of that and forget theirs. A server that has a live answer already, and asks to refresh it, takes
 * the shared one only if another server has refreshed it meanwhile.
 */
import { Effect, Exit, Option } from "effect"
import { AnswerCache } from "../../cache/answer-cache.ts"
import { type SharedFind, type SharedPlace, SharedTier, type Tier, UNKNOWN } from "../../cache/shared/shared-tier.ts"
import { answerRulesOf } from "../../config/answer-rules.ts"
import { Configuration } from "../../config/configuration.ts"
import type { Question } from "../../dns/question.ts"
import type { AnswerRules } from "../../dns/response.ts"
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
import { isFinal } from "./caching-exchange.ts"
import { STALE_AFTER_MS } from "./serve-stale.ts"
import { readShared } from "./shared-answer.ts"

/**
 * Detached exchanges: their clients were given a stale answer, so they hold no permit. Past this number they are
 * abandoned.
 */
const MAX_DETACHED = 1_000

/** Wraps `askUpstreams` with the look into the shared cache. Where there is none, nothing is between. */
export const askSharedCacheFirst = (askUpstreams: Begin) =>
  Effect.gen(function* () {
    const tier = yield* SharedTier
    const configuration = yield* Configuration
    const detached = new Set<SharedCacheLookup>()
    const tools: Tools = {
      askUpstreams,
      configuration,
      cache: yield* AnswerCache,
      counters: yield* Counters,
      wheel: yield* TimerWheel,
      clock: yield* LoopClock,
      rules: answerRulesOf(configuration),
      detached
    }
    yield* Effect.addFinalizer(() =>
      Effect.sync(() => {
        for (const lookup of detached) lookup.abandon()
      })
    )
    const begin: Begin = (question, record, asker) => {
      // An answer for one client network is found by more than a key: it is not shared.
      const shared = question.clientContext?.subnet === undefined ? Option.getOrUndefined(tier.current) : undefined
      const place = shared?.placeOf(question)
      if (shared === undefined || place === undefined) return askUpstreams(question, record, asker)
      const lookup = new SharedCacheLookup(tools, shared, place, question, record, asker)
      lookup.begin()
      return lookup
    }
    return begin
  })

/** Whether all whom it tells can give a stale answer in the place of a fresh one; where it does not say, they can. */
export interface SharingAsker extends Asker {
  readonly takesStale?: boolean
  /** Tells those of them that can. */
  readonly tellStaleTakers?: (outcome: Outcome) => void
}

interface Tools {
  readonly askUpstreams: Begin
  readonly cache: AnswerCache["Service"]
  readonly counters: Counters["Service"]
  readonly wheel: TimerWheel["Service"]
  readonly clock: LoopClock["Service"]
  readonly rules: AnswerRules
  readonly configuration: Configuration["Service"]
  /** Exchanges that go on though no client waits. */
  readonly detached: Set<SharedCacheLookup>
}

/** One exchange: the shared cache, then the upstreams. */
class SharedCacheLookup implements Asker, Abandonable, TimerTarget {
  private readonly tools: Tools
  /** The one that it began with. */
  private readonly tier: Tier
  private readonly place: SharedPlace
  private readonly question: Question
  private readonly record: ResolutionRecord
  /** Undefined once the asker was told, or has abandoned the exchange. */
  private asker: SharingAsker | undefined
  private exchange: Abandonable | undefined
  /** What the tier has. */
  private found: SharedFind = UNKNOWN
  private generation = 0
  private timer: Timer | undefined

  constructor(
    tools: Tools,
    tier: Tier,
    place: SharedPlace,
    question: Question,
    record: ResolutionRecord,
    asker: SharingAsker
  ) {
    this.tools = tools
    this.tier = tier
    this.place = place
    this.question = question
    this.record = record
    this.asker = asker
  }

  begin(): void {
    this.place.lookUp((found) => {
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

  /**
   * There is a stale answer to give: the client waits no longer. What the upstreams answer later is still cached. Who waits
   * for the target of a CNAME cannot give it, and waits on.
   */
  fire(): void {
    if (this.asker?.takesStale === false) {
      this.asker.tellStaleTakers?.(deadlinePassed)
      return
    }
    const { detached } = this.tools
    if (detached.size < MAX_DETACHED) detached.add(this)
    else this.exchange?.abandon()
    this.tell(deadlinePassed)
  }

  /** Stores the answer in the shared cache, or removes what is older there. */
  private keep(answer: Answer): void {
    const { wire, ttlSeconds } = answer
    const { found, generation, place } = this
    if (ttlSeconds > 0) {
      if (!place.keep(wire, ttlSeconds, generation) && found.kind === "answer") place.forget()
    } else if (isFinal(answer)) {
      if (found.kind === "answer") place.supersede(generation)
      else if (found.kind === "unknown") place.forget()
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
    const answer = readShared(found.wire, question, tools.rules)
    if (answer === undefined) {
      counters.add("shared.refused")
      this.askUpstreams()
      return
    }
    const { ttlSeconds, wire } = answer
    const remaining = ttlSeconds - ageSeconds
    const here = this.remainingHere()
    if (remaining <= 0) {
      if (remaining > -tools.configuration.current().cacheStaleSecs)
        this.askWithStale(wire, ttlSeconds, ageSeconds, here)
      else this.askUpstreams()
      return
    }
    // A refresh wants an answer newer than its own: one that has lived less than half of its life counts as new.
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
    if (tools.configuration.current().staleAnswer === "at-once") this.fire()
    else this.timer = tools.wheel.after(STALE_AFTER_MS, this)
  }

  private askUpstreams(): void {
    this.generation = this.tier.generation()
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
