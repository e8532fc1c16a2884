/**
 * From a question to its answer: attempts at upstreams, one after the other, until one is good.
 *
 * An attempt's timer starts the next attempt; it does not end the first: the first good answer wins, from whomever. A
 * `Schedule` says how long to wait, the timer wheel waits. Upstreams not yet asked come first, none is asked more than
 * three times (RFC 9520 §3.1).
 */
import { Duration, Effect, Exit, type Fiber, Pull, Schedule, Schema } from "effect"
import { Flag, Rcode } from "../dns/codes.ts"
import { type Question, questionKey } from "../dns/question.ts"
import { interpret, type Response } from "../dns/response.ts"
import { putU16, u16 } from "../dns/wire.ts"
import type { TimerWheel } from "../io/timer-wheel.ts"
import type { Counters } from "../telemetry/counters.ts"
import { type AttemptOutcome, type AttemptRecord, now, type ResolutionRecord } from "../telemetry/record.ts"
import type { AttemptFailure } from "./attempt.ts"
import { MAX_ATTEMPTS_AT_ONE, nextUpstream } from "./policy.ts"
import type { Resolver } from "./resolver.ts"
import type { Upstream } from "./upstream.ts"

/** An answer as it is kept and sent. */
export interface Answer {
  /** Normalised; AD only where the upstream is trusted to validate. */
  readonly wire: Uint8Array
  /** Seconds that it may be kept; 0 for not at all. */
  readonly ttlSeconds: number
}

/** Every upstream that was asked failed or refused. Answered with SERVFAIL (RFC 8914 §4.23, Network Error, or §4.1). */
export class UpstreamsFailed extends Schema.TaggedError<UpstreamsFailed>()("UpstreamsFailed", {
  /** Whether an upstream said so itself, so that the failure is the question's and may be kept (RFC 9520 §3.2). */
  isOfQuestion: Schema.Boolean,
  message: Schema.String
}) {}

/** No upstream answered before the deadline. Answered with SERVFAIL and Extended DNS Error 22 (RFC 8914 §4.23). */
export class DeadlinePassed extends Schema.TaggedError<DeadlinePassed>()("DeadlinePassed", {}) {}

/** The breakers of all upstreams are open: none was asked. Never kept, or the first that returns is not seen. */
export class NoUpstreamAvailable extends Schema.TaggedError<NoUpstreamAvailable>()("NoUpstreamAvailable", {}) {}

export type ResolveError = UpstreamsFailed | DeadlinePassed | NoUpstreamAvailable

const noUpstreamAvailable = Effect.fail(new NoUpstreamAvailable())
const deadlinePassed = Effect.fail(new DeadlinePassed())

export interface ResolutionOptions {
  readonly wheel: TimerWheel["Service"]
  readonly counters: Counters["Service"]
  readonly deadlineMs: number
  readonly attemptTimeoutMs: number
  readonly retries: number
  /** How long each attempt is waited for before the next one starts. */
  readonly delays: ReturnType<typeof delaysFrom>
}

interface Attempt {
  readonly upstream: Upstream
  readonly record: AttemptRecord
  fiber: Fiber.Fiber<Response, AttemptFailure> | undefined
  /** An ICMP error came: the next attempt starts, this one is still listened to. */
  isTroubled: boolean
  isTimedOut: boolean
}

type Event =
  | { readonly kind: "ended"; readonly attempt: Attempt; readonly exit: Exit.Exit<Response, AttemptFailure> }
  | { readonly kind: "trouble"; readonly attempt: Attempt }
  | { readonly kind: "timer" }

/** Delays grow by half from attempt to attempt and are spread, so that queries that failed together do not return so. */
export const delaysFrom = (attemptTimeoutMs: number, retries: number) =>
  Schedule.exponential(Duration.millis(attemptTimeoutMs), 1.5).pipe(Schedule.jittered, (schedule) =>
    Schedule.max([schedule, Schedule.recurs(retries)])
  )

