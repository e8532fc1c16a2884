import { assert, describe, it } from "@effect/vitest"
import { Throttle } from "../../../src/upstream/transport/throttle.ts"

/** How many may be under way at once. */
const limitOf = (throttle: Throttle, nowMs: number): number => {
  let asked = 0
  while (asked < 5_000 && throttle.hasRoom(asked, nowMs)) asked++
  return asked
}

describe("Throttle", () => {
  it("limits nothing before anything was refused", () => {
    assert.isFalse(new Throttle().isSet)
  })

  it("waits as long as it is told, and a little where it is told nothing, longer each time", () => {
    const throttle = new Throttle()
    throttle.onRefused(10, 3_000, 0)
    assert.isFalse(throttle.hasRoom(0, 2_999))
    assert.isTrue(throttle.hasRoom(0, 3_000))
    assert.strictEqual(throttle.waitMs(1_000), 2_000)
    const untold = new Throttle()
    let nowMs = 0
    const waits = []
    for (let i = 0; i < 6; i++) {
      untold.onRefused(10, undefined, nowMs)
      waits.push(untold.waitMs(nowMs))
      nowMs += untold.waitMs(nowMs)
    }
    assert.deepStrictEqual(waits, [100, 200, 400, 800, 1600, 2000])
  })

  it("asks no more at once than were under way beside those refused, and half of it when that was too much", () => {
    const throttle = new Throttle()
    for (let asked = 39; asked >= 16; asked--) throttle.onRefused(asked, undefined, 0)
    assert.strictEqual(limitOf(throttle, 100), 16)
    throttle.onRefused(15, undefined, 100)
    assert.strictEqual(limitOf(throttle, 300), 8)
    throttle.onRefused(0, undefined, 300)
    assert.strictEqual(limitOf(throttle, 1_000), 1)
  })

  it("asks one more at once for each round of answers when none was refused for ten seconds, until it is no limit", () => {
    const throttle = new Throttle()
    throttle.onRefused(4, undefined, 0)
    for (let i = 0; i < 100; i++) throttle.onAnswered(9_999)
    assert.strictEqual(limitOf(throttle, 9_999), 4)
    for (let i = 0; i < 4; i++) throttle.onAnswered(10_000)
    assert.strictEqual(limitOf(throttle, 10_000), 4)
    throttle.onAnswered(10_000)
    assert.strictEqual(limitOf(throttle, 10_000), 5)
    for (let i = 0; i < 1_000_000 && throttle.isSet; i++) throttle.onAnswered(10_000)
    assert.isFalse(throttle.isSet)
  })

  it("forgets after ten minutes", () => {
    const throttle = new Throttle()
    throttle.onRefused(1, undefined, 0)
    assert.strictEqual(limitOf(throttle, 599_999), 1)
    assert.isTrue(throttle.hasRoom(1_000, 600_000))
  })
})
