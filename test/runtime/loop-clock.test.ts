import { assert, describe, it } from "@effect/vitest"
import { Clock, Effect } from "effect"
import { LoopClock } from "../../src/runtime/loop-clock.ts"

describe("the loop clock's wall time", () => {
  it.effect("follows where the wall clock is set, and not where it is corrected slowly", () =>
    Effect.gen(function* () {
      let monotonicMs = 5_000
      let wallMs = 1_000_000
      const real = yield* Clock.clockWith(Effect.succeed)
      const set: Clock.Clock = Object.assign(Object.create(real), {
        currentTimeMillisUnsafe: () => wallMs,
        monotonicTimeNanosUnsafe: () => BigInt(Math.round(monotonicMs * 1e6))
      })
      const clock = yield* LoopClock.pipe(Effect.provide(LoopClock.layer), Effect.provideService(Clock.Clock, set))
      const pass = (ms: number, jumpMs = 0): number => {
        monotonicMs += ms
        wallMs += ms + jumpMs
        clock.begin()
        return clock.wallMs(clock.nowMs())
      }
      assert.strictEqual(pass(100), 1_000_100)
      // An hour later, by the wall clock alone.
      assert.strictEqual(pass(2_000, 3_600_000), wallMs)
      assert.strictEqual(pass(2_000, 40), wallMs - 40)
      assert.strictEqual(pass(2_000, -7_200_000), wallMs)
    })
  )
})
