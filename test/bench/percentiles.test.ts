import { assert, describe, it } from "@effect/vitest"
import { median, percentiles } from "../../bench/measure/percentiles.ts"

describe("median", () => {
  it("is the middle value of an odd number, in whatever order", () => {
    assert.strictEqual(median([9, 1, 5]), 5)
  })

  it("is the mean of the two in the middle of an even number", () => {
    assert.strictEqual(median([4, 1, 3, 2]), 2.5)
  })

  it("of nothing is no number", () => {
    assert.isNaN(median([]))
  })
})

describe("percentiles", () => {
  it("are values that so many of a hundred do not exceed", () => {
    const hundred = Float64Array.from({ length: 100 }, (_, i) => 100 - i)
    assert.deepStrictEqual(percentiles(hundred, [0, 50, 99, 99.9, 100]), [1, 50, 99, 100, 100])
  })

  it("leave the values in their order", () => {
    const values = Float64Array.of(3, 1, 2)
    percentiles(values, [50])
    assert.deepStrictEqual([...values], [3, 1, 2])
  })

  it("of nothing are no numbers", () => {
    assert.deepStrictEqual(percentiles(new Float64Array(0), [50]), [Number.NaN])
  })
})
