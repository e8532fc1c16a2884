import { setImmediate } from "node:timers/promises"
import { assert, describe, it } from "@effect/vitest"
import { Effect, Layer } from "effect"
import { TestClock } from "effect/testing"
import { Configuration } from "../../src/config/configuration.ts"
import { type Flavor, idleGcOfSupervisor, type Look, whenToCollect } from "../../src/process/idle-gc.ts"
import { sharedMemoryReleased } from "../../src/runtime/released-memory.ts"
import { Counters } from "../../src/telemetry/counters.ts"
import { settingsOf } from "../support/servers/settings.ts"

const NOTHING: Look = { queries: 0, peak: 0, changes: 0, released: 0, deadlineMs: 5_000 }

/** Says which of the looks collect, and how. */
const collections = (looks: ReadonlyArray<Partial<Look>>): Record<number, Flavor> => {
  const flavorFor = whenToCollect(NOTHING)
  const found: Record<number, Flavor> = {}
  let now = NOTHING
  for (const [index, look] of looks.entries()) {
    now = { ...now, peak: 0, ...look }
    const flavor = flavorFor(now)
    if (flavor !== undefined) found[index] = flavor
  }
  return found
}

const busy = (count: number, others: (index: number) => Partial<Look> = () => ({})): Array<Partial<Look>> =>
  Array.from({ length: count }, (_, index) => ({ queries: (index + 1) * 1000, ...others(index) }))
const quiet = (count: number, others: Partial<Look> = {}): Array<Partial<Look>> =>
  Array.from({ length: count }, () => others)

describe("idle GC", () => {
  it("collects once behind the start, when it is quiet", () => {
    assert.deepStrictEqual(collections(quiet(100)), { 0: "last-resort" })
    assert.deepStrictEqual(collections([...busy(3), ...quiet(100)]), { 3: "last-resort" })
  })

  it("leaves a busy server alone, whatever its peaks", () => {
    assert.deepStrictEqual(collections(busy(100, () => ({ peak: 10_000 }))), {})
  })

  it("collects behind a peak, and behind each once", () => {
    const looks = [...quiet(1), ...busy(5, () => ({ peak: 3_000 })), ...quiet(50), { peak: 3_000 }, ...quiet(50)]
    assert.deepStrictEqual(collections(looks), { 0: "last-resort", 6: "last-resort", 57: "last-resort" })
  })

  it("leaves those alone that wait still, though none come", () => {
    assert.deepStrictEqual(collections([...quiet(1), ...quiet(50, { peak: 3_000 })]), { 0: "last-resort" })
  })

  it("collects behind a change when nothing is in use any more of what was replaced", () => {
    assert.deepStrictEqual(collections([...quiet(10), ...quiet(50, { changes: 1 })]), {
      0: "last-resort",
      15: "last-resort"
    })
  })

  it("waits for the deadline of the queries that use what was replaced, the longer one of before and after", () => {
    for (const [before, after] of [
      [60_000, 1_000],
      [1_000, 60_000]
    ] as const) {
      const looks = [
        ...quiet(10, { deadlineMs: before }),
        ...quiet(40, { changes: 1, deadlineMs: after }),
        ...quiet(50, { changes: 1, deadlineMs: 1_000 })
      ]
      assert.deepStrictEqual(collections(looks), { 0: "last-resort", 43: "last-resort" })
    }
  })

  it("collects released memory while queries come, but not at each look", () => {
    const looks = busy(30, (index) => ({ released: Math.min(Math.max(index - 2, 0), 10) }))
    assert.deepStrictEqual(collections(looks), { 3: "regular", 8: "regular", 13: "regular" })
  })

  it("collects what many changes in a row leave while queries come, and what the last of them leave", () => {
    assert.deepStrictEqual(collections(busy(300, (index) => ({ changes: Math.min(index, 99) }))), {})
    const many = busy(30, (index) => ({ changes: Math.min(index * 20, 200) }))
    assert.deepStrictEqual(collections(many), { 5: "regular", 10: "regular", 15: "regular" })
  })

  it.effect("memory that was released is not there any more", () => {
    const settings = settingsOf({})
    const services = Layer.mergeAll(Configuration.layer(settings), Counters.layer)
    return Effect.gen(function* () {
      yield* Effect.forkScoped(idleGcOfSupervisor)
      yield* TestClock.adjust("11 seconds")
      const table = new WeakRef(new SharedArrayBuffer(1 << 20))
      sharedMemoryReleased()
      // What a weak reference was made of lives for as long as the task that made it.
      yield* Effect.promise(() => setImmediate())
      yield* TestClock.adjust("12 seconds")
      yield* Effect.promise(() => setImmediate())
      assert.strictEqual(table.deref(), undefined)
    }).pipe(Effect.provide(services))
  })
})
