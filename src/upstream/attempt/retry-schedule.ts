/**
 * The retry schedule: how long each attempt is waited for before the next one starts, drawn from an Effect `Schedule`.
 *
 * Delays grow by half from attempt to attempt and are spread upwards, so that queries that failed together are not
 * retried together, and none is retried early. They are drawn in advance for many queries: most queries are answered
 * before the first delay is over.
 */
import { Duration, Effect, Pull, Random, Schedule } from "effect"

/** Milliseconds, one for each attempt but the last. */
export type RetryPlan = ReadonlyArray<number>

const PLANS = 128
/** The longest delay, to the shortest. */
const SPREAD = 1.2

export const retrySchedule = (attemptTimeoutMs: number, retries: number) =>
  Schedule.exponential(Duration.millis(attemptTimeoutMs), 1.5).pipe(
    Schedule.modifyDelay(({ duration }) =>
      Effect.map(Random.nextBetween(1, SPREAD), (factor) => Duration.times(duration, factor))
    ),
    (schedule) => Schedule.max([schedule, Schedule.recurs(retries)])
  )

const draw = (schedule: ReturnType<typeof retrySchedule>): Effect.Effect<RetryPlan> =>
  Effect.gen(function* () {
    const step = yield* Schedule.toStep(schedule)
    const delays: Array<number> = []
    let elapsedMs = 0
    for (;;) {
      const next = yield* Pull.catchDone(step(elapsedMs, undefined), () => Effect.undefined)
      if (next === undefined) return delays
      const delayMs = Duration.toMillis(next[1])
      delays.push(delayMs)
      elapsedMs += delayMs
    }
  })

/** Gives each question one of the plans, in turn. */
export const makeRetryPlans = (attemptTimeoutMs: number, retries: number): Effect.Effect<() => RetryPlan> =>
  Effect.map(Effect.replicateEffect(draw(retrySchedule(attemptTimeoutMs, retries)), PLANS), (plans) => {
    let clock = 0
    return () => plans[clock++ % PLANS]!
  })
