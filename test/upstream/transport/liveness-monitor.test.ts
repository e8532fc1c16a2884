import { assert, describe, it } from "@effect/vitest"
import { Effect, Layer } from "effect"
import { TestClock } from "effect/testing"
import { LoopClock } from "../../../src/runtime/loop-clock.ts"
import { TimerWheel } from "../../../src/runtime/timer-wheel.ts"
import { LivenessMonitor } from "../../../src/upstream/transport/liveness-monitor.ts"

const SILENCE_MS = 600
const IDLE_MS = 30_000

/** A liveness monitor, what it did, and how to let time pass. */
const probeLease = Effect.gen(function* () {
  const wheel = yield* TimerWheel
  const clock = yield* LoopClock
  const did: Array<string> = []
  const monitored = {
    awaited: 0,
    silenceMs: () => SILENCE_MS,
    onSilence: (times: number) => did.push(`silent ${times}`),
    onDead: () => did.push("dead"),
    onIdle: () => did.push("idle")
  }
  const liveness = new LivenessMonitor(wheel, monitored, IDLE_MS)
  const pass = (ms: number) =>
    Effect.gen(function* () {
      // In steps: a sleep that begins after one has ended is not seen by an adjustment that began before.
      for (let left = ms; left > 0; left -= 5) yield* TestClock.adjust(Math.min(5, left))
      clock.refresh()
    })
  return { liveness, monitored, did, pass }
})

const layer = TimerWheel.layer.pipe(Layer.provideMerge(LoopClock.layer))

describe("LivenessMonitor", () => {
  it.effect("says each time that a connection has been silent for as long again, and ends it when nobody waits", () =>
    Effect.gen(function* () {
      const { liveness, monitored, did, pass } = yield* probeLease
      monitored.awaited = 1
      liveness.asked()
      yield* pass(SILENCE_MS - 50)
      assert.isFalse(liveness.isSuspect)
      yield* pass(100)
      assert.isTrue(liveness.isSuspect)
      assert.deepStrictEqual(did, ["silent 1"])
      yield* pass(2 * SILENCE_MS)
      assert.deepStrictEqual(did, ["silent 1", "silent 2", "silent 3"])
      monitored.awaited = 0
      yield* pass(SILENCE_MS + 50)
      assert.deepStrictEqual(did, ["silent 1", "silent 2", "silent 3", "dead"])
    }).pipe(Effect.provide(layer))
  )

  it.effect("trusts it again when anything comes in, and goes on while questions wait", () =>
    Effect.gen(function* () {
      const { liveness, monitored, did, pass } = yield* probeLease
      monitored.awaited = 1
      liveness.asked()
      yield* pass(SILENCE_MS + 50)
      liveness.heard()
      assert.isFalse(liveness.isSuspect)
      yield* pass(SILENCE_MS + 50)
      assert.deepStrictEqual(did, ["silent 1", "silent 1"])
      liveness.heard()
      monitored.awaited = 0
      liveness.heard()
      yield* pass(5 * SILENCE_MS)
      assert.deepStrictEqual(did, ["silent 1", "silent 1"])
    }).pipe(Effect.provide(layer))
  )

  it.effect("counts silence from the question that was asked after the last word, not from before", () =>
    Effect.gen(function* () {
      const { liveness, monitored, did, pass } = yield* probeLease
      yield* pass(10_000)
      monitored.awaited = 1
      liveness.asked()
      yield* pass(SILENCE_MS - 50)
      assert.deepStrictEqual(did, [])
    }).pipe(Effect.provide(layer))
  )

  it.effect("ends a connection with nothing to do after its time, and not before", () =>
    Effect.gen(function* () {
      const { liveness, monitored, did, pass } = yield* probeLease
      monitored.awaited = 1
      liveness.asked()
      yield* pass(100)
      monitored.awaited = 0
      liveness.heard()
      yield* pass(IDLE_MS - 200)
      assert.deepStrictEqual(did, [])
      yield* pass(400)
      assert.deepStrictEqual(did, ["idle"])
    }).pipe(Effect.provide(layer))
  )
})
