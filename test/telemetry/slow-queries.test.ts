import { assert, describe, it } from "@effect/vitest"
import { Result } from "effect"
import { type SlowFrom, slowFrom } from "../../src/config/codec/slow-from.ts"
import { SlowLimit } from "../../src/telemetry/slow-queries.ts"

const observeAll = (limit: SlowLimit, durations: ReadonlyArray<number>): void => {
  for (const ms of durations) limit.observe(ms)
}

/** Durations from 1 to `count`, shuffled by a step that meets each of them once. */
const upTo = (count: number): ReadonlyArray<number> => Array.from({ length: count }, (_, i) => ((i * 7) % count) + 1)

describe("the limit from which queries are slow", () => {
  it("is what is configured, whatever was seen, as soon as it is another", () => {
    let from: SlowFrom = 300
    const limit = new SlowLimit(() => from)
    observeAll(limit, upTo(3_000))
    assert.deepStrictEqual(
      [299.9, 300].map((ms) => limit.isExceededBy(ms)),
      [false, true]
    )
    from = 5
    assert.deepStrictEqual(
      [4.9, 5].map((ms) => limit.isExceededBy(ms)),
      [false, true]
    )
  })

  it("is 99 of 100 of the last thousand, and a second until there were as many", () => {
    const limit = new SlowLimit(() => "p99")
    const slowest = (): number => {
      let ms = 1
      while (!limit.isExceededBy(ms)) ms++
      return ms
    }
    observeAll(limit, upTo(999))
    assert.strictEqual(slowest(), 1_001)
    limit.observe(1_000)
    assert.strictEqual(slowest(), 991)
    assert.strictEqual(upTo(1_000).filter((ms) => limit.isExceededBy(ms)).length, 10)
    // It follows what becomes slower, and what becomes quicker.
    observeAll(
      limit,
      upTo(1_000).map((ms) => ms * 10)
    )
    assert.strictEqual(slowest(), 9_901)
    // Of equal ones none is slower than the others.
    observeAll(
      limit,
      upTo(1_000).map(() => 20)
    )
    assert.strictEqual(slowest(), 21)
  })

  it("is written as a number of milliseconds or as p99", () => {
    for (const [text, value] of [
      ["p99", "p99"],
      ["P99", "p99"],
      ["1", 1],
      ["60000", 60_000]
    ] as const) {
      assert.strictEqual(Result.getOrThrow(slowFrom.read(text)), value)
    }
    for (const wrong of ["p95", "0", "60001", "1.5", "", "auto"])
      assert.match(String(Result.merge(slowFrom.read(wrong))), /^p99, or an integer from 1 to 60000/)
  })
})
