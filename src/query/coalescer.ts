/**
 * Equal questions in flight share one exchange.
 *
 * The exchange is a fiber of its own with a deadline of its own: whoever asked first may go away without hurting those
 * who wait with it, and each of them keeps its own deadline. Many who wait are woken in slices, so that one popular
 * name does not hold up a turn of the event loop.
 */
import { Context, Effect, Exit, FiberSet, Layer } from "effect"
import { type Question, questionKey } from "../dns/question.ts"
import { TimerWheel } from "../io/timer-wheel.ts"
import { Counters } from "../telemetry/counters.ts"
import { now, type ResolutionRecord } from "../telemetry/record.ts"
import { type Answer, DeadlinePassed, type ResolveError } from "../upstream/resolution.ts"

/** Followers of one exchange at most; the next one starts another. */
const MAX_FOLLOWERS = 10_000
const WAKE_SLICE = 64

const deadlinePassed = Exit.fail(new DeadlinePassed())

type Outcome = Exit.Exit<Answer, ResolveError>

interface Flight {
  readonly record: ResolutionRecord
  readonly followers: Set<(outcome: Outcome) => void>
}

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
        const runFork = yield* FiberSet.makeRuntime<never, Answer, ResolveError>()
        const flights = new Map<string, Flight>()

        const land = (key: string, flight: Flight, outcome: Outcome): void => {
          if (flights.get(key) === flight) flights.delete(key)
          wake([...flight.followers], outcome)
        }

        const launch = (key: string, flight: Flight, question: Question): void => {
          runFork(resolve(question, flight.record)).addObserver((outcome) => land(key, flight, outcome))
        }

        return Coalescer.of({
          resolve: (question, deadlineMs, onJoined) =>
            Effect.callback((resume) => {
              const key = questionKey(question)
              const present = flights.get(key)
              const isShared = present !== undefined && present.followers.size < MAX_FOLLOWERS
              const follower = (outcome: Outcome): void => {
                wheel.cancel(timer)
                resume(outcome)
              }
              const timer = wheel.after(deadlineMs, () => {
                flight.followers.delete(follower)
                resume(deadlinePassed)
              })
              const flight: Flight = isShared ? present : newFlight()
              flight.followers.add(follower)
              onJoined(flight.record, isShared)
              if (isShared) {
                counters.add("upstream.coalesced")
              } else {
                flights.set(key, flight)
                launch(key, flight, question)
              }
              return Effect.sync(() => {
                wheel.cancel(timer)
                flight.followers.delete(follower)
              })
            })
        })
      })
    )
}

const newFlight = (): Flight => ({ record: { startedMs: now(), endedMs: 0, attempts: [] }, followers: new Set() })

const wake = (followers: Array<(outcome: Outcome) => void>, outcome: Outcome): void => {
  for (const follower of followers.splice(0, WAKE_SLICE)) follower(outcome)
  if (followers.length > 0) setImmediate(wake, followers, outcome)
}