/** Resolves `question` at the ranked upstreams through `resolver`. */
export const resolveThrough = Effect.fnUntraced(function* (
  resolver: Resolver,
  ranked: ReadonlyArray<Upstream>,
  question: Question,
  record: ResolutionRecord,
  options: ResolutionOptions
): Effect.fn.Return<Answer, ResolveError> {
  const { wheel, counters } = options
  const key = questionKey(question)
  const startedMs = wheel.nowMs()
  const asked = new Map<Upstream, number>()
  const attempts: Array<Attempt> = []
  const mailbox = new Mailbox(wheel)
  const nextDelay = yield* Schedule.toStep(options.delays)
  let sawResponse = false
  let lastError = ""

  const start = (upstream: Upstream): Effect.Effect<void> => {
    const attemptRecord: AttemptRecord = {
      upstream: upstream.name,
      address: upstream.endpoint.address,
      port: upstream.endpoint.port,
      startedMs: now(),
      transport: upstream.protocol,
      endedMs: 0,
      outcome: "waiting",
      rcode: -1
    }
    record.attempts.push(attemptRecord)
    const attempt: Attempt = { upstream, record: attemptRecord, fiber: undefined, isTroubled: false, isTimedOut: false }
    attempts.push(attempt)
    asked.set(upstream, (asked.get(upstream) ?? 0) + 1)
    counters.add(attempts.length === 1 ? "upstream.attempts" : "upstream.retries")
    const exchange = resolver.exchange(upstream, question, attemptRecord, (error) => {
      lastError = error.message
      const isNew = !attempt.isTroubled
      attempt.isTroubled = true
      if (isNew) mailbox.put({ kind: "trouble", attempt })
    })
    return Effect.map(Effect.forkDetach(exchange, { startImmediately: true }), (fiber) => {
      attempt.fiber = fiber
      fiber.addObserver((exit) => mailbox.put({ kind: "ended", attempt, exit }))
    })
  }

  const end = (attempt: Attempt, outcome: AttemptOutcome): void => {
    attempt.record.endedMs = now()
    attempt.record.outcome = outcome
  }

  const isPending = (attempt: Attempt): boolean => attempt.record.outcome === "waiting"

  /** What is still waiting when the question is over: silence counts against an upstream, being overtaken does not. */
  const finish = (): void => {
    mailbox.close()
    record.endedMs = now()
    for (const attempt of attempts) {
      if (!isPending(attempt)) continue
      end(attempt, attempt.isTroubled ? "network-error" : "timeout")
      if (attempt.isTimedOut || attempt.isTroubled) attempt.upstream.breaker.onFailure(wheel.nowMs(), key)
      else attempt.upstream.breaker.onUndecided()
      if (attempt.isTimedOut) counters.add("upstream.timeouts")
      attempt.fiber?.interruptUnsafe()
    }
  }

  const body = Effect.gen(function* (): Effect.fn.Return<Answer, ResolveError> {
    const wasOpen = ranked.every(({ breaker }) => breaker.state(wheel.nowMs()) !== "Closed")
    let maySend = true
    for (;;) {
      const upstream: Upstream | undefined = maySend ? nextUpstream(ranked, asked, wheel.nowMs()) : undefined
      if (upstream !== undefined) yield* start(upstream)
      else if (attempts.length === 0) return yield* noUpstreamAvailable
      maySend = false

      const left = startedMs + options.deadlineMs - wheel.nowMs()
      const step =
        upstream === undefined
          ? undefined
          : yield* Pull.catchDone(nextDelay(wheel.nowMs(), undefined), () => Effect.undefined)
      const delayMs = step === undefined ? left : Math.min(left, Duration.toMillis(step[1]))
      // Silence from the trial of upstreams that are all known to be down is answer enough.
      const waitMs = wasOpen ? Math.min(left, options.attemptTimeoutMs) : delayMs
      mailbox.arm(waitMs)

      while (!maySend) {
        const event: Event = yield* mailbox.take
        if (event.kind === "timer") {
          for (const attempt of attempts) if (isPending(attempt)) attempt.isTimedOut = true
          if (wasOpen || wheel.nowMs() >= startedMs + options.deadlineMs) return yield* deadlinePassed
          maySend = true
          continue
        }
        const { attempt } = event
        if (event.kind === "ended" && isPending(attempt)) {
          const nowMs = wheel.nowMs()
          if (Exit.isSuccess(event.exit)) {
            sawResponse = true
            attempt.record.rcode = event.exit.value.rcode
            const answer = answerOf(event.exit.value, question, attempt.upstream)
            attempt.upstream.breaker.onSuccess(nowMs)
            if (answer !== undefined) {
              end(attempt, "answered")
              return answer
            }
            end(attempt, "error-response")
            counters.add("upstream.rejected")
          } else {
            const isGarbage = Exit.hasFails(event.exit) && failureTag(event.exit) === "GarbageReceived"
            end(attempt, isGarbage ? "garbage" : "network-error")
            counters.add(isGarbage ? "upstream.rejected" : "upstream.errors")
            attempt.upstream.breaker.onFailure(nowMs, key)
          }
        }
        const canRetry = attempts.length <= options.retries && !wasOpen
        const mayFollow = canRetry && hasCandidate(ranked, asked, wheel.nowMs())
        const hasHope = attempts.some((other) => isPending(other) && !other.isTroubled)
        if (mayFollow) maySend = true
        else if (!hasHope) {
          const message = lastError === "" ? "no upstream gave a usable answer" : lastError
          return yield* new UpstreamsFailed({ isOfQuestion: sawResponse, message })
        }
      }
      if (attempts.length > options.retries) maySend = false
    }
  })
  return yield* Effect.ensuring(body, Effect.sync(finish))
})

