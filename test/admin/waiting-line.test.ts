import { assert, describe, it } from "@effect/vitest"
import { Deferred, Effect, Fiber } from "effect"
import { WaitingLine } from "../../src/admin/waiting-line.ts"

const PLACES = 8

/** A line at a side that is as busy as `state` says; `join` gives what becomes of one that waits. */
const makeLine = (state: { isBusy: boolean }) => {
  const line = new WaitingLine()
  const order: Array<string> = []
  const join = (name: string, response = { destroyed: false }): Effect.Effect<"goes on" | "gives up" | "refused"> =>
    Effect.gen(function* () {
      const told = yield* Deferred.make<"goes on" | "gives up">()
      const tell = (what: "goes on" | "gives up") => () => {
        order.push(name)
        Deferred.doneUnsafe(told, Effect.succeed(what))
      }
      const request = { response, mayGoOn: () => !state.isBusy, goOn: tell("goes on"), giveUp: tell("gives up") }
      if (!line.join(request)) return "refused" as const
      return yield* Deferred.await(told)
    })
  return { order, join }
}

const names = Array.from({ length: PLACES }, (_, index) => `request ${index}`)

describe("the line before the admin side", () => {
  it.live("lets requests on in their order once it is less busy", () =>
    Effect.gen(function* () {
      const state = { isBusy: true }
      const { order, join } = makeLine(state)
      const fiber = yield* Effect.forkChild(Effect.forEach(names, (name) => join(name), { concurrency: "unbounded" }))
      yield* Effect.yieldNow
      state.isBusy = false
      assert.deepStrictEqual(
        yield* Fiber.join(fiber),
        names.map(() => "goes on")
      )
      assert.deepStrictEqual(order, names)
    })
  )

  it.live("has few places, and nobody waits in it for long", () =>
    Effect.gen(function* () {
      const { join } = makeLine({ isBusy: true })
      const told = yield* Effect.forEach([...names, "one more"], (name) => join(name), { concurrency: "unbounded" })
      assert.deepStrictEqual(told, [...names.map(() => "gives up"), "refused"])
    })
  )

  it.live("forgets who has gone", () =>
    Effect.gen(function* () {
      const state = { isBusy: true }
      const { order, join } = makeLine(state)
      const gone = names.map(() => ({ destroyed: false }))
      for (const response of gone) yield* Effect.forkChild(join("gone", response))
      yield* Effect.yieldNow
      for (const response of gone) response.destroyed = true
      const fiber = yield* Effect.forkChild(join("here"))
      yield* Effect.yieldNow
      state.isBusy = false
      assert.strictEqual(yield* Fiber.join(fiber), "goes on")
      assert.deepStrictEqual(order, ["here"])
    })
  )
})
