import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { cellOf, HISTOGRAM_CELLS, middleOf } from "../../src/telemetry/histogram.ts"
import { Latencies, latencyMemory } from "../../src/telemetry/latencies.ts"
import { seeded } from "../support/wire/messages.ts"

describe("a histogram's cells", () => {
  it("grow with the duration, each but the last within 2 % of what it counts", () => {
    let before = -1
    for (let microseconds = 0; microseconds < 2 ** 26; microseconds = Math.ceil(microseconds * 1.003) + 1) {
      const cell = cellOf(microseconds)
      assert.isAtLeast(cell, before)
      assert.isAtMost(Math.abs(middleOf(cell) - microseconds), microseconds * 0.02)
      before = cell
    }
    assert.strictEqual(cellOf(Number.MAX_VALUE), HISTOGRAM_CELLS - 1)
    assert.strictEqual(cellOf(-1), 0)
  })
})

describe("Latencies", () => {
  it.effect("gives quantiles exact within 2 %, over all threads", () =>
    Effect.gen(function* () {
      const memory = latencyMemory(2)
      const one = yield* Latencies.pipe(Effect.provide(Latencies.layerOver(memory, 0)))
      const two = yield* Latencies.pipe(Effect.provide(Latencies.layerOver(memory, 1)))
      const random = seeded(3)
      const all: Array<number> = []
      for (let i = 0; i < 20_000; i++) {
        const ms = 0.05 * 1.0005 ** random(20_000)
        all.push(ms)
        const latencies = i % 2 === 0 ? one : two
        latencies.record("miss", ms, 1)
      }
      all.sort((a, b) => a - b)
      const { p50, p95, p99, p999 } = one.quantiles("miss")
      for (const [share, found] of [
        [0.5, p50],
        [0.95, p95],
        [0.99, p99],
        [0.999, p999]
      ] as const) {
        const exact = all[Math.ceil(all.length * share) - 1]!
        assert.isAtMost(Math.abs(found - exact), exact * 0.02)
      }
      assert.deepStrictEqual(one.quantiles("hit"), { p50: 0, p95: 0, p99: 0, p999: 0 })
    })
  )
})
