import { assert, describe, it } from "@effect/vitest"
import { Effect, Exit, Fiber } from "effect"
import { TestClock } from "effect/testing"
import { keepAlive } from "../../../src/process/systemd/watchdog.ts"

describe("the service manager's watchdog", () => {
  it.effect("hears twice in its time that the server is alive, as long as a worker answers", () =>
    Effect.gen(function* () {
      let signs = 0
      let isAnswering = true
      const alive = Effect.sync(() => void signs++)
      yield* Effect.forkChild(keepAlive({ watchdogMs: 30_000, alive }, () => isAnswering))
      yield* TestClock.adjust(0)
      assert.strictEqual(signs, 1)
      yield* TestClock.adjust(30_000)
      assert.strictEqual(signs, 3)
      isAnswering = false
      yield* TestClock.adjust(60_000)
      assert.strictEqual(signs, 3)
      isAnswering = true
      yield* TestClock.adjust(15_000)
      assert.strictEqual(signs, 4)
    })
  )

  it.effect("hears nothing where there is none", () =>
    Effect.gen(function* () {
      const alive = Effect.die("nobody asked")
      const fiber = yield* Effect.forkChild(keepAlive({ watchdogMs: undefined, alive }, () => true))
      assert.isTrue(Exit.isSuccess(yield* Fiber.await(fiber)))
    })
  )
})
