/** Where what is known of upstreams lies in shared memory. */
import { assert, describe, it } from "@effect/vitest"
import { upstreamMemory, upstreamStateAt } from "../../../src/upstream/health/shared-state.ts"

describe("the shared memory of upstreams", () => {
  it("has a place for each value: none lies over another one, of the same upstream or of the next", () => {
    const memory = upstreamMemory(3)
    const arrays = [0, 1, 2].flatMap((slot) => Object.values(upstreamStateAt(memory, slot)))
    const places = arrays.flatMap((array) =>
      Array.from({ length: array.byteLength }, (_, octet) => array.byteOffset + octet)
    )
    assert.strictEqual(new Set(places).size, places.length)
    assert.isAtMost(Math.max(...places), memory.byteLength - 1)
  })

  it("has what one thread writes for all queries in another cache line than what is read for them", () => {
    const { words, times, estimates, flags } = upstreamStateAt(upstreamMemory(1), 0)
    const lineOf = (array: { readonly byteOffset: number; readonly byteLength: number }) => [
      Math.floor(array.byteOffset / 64),
      Math.floor((array.byteOffset + array.byteLength - 1) / 64)
    ]
    assert.deepStrictEqual([words, times].map(lineOf), [
      [1, 1],
      [1, 1]
    ])
    assert.deepStrictEqual([estimates, flags].map(lineOf), [
      [2, 2],
      [2, 2]
    ])
  })
})
