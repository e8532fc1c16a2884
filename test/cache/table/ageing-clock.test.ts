import { assert, describe, it } from "@effect/vitest"
import type { Clock } from "effect"
import { AgeingClock } from "../../../src/cache/table/ageing-clock.ts"

const settable = () => {
  const time = { wallMs: 1_000_000, monotonicMs: 0 }
  const clock = {
    currentTimeMillisUnsafe: () => time.wallMs,
    monotonicTimeNanosUnsafe: () => BigInt(time.monotonicMs * 1e6)
  } as Clock.Clock
  return { time, ageing: new AgeingClock(clock) }
}

describe("AgeingClock", () => {
  it("counts time that the machine slept, while the monotonic clock stood still", () => {
    const { time, ageing } = settable()
    time.wallMs += 60_000
    assert.strictEqual(ageing.nowMs(), 60_000)
  })

  it("does not let a clock set back lengthen a life", () => {
    const { time, ageing } = settable()
    time.wallMs -= 3_600_000
    time.monotonicMs += 1_000
    assert.strictEqual(ageing.nowMs(), 1_000)
    time.wallMs += 2_000
    time.monotonicMs += 2_000
    assert.strictEqual(ageing.nowMs(), 3_000)
  })

  it("never goes back", () => {
    const { time, ageing } = settable()
    time.wallMs += 5_000
    ageing.nowMs()
    time.wallMs -= 10_000
    assert.strictEqual(ageing.nowMs(), 5_000)
  })

  it("does not run fast because it is asked often and the wall clock is coarse", () => {
    const { time, ageing } = settable()
    for (let i = 1; i <= 10_000; i++) {
      time.monotonicMs = i * 0.25
      time.wallMs = 1_000_000 + Math.floor(time.monotonicMs)
      ageing.nowMs()
    }
    assert.strictEqual(ageing.nowMs(), 2_500)
  })
})
