/**
 * The failure cache: questions that failed a moment ago (RFC 9520 §3.2) fail again at once, so that clients that insist
 * do not flood upstreams.
 *
 * Kept apart from the answers, so that a failure never takes the room of an answer. The first failure is kept for five
 * seconds, each one that follows twice as long, thirty at most; an answer ends it.
 */
import { Clock, Context, Effect, Layer } from "effect"
import { Configuration } from "../config/configuration.ts"
import { type Question, questionKey } from "../dns/question.ts"
import type { ErrorReason } from "../dns/reply.ts"
import { AgeingClock } from "./table/ageing-clock.ts"

const FIRST_MS = 5_000
const LONGEST_MS = 30_000
const MAX_FAILURES = 10_000

interface Failure {
  readonly untilMs: number
  readonly forMs: number
  readonly reason: ErrorReason
}

/**
 * Questions that failed a moment ago, and why: they fail again without being asked (RFC 9520).
 *
 * **When to use**
 *
 * Use to have what failed asked again at once.
 *
 * **Example** (What was mended is asked again)
 *
 * ```ts
 * import { Effect } from "effect"
 * import { FailureCache } from "strand-dns"
 *
 * const mended = Effect.map(FailureCache, ({ forgetAll }) => forgetAll())
 * ```
 */
export class FailureCache extends Context.Service<
  FailureCache,
  {
    readonly lookup: (question: Question) => ErrorReason | undefined
    readonly store: (question: Question, reason: ErrorReason) => void
    readonly forget: (question: Question) => void
    readonly forgetAll: () => void
  }
>()("strand/cache/FailureCache") {
  static readonly layer: Layer.Layer<FailureCache, never, Configuration> = Layer.effect(
    FailureCache,
    Effect.gen(function* () {
      const configuration = yield* Configuration
      const clock = new AgeingClock(yield* Clock.clockWith(Effect.succeed))
      const failures = new Map<string, Failure>()
      return FailureCache.of({
        lookup: (question) => {
          if (failures.size === 0) return undefined
          const failure = failures.get(questionKey(question))
          return failure !== undefined && clock.nowMs() < failure.untilMs ? failure.reason : undefined
        },
        store: (question, reason) => {
          if (!configuration.current().enableCaching) return
          const key = questionKey(question)
          const before = failures.get(key)
          const followsClosely = before !== undefined && clock.nowMs() - before.untilMs < LONGEST_MS
          const forMs = followsClosely ? Math.min(before.forMs * 2, LONGEST_MS) : FIRST_MS
          failures.delete(key)
          failures.set(key, { untilMs: clock.nowMs() + forMs, forMs, reason })
          if (failures.size > MAX_FAILURES) failures.delete(failures.keys().next().value!)
        },
        forget: (question) => {
          if (failures.size > 0) failures.delete(questionKey(question))
        },
        forgetAll: () => failures.clear()
      })
    })
  )
}
