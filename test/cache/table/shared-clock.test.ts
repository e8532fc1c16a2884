import { assert, describe, it } from "@effect/vitest"
import { Header, TableMemory } from "../../../src/cache/table/memory.ts"
import { SharedClock } from "../../../src/cache/table/shared-clock.ts"
import { settableClock } from "./derived.ts"

const shared = () => {
  const { time, clock, advance } = settableClock()
  const memory = TableMemory.create(1, clock)
  return { time, advance, memory, clock, of: (writer: number) => new SharedClock(memory, clock, writer) }
}

describe("SharedClock", () => {
  it("tells all threads the same time, in tenths of a second, from whenever they join", () => {
    const { advance, of } = shared()
    const one = of(1)
    advance(12_345)
    const two = of(2)
    assert.strictEqual(two.now, 123)
    assert.strictEqual(one.now, 123)
    advance(60)
    one.refresh()
    assert.strictEqual(two.now, 124)
  })

  it("counts a sleep once, whichever thread sees it first", () => {
    const { time, of } = shared()
    const one = of(1)
    const two = of(2)
    time.wallMs += 60_000
    two.refresh()
    one.refresh()
    two.refresh()
    assert.strictEqual(one.now, 600)
  })

  it("does not let a clock set back lengthen a life", () => {
    const { time, advance, of } = shared()
    const one = of(1)
    time.wallMs -= 3_600_000
    advance(1_000)
    one.tick()
    assert.strictEqual(one.now, 10)
    advance(2_000)
    one.tick()
    assert.strictEqual(one.now, 30)
  })

  it("does not run fast because the wall clock is coarse", () => {
    const { time, of } = shared()
    const one = of(1)
    for (let i = 0; i < 100_000; i++) {
      time.monotonicMs += 0.3
      time.wallMs = 1_000_000 + Math.floor(time.monotonicMs)
      one.refresh()
    }
    assert.strictEqual(one.now, 300)
  })

  it("looks closer only when some milliseconds have passed", () => {
    const { time, advance, of } = shared()
    advance(90)
    const one = of(1)
    advance(15)
    one.tick()
    assert.strictEqual(one.now, 0)
    advance(5)
    one.tick()
    assert.strictEqual(one.now, 1)
    time.wallMs -= 1
    advance(100)
    one.tick()
    assert.strictEqual(one.now, 2)
  })

  it("leaves a jump to the thread that has the lock, and sees it when that is free", () => {
    const { time, memory, of } = shared()
    const one = of(1)
    memory.header[Header.ClockLock] = 2
    time.wallMs += 60_000
    one.refresh()
    assert.strictEqual(one.now, 0)
    memory.header[Header.ClockLock] = 0
    one.refresh()
    assert.strictEqual(one.now, 600)
  })

  it("goes on past 2^32 ticks", () => {
    const { advance, of } = shared()
    const one = of(1)
    advance((2 ** 31 - 10) * 100)
    one.refresh()
    const before = one.now
    advance(2_000)
    one.refresh()
    assert.strictEqual((one.now - before) | 0, 20)
    assert.isBelow(one.now, 0)
  })
})
