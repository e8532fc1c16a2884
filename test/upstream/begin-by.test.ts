import { assert, describe, it } from "@effect/vitest"
import { Cause, Deferred, Effect, Exit, Layer } from "effect"
import { TestClock } from "effect/testing"
import { Configuration } from "../../src/config/configuration.ts"
import { Flag, Rcode, Type } from "../../src/dns/codes.ts"
import { u16 } from "../../src/dns/wire.ts"
import { LoopClock } from "../../src/runtime/loop-clock.ts"
import { TimerWheel } from "../../src/runtime/timer-wheel.ts"
import { type Outcome, UpstreamsFailed } from "../../src/upstream/answer.ts"
import { type Answering, beginBy, messageFor } from "../../src/upstream/begin-by.ts"
import { settingsOf } from "../support/servers/settings.ts"
import { asked } from "../support/wire/messages.ts"

const question = asked("www.example.test")
const address = { type: Type.A, ttlSeconds: 300, data: Uint8Array.of(192, 0, 2, 1) }

/** Begins an exchange; what its asker is told is in `told`. */
const begun = (answering: Answering, settings: Record<string, string> = {}) =>
  Effect.gen(function* () {
    const context = yield* Layer.build(
      Layer.provideMerge(TimerWheel.layer, LoopClock.layer).pipe(
        Layer.provideMerge(Configuration.layer(settingsOf(settings)))
      )
    )
    const begin = yield* Effect.provideContext(beginBy(answering), context)
    const told: Array<Outcome> = []
    const first = yield* Deferred.make<Outcome>()
    const record = { startedMs: 0, endedMs: 0, attempts: [] }
    const { abandon } = begin(question, record, {
      onOutcome: (outcome) => {
        told.push(outcome)
        Deferred.doneUnsafe(first, Effect.succeed(outcome))
      }
    })
    return { abandon, record, told, outcome: Deferred.await(first) }
  })

const outcomeOf = (answering: Answering, settings?: Record<string, string>) =>
  Effect.flatMap(begun(answering, settings), ({ outcome }) => outcome)

const failureOf = (outcome: Outcome) => (Exit.isFailure(outcome) ? Cause.squash(outcome.cause) : undefined)

describe("an answer that a program gives", () => {
  it.effect("is kept for as long as its records live, within the bounds of the settings", () =>
    Effect.gen(function* () {
      const answering: Answering = (it) => Effect.succeed(messageFor(it, [address, { ...address, ttlSeconds: 90 }]))
      const answer = yield* yield* outcomeOf(answering)
      assert.deepStrictEqual([answer.ttlSeconds, answer.continuesAt, u16(answer.wire, 6)], [90, undefined, 2])
      assert.strictEqual((yield* yield* outcomeOf(answering, { DNS_SERVER_CACHE_MAX_TTL_SECS: "7" })).ttlSeconds, 7)
    })
  )

  it.effect("is not kept where it says that there is nothing, without an SOA", () =>
    Effect.gen(function* () {
      const answer = yield* yield* outcomeOf((it) => Effect.succeed(messageFor(it, [], Rcode.NXDomain)))
      assert.deepStrictEqual([answer.ttlSeconds, u16(answer.wire, 2) & Flag.RcodeMask], [0, Rcode.NXDomain])
    })
  )

  it.effect("has an AD bit only where upstreams are believed", () =>
    Effect.gen(function* () {
      const answering: Answering = (it) => {
        const message = messageFor(it, [address])
        message[3]! |= Flag.AD
        return Effect.succeed(message)
      }
      const flags = (settings: Record<string, string>) =>
        Effect.map(Effect.flatten(outcomeOf(answering, settings)), ({ wire }) => u16(wire, 2) & Flag.AD)
      assert.deepStrictEqual(
        [
          yield* flags({ DNS_SERVER_TRUST_UPSTREAM_AD: "true" }),
          yield* flags({ DNS_SERVER_TRUST_UPSTREAM_AD: "false" })
        ],
        [Flag.AD, 0]
      )
    })
  )

  it.effect("is a failure where it answers another question, cannot be read, or is longer than a message", () =>
    Effect.gen(function* () {
      const other = messageFor(asked("other.example.test"), [address])
      const short = messageFor(question, [address]).subarray(0, 40)
      const long = messageFor(question, new Array(5_000).fill(address))
      for (const message of [other, new Uint8Array(0), short, long]) {
        const failure = failureOf(yield* outcomeOf(() => Effect.succeed(message)))
        assert.instanceOf(failure, UpstreamsFailed)
        assert.strictEqual(failure.isOfQuestion, false)
      }
    })
  )

  it.effect("is a failure of the question where its rcode is one on which another upstream would be asked", () =>
    Effect.gen(function* () {
      const failure = failureOf(yield* outcomeOf((it) => Effect.succeed(messageFor(it, [], Rcode.ServFail))))
      assert.instanceOf(failure, UpstreamsFailed)
      assert.strictEqual(failure.isOfQuestion, true)
    })
  )
})

describe("the effect that answers", () => {
  it.effect("ends at the query's deadline", () =>
    Effect.gen(function* () {
      const { told } = yield* begun(() => Effect.never, { DNS_SERVER_QUERY_TIMEOUT_SECS: "3" })
      yield* TestClock.adjust("2900 millis")
      assert.deepStrictEqual(told, [])
      yield* TestClock.adjust("100 millis")
      assert.strictEqual((failureOf(told[0]!) as { readonly _tag: string })._tag, "DeadlinePassed")
    })
  )

  it.effect("is interrupted when the exchange is abandoned, and its asker is told nothing", () =>
    Effect.gen(function* () {
      let isInterrupted = false
      const { abandon, told } = yield* begun(() =>
        Effect.onInterrupt(Effect.never, () => Effect.sync(() => (isInterrupted = true)))
      )
      yield* Effect.yieldNow
      abandon()
      yield* TestClock.adjust("1 minute")
      assert.deepStrictEqual([isInterrupted, told], [true, []])
    })
  )

  it.effect("tells of its defects, of what is thrown before there is an effect, and of its own interruption", () =>
    Effect.gen(function* () {
      const thrown = new Error("thrown")
      const threw: Answering = () => {
        throw thrown
      }
      assert.strictEqual(failureOf(yield* outcomeOf(threw)), thrown)
      assert.strictEqual(failureOf(yield* outcomeOf(() => Effect.die(thrown))), thrown)
      assert.instanceOf(failureOf(yield* outcomeOf(() => Effect.interrupt)), UpstreamsFailed)
    })
  )
})
