import { assert, describe, it } from "@effect/vitest"
import { Arbitrary, Effect } from "effect"
import { atOnce, sortInSlices } from "../../src/runtime/slices.ts"
import { upTo } from "../support/wire/arbitraries.ts"

const byTens = (a: number, b: number): number => Math.floor(a / 10) - Math.floor(b / 10)

describe("sortInSlices", () => {
  it.effect.prop(
    "sorts as sort does, equal items in the order that they had",
    [Arbitrary.array(upTo(1_000), { maxLength: 2_500 })],
    ([items]) =>
      Effect.sync(() => assert.deepStrictEqual(atOnce(sortInSlices(items, byTens)), [...items].sort(byTens))),
    { arbitrary: { runs: 50 } }
  )

  it("pauses after each few hundred items", () => {
    const items = Array.from({ length: 10_000 }, (_, i) => (i * 7919) % 10_007)
    let pauses = 0
    for (const work = sortInSlices(items, byTens); work.next().done !== true; ) pauses++
    // Twenty runs to be sorted, and all items merged five times.
    assert.isAtLeast(pauses, 100)
  })
})