const failureTag = (exit: Exit.Exit<Response, AttemptFailure>): string | undefined =>
  Exit.isFailure(exit)
    ? exit.cause.reasons.flatMap((reason) => (reason._tag === "Fail" ? [reason.error._tag] : []))[0]
    : undefined

/** Whether an upstream is left to ask; its breaker is not asked for a trial. */
const hasCandidate = (ranked: ReadonlyArray<Upstream>, asked: ReadonlyMap<Upstream, number>, nowMs: number): boolean =>
  ranked.some(
    (upstream) => (asked.get(upstream) ?? 0) < MAX_ATTEMPTS_AT_ONE && upstream.breaker.state(nowMs) === "Closed"
  )

/** The answer that a response is; undefined where it is none and another upstream is to be asked. */
const answerOf = (response: Response, question: Question, upstream: Upstream): Answer | undefined => {
  const { rcode, wire } = response
  const flags = u16(wire, 2)
  if (!upstream.isTrusted) putU16(wire, 2, flags & ~Flag.AD)
  // A DNAME that makes the name too long: an answer, not an upstream's failure (RFC 6672 §2.2).
  if (rcode === Rcode.YXDomain) return { wire, ttlSeconds: 0 }
  if (rcode !== Rcode.NoError && rcode !== Rcode.NXDomain) return undefined
  const meaning = interpret(response, question)
  if (meaning.kind === "referral" || meaning.kind === "circle") return undefined
  // Over TCP too it did not fit: passed on, never kept.
  if (response.truncated) return { wire, ttlSeconds: 0 }
  return { wire, ttlSeconds: meaning.kind === "negative" ? meaning.ttlSeconds : response.ttlSeconds }
}

/** Events of the attempts, and the timer between them, for the one fiber that waits. */
class Mailbox {
  private readonly wheel: TimerWheel["Service"]
  private readonly events: Array<Event> = []
  private timer: ReturnType<TimerWheel["Service"]["after"]> | undefined
  private resume: ((event: Effect.Effect<Event>) => void) | undefined

  constructor(wheel: TimerWheel["Service"]) {
    this.wheel = wheel
  }

  readonly take: Effect.Effect<Event> = Effect.callback((resume) => {
    const event = this.events.shift()
    if (event !== undefined) return resume(Effect.succeed(event))
    this.resume = resume
  })

  put(event: Event): void {
    const resume = this.resume
    if (resume === undefined) {
      this.events.push(event)
      return
    }
    this.resume = undefined
    resume(Effect.succeed(event))
  }

  arm(delayMs: number): void {
    this.close()
    this.timer = this.wheel.after(delayMs, () => this.put({ kind: "timer" }))
  }

  close(): void {
    if (this.timer !== undefined) this.wheel.cancel(this.timer)
  }
}
