import { once } from "node:events"
import { setTimeout as sleep } from "node:timers/promises"
import { Worker } from "node:worker_threads"
import { assert, describe, it } from "@effect/vitest"
import { Clock, Effect } from "effect"
import { TableMemory } from "../../../src/cache/table/memory.ts"
import { Hammer, type HammerCounts, type HammerOptions } from "./hammer.ts"

const clock = Effect.runSync(Clock.clockWith(Effect.succeed))

const begin = (octets: number, names: number) => {
  const memory = TableMemory.create(octets, clock).buffer
  const control = new SharedArrayBuffer(8)
  const options = (writer: number): HammerOptions => ({ memory, control, writer, names })
  const start = (writer: number): Worker =>
    new Worker(new URL("./hammer-worker.ts", import.meta.url), { workerData: options(writer) })
  return { memory, control: new Int32Array(control), options, start }
}

/** Waits until the threads together have struck so often since `from`. */
const struck = async (control: Int32Array, times: number): Promise<void> => {
  const until = Atomics.load(control, 1) + times
  while (Atomics.load(control, 1) < until) await sleep(2)
}

describe("a table that many threads use", () => {
  for (const [octets, names] of [
    [256 * 1024, 3_000],
    [1024 * 1024, 100]
  ] as const) {
    it(`serves whole answers only, ${names} names in ${octets} octets`, async () => {
      const { control, options, start } = begin(octets, names)
      const workers = [2, 3, 4].map(start)
      const ended = workers.map((worker) => once(worker, "message") as Promise<[HammerCounts]>)
      await Promise.race([struck(control, 50), ...ended])
      // This thread as well, while they do.
      const own = new Hammer(options(1), clock)
      for (let i = 0; i < 100; i++) {
        own.strike()
        if (i % 10 === 0) await sleep(1)
      }
      Atomics.store(control, 0, 1)
      const counts = [own.counts, ...(await Promise.all(ended)).map(([each]) => each)]
      for (const each of counts) {
        assert.strictEqual(each.wrong, 0)
        assert.isAtLeast(each.hits, each.lookups / 20)
      }
      const { hits, misses } = own.table.statistics()
      assert.strictEqual(
        hits + misses,
        counts.reduce((sum, each) => sum + each.lookups, 0)
      )
      await Promise.all(workers.map((worker) => worker.terminate()))
    }, 120_000)
  }

  it("stays whole when threads die in the middle of their stores", async () => {
    const { control, options, start } = begin(256 * 1024, 2_000)
    const own = new Hammer(options(1), clock)
    const survivor = start(2)
    for (let round = 0; round < 15; round++) {
      const doomed = start(3)
      await once(doomed, "online")
      await Promise.race([struck(control, 20), once(doomed, "exit")])
      await doomed.terminate()
      own.table.recover(3)
      for (let number = 0; number < 2_000; number++) own.check(number)
      own.strike()
    }
    Atomics.store(control, 0, 1)
    const [counts] = (await once(survivor, "message")) as [HammerCounts]
    assert.strictEqual(own.counts.wrong, 0)
    assert.strictEqual(counts.wrong, 0)
    const { unstored } = own.table.statistics()
    for (let number = 0; number < 300; number++) own.put(number)
    assert.strictEqual(own.table.statistics().unstored, unstored)
    await survivor.terminate()
  }, 120_000)
})
