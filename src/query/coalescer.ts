/**
 * Equal questions in flight share one exchange.
 *
 * The exchange is a fiber of its own with a deadline of its own: whoever asked first may go away without hurting those
 * who wait with it, and each of them keeps its own deadline. Many who wait are woken in slices, so that one popular
 * name does not hold up a turn of the event loop.
 */
import { Context, Effect, Exit, FiberSet, Layer } from "effect"
import { type Question, questionKey } from "../dns/question.ts"
import { type Timer, TimerWheel } from "../io/timer-wheel.ts"
import { Counters } from "../telemetry/counters.ts"
import { now, type ResolutionRecord } from "../telemetry/record.ts"
import { type Answer, DeadlinePassed, type ResolveError } from "../upstream/answer.ts"

/** Followers of one exchange at most; the next one starts another. */
const MAX_FOLLOWERS = 10_000
const WAKE_SLICE = 64

type Outcome = Exit.Exit<Answer, ResolveError>

const deadlinePassed: Outcome = Exit.fail(new DeadlinePassed())

export class Coalescer extends Context.Service<
  Coalescer,
  {
    /**
     * The answer to the question, from the exchange under way or a new one.
     *
     * @param onJoined told of the exchange's record, and whether another query began it
     */
    readonly resolve: (
      question: Question,
      deadlineMs: number,
      onJoined: (record: ResolutionRecord, isShared: boolean) => void
    ) => Effect.Effect<Answer, ResolveError>
  }
>()("strand/query/Coalescer") {
  /** @param resolve carries a question upstream and keeps what comes back */
  static readonly layer = <E, R>(
    makeResolve: Effect.Effect<
      (question: Question, record: ResolutionRecord) => Effect.Effect<Answer, ResolveError>,
      E,
      R
    >
  ): Layer.Layer<Coalescer, E, R | TimerWheel | Counters> =>
    Layer.effect(
      Coalescer,
      Effect.gen(function* () {
        const wheel = yield* TimerWheel
        const counters = yield* Counters
        const resolve = yield* makeResolve
        const fibers = yield* FiberSet.make<Answer, ResolveError>()
        const runFork = Effect.runForkWith(yield* Effect.context<never>())
        const flights = new Map<string, Flight>()

        const join = (question: Question): { readonly flight: Flight; readonly isShared: boolean } => {
          const key = questionKey(question)
          const present = flights.get(key)
          if (present !== undefined && present.followers.size < MAX_FOLLOWERS) {
            counters.add("upstream.coalesced")
            return { flight: present, isShared: true }
          }
          const flight = new Flight(key)
          flights.set(key, flight)
          return { flight, isShared: false }
        }

        const launch = (flight: Flight, question: Question): void => {
          const fiber = runFork(resolve(question, flight.record))
          fiber.addObserver((outcome) => {
            if (flights.get(flight.key) === flight) flights.delete(flight.key)
            flight.land(outcome)
          })
          if (fiber.pollUnsafe() === undefined) FiberSet.addUnsafe(fibers, fiber)
        }

        return Coalescer.of({
          resolve: (question, deadlineMs, onJoined) =>
            Effect.callback((resume) => {
              const { flight, isShared } = join(question)
              const follower = new Follower(flight, wheel, resume)
              follower.timer = wheel.after(deadlineMs, follower.giveUp)
              onJoined(flight.record, isShared)
              if (!isShared) launch(flight, question)
              return Effect.sync(() => follower.leave())
            })
        })
      })
    )
}

/** One exchange and those who wait for it. */
class Flight {
  readonly key: string
  readonly record: ResolutionRecord = { startedMs: now(), endedMs: 0, attempts: [] }
  readonly followers = new Set<Follower>()

  constructor(key: string) {
    this.key = key
  }

  land(outcome: Outcome): void {
    if (this.followers.size <= WAKE_SLICE) for (const follower of this.followers) follower.take(outcome)
    else wake([...this.followers], outcome)
  }
}

class Follower {
  timer: Timer | undefined
  private readonly flight: Flight
  private readonly wheel: TimerWheel["Service"]
  private readonly resume: (outcome: Outcome) => void

  constructor(flight: Flight, wheel: TimerWheel["Service"], resume: (outcome: Outcome) => void) {
    this.flight = flight
    this.wheel = wheel
    this.resume = resume
    flight.followers.add(this)
  }

  take(outcome: Outcome): void {
    if (this.timer !== undefined) this.wheel.cancel(this.timer)
    this.resume(outcome)
  }

  readonly giveUp = (): void => {
    this.flight.followers.delete(this)
    this.resume(deadlinePassed)
  }

  leave(): void {
    if (this.timer !== undefined) this.wheel.cancel(this.timer)
    this.flight.followers.delete(this)
  }
}

const wake = (followers: Array<Follower>, outcome: Outcome): void => {
  for (const follower of followers.splice(0, WAKE_SLICE)) follower.take(outcome)
  if (followers.length > 0) setImmediate(wake, followers, outcome)
}
