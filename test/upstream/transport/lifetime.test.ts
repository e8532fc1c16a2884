import { assert, describe, it } from "@effect/vitest"
import { Lifetime } from "../../../src/upstream/transport/lifetime.ts"

describe("Lifetime", () => {
  it("is what the first connection showed that was closed while questions waited", () => {
    const lifetime = new Lifetime()
    assert.strictEqual(lifetime.at(0), Number.POSITIVE_INFINITY)
    lifetime.onClosedAfter(3, 0)
    assert.strictEqual(lifetime.at(9_999), 3)
    lifetime.onClosedAfter(2, 5_000)
    assert.strictEqual(lifetime.at(9_999), 2)
  })

  it("is forgotten, so that it is tried again; each time it shows again it is remembered for twice as long", () => {
    const lifetime = new Lifetime()
    lifetime.onClosedAfter(1, 0)
    assert.strictEqual(lifetime.at(10_000), Number.POSITIVE_INFINITY)
    lifetime.onClosedAfter(1, 20_000)
    assert.strictEqual(lifetime.at(39_999), 1)
    assert.strictEqual(lifetime.at(40_000), Number.POSITIVE_INFINITY)
    let nowMs = 40_000
    for (let i = 0; i < 20; i++) {
      lifetime.onClosedAfter(1, nowMs)
      while (lifetime.at(nowMs) === 1) nowMs += 10_000
    }
    lifetime.onClosedAfter(1, nowMs)
    assert.strictEqual(lifetime.at(nowMs + 599_999), 1)
    assert.strictEqual(lifetime.at(nowMs + 600_000), Number.POSITIVE_INFINITY)
  })

  it("is nothing that a connection shows which had not answered, or had answered many", () => {
    const lifetime = new Lifetime()
    lifetime.onClosedAfter(0, 0)
    lifetime.onClosedAfter(5_000, 0)
    assert.strictEqual(lifetime.at(1), Number.POSITIVE_INFINITY)
  })
})
