import { assert, describe, it } from "@effect/vitest"
import { Deferred, Effect, Exit, Fiber, Scope } from "effect"
import { FiberList } from "../../src/runtime/fiber-list.ts"

const runFork = Effect.runFork

describe("FiberList", () => {
  it.effect("counts the fibers that run, and knows when none does", () =>
    Effect.gen(function* () {
      const list = yield* FiberList.make
      const admission = yield* Deferred.make<void>()
      for (let i = 0; i < 10; i++) list.add(runFork(Deferred.await(admission)))
      list.add(runFork(Effect.void))
      assert.strictEqual(list.size, 10)
      const waiting = yield* Effect.forkChild(list.awaitEmpty, { startImmediately: true })
      assert.isUndefined(waiting.pollUnsafe())
      yield* Deferred.succeed(admission, undefined)
      yield* Fiber.join(waiting)
      assert.strictEqual(list.size, 0)
      assert.strictEqual(list.takePeak(), 10)
      assert.strictEqual(list.takePeak(), 0)
    }).pipe(Effect.scoped)
  )

  it.effect("interrupts those that are left when its scope closes, and those that come after", () =>
    Effect.gen(function* () {
      const scope = yield* Scope.make()
      const list = yield* FiberList.make.pipe(Scope.provide(scope))
      const left = runFork(Effect.never)
      list.add(left)
      yield* Scope.close(scope, Exit.void)
      assert.isTrue(Exit.hasInterrupts(yield* Fiber.await(left)))
      const late = runFork(Effect.never)
      list.add(late)
      assert.isTrue(Exit.hasInterrupts(yield* Fiber.await(late)))
    })
  )
})
