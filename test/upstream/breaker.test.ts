import { assert, describe, it } from "@effect/vitest"
import { Breaker } from "../../src/upstream/breaker.ts"

const failing = (times: number, nowMs: number, breaker = new Breaker()): Breaker => {
  for (let i = 0; i < times; i++) breaker.onFailure(nowMs, `question ${i}`)
  return breaker
}

describe("Breaker", () => {
  it("opens when five different questions failed in a row", () => {
    assert.strictEqual(failing(4, 1_000).state(1_000), "Closed")
    const open = failing(5, 1_000)
    assert.strictEqual(open.state(1_000), "Open")
    assert.isFalse(open.tryPass(1_000))
  })

  it("counts one question that always fails once", () => {
    const breaker = new Breaker()
    for (let i = 0; i < 100; i++) breaker.onFailure(1_000, "bogus.test A")
    assert.strictEqual(breaker.state(1_000), "Closed")
  })

  it("stays closed while something was answered a moment ago", () => {
    const breaker = new Breaker()
    breaker.onSuccess(1_000)
    assert.strictEqual(failing(5, 1_500, breaker).state(1_500), "Closed")
    assert.strictEqual(failing(1, 1_501, breaker).state(1_501), "Open")
  })

  it("begins to count anew after a success", () => {
    const breaker = failing(4, 1_000)
    breaker.onSuccess(1_000)
    assert.strictEqual(failing(4, 9_000, breaker).state(9_000), "Closed")
  })

  it("lets one trial pass a second after it opened, and no other beside it", () => {
    const breaker = failing(5, 1_000)
    assert.isFalse(breaker.tryPass(1_999))
    assert.isTrue(breaker.tryPass(2_000))
    assert.strictEqual(breaker.state(2_000), "HalfOpen")
    assert.isFalse(breaker.tryPass(2_000))
  })

  it("closes when the trial is answered, opens for another second when it fails", () => {
    const good = failing(5, 1_000)
    good.tryPass(2_000)
    good.onSuccess(2_010)
    assert.isTrue(good.tryPass(2_010))
    const bad = failing(5, 1_000)
    bad.tryPass(2_000)
    bad.onFailure(2_500, "trial")
    assert.isFalse(bad.tryPass(3_499))
    assert.isTrue(bad.tryPass(3_500))
  })

  it("lets another trial pass when the first ended undecided", () => {
    const breaker = failing(5, 1_000)
    breaker.tryPass(2_000)
    breaker.onUndecided()
    assert.isTrue(breaker.tryPass(2_000))
  })
})
