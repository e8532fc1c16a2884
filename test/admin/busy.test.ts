import { assert, describe, it } from "@effect/vitest"
import { Busyness } from "../../src/admin/busy.ts"

/** Looks ten times a second at a thread that uses so much of a processor; what each that asks between two looks is told. */
const watch = (rounds: ReadonlyArray<{ readonly share: number; readonly asks: number }>) => {
  const busyness = new Busyness(0, 0)
  let used = 0
  return rounds.map(({ share, asks }, i) => {
    used += share * 100_000
    busyness.look((i + 1) * 100, used)
    return Array.from({ length: asks }, () => {
      busyness.ask()
      return busyness.isBusy
    })
  })
}

const rounds = (count: number, share: number, asks: number) => new Array(count).fill({ share, asks })

describe("the admin side", () => {
  it("is busy where it computes much and is asked much, and until that is over", () => {
    const told = watch([...rounds(20, 0.9, 5), ...rounds(20, 0, 5)])
    assert.deepStrictEqual(told[0], new Array(5).fill(false))
    assert.deepStrictEqual(told[19], new Array(5).fill(true))
    assert.deepStrictEqual(told[39], new Array(5).fill(false))
  })

  it("is not where it computes much, and is asked now and then, as after a start", () => {
    const told = watch(Array.from({ length: 60 }, (_, i) => ({ share: 1, asks: i % 4 === 0 ? 1 : 0 })))
    assert.notInclude(told.flat(), true)
  })

  it("is not where it is asked much, and computes little", () => {
    assert.notInclude(watch(rounds(60, 0.2, 50)).flat(), true)
  })
})
