import { assert, describe, it } from "@effect/vitest"
import { hitShare, zipf } from "../../bench/load/zipf.ts"

const draw = (count: number, next: () => number): ReadonlyArray<number> => Array.from({ length: count }, next)

describe("zipf", () => {
  it("gives the same ranks for the same seed, others for another", () => {
    const first = draw(100, zipf(1000, 1, 1))
    assert.deepStrictEqual(draw(100, zipf(1000, 1, 1)), first)
    assert.notDeepEqual(draw(100, zipf(1000, 1, 2)), first)
  })

  it("stays within its size", () => {
    for (const rank of draw(10_000, zipf(10, 1, 1))) assert.isTrue(rank >= 0 && rank < 10)
    assert.deepStrictEqual(draw(3, zipf(1, 1, 1)), [0, 0, 0])
  })

  it("gives each rank in proportion to its law", () => {
    const counts = [0, 0, 0, 0]
    for (const rank of draw(100_000, zipf(4, 1, 7))) counts[rank]!++
    const weights = [1, 1 / 2, 1 / 3, 1 / 4]
    const sum = weights.reduce((a, b) => a + b)
    for (const [rank, weight] of weights.entries()) {
      assert.closeTo(counts[rank]! / 100_000, weight / sum, 0.01)
    }
  })
})

describe("hitShare", () => {
  it("counts what was asked before, in the part before or in the same", () => {
    assert.strictEqual(hitShare([1, 2], [1, 3, 3, 4]), 0.5)
  })

  it("is nothing where every name is new", () => {
    assert.strictEqual(hitShare([], [1, 2, 3]), 0)
  })
})
