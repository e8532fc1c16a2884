import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { watchBusy } from "../../src/admin/busy.ts"

/** Has this thread compute for most of the time, asking so often between two pauses. */
const compute = (isBusy: () => boolean, rounds: number, asks: number): Effect.Effect<ReadonlyArray<boolean>> =>
  Effect.gen(function* () {
    const said: Array<boolean> = []
    for (let round = 0; round < rounds; round++) {
      const untilUs = process.threadCpuUsage().user + 60_000
      while (process.threadCpuUsage().user < untilUs);
      for (let i = 0; i < asks; i++) said.push(isBusy())
      yield* Effect.sleep(1)
    }
    return said
  })

describe("an admin side whose thread computes", () => {
  it.live("is busy for those who ask all the time, and for nobody who asks now and then", () =>
    Effect.gen(function* () {
      const isBusy = yield* watchBusy
      yield* compute(isBusy, 30, 0)
      assert.isFalse(isBusy())
      const said = yield* compute(isBusy, 60, 5)
      assert.isFalse(said[0])
      assert.isTrue(said.at(-1))
    }).pipe(Effect.scoped)
  )
})
