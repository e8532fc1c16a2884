import { once } from "node:events"
import type { Worker } from "node:worker_threads"
import { assert, describe, it } from "@effect/vitest"
import { Effect, Exit, Fiber } from "effect"
import { decodeSettings, load } from "../../../src/config/configuration.ts"
import { NO_OVERRIDES } from "../../../src/config/sources/gather.ts"
import { loadApart } from "../../../src/process/reload/load-apart.ts"
import { fileWith } from "../../support/machine/files.ts"

const RIGHT = `
upstreams: [192.0.2.1, { address: tls://192.0.2.2#dns.example, weight: 3 }]
groups: { a: { upstreams: [10.0.0.1], policy: ordered } }
rules: [{ suffix: a.example, client: 10.0.0.0/8, group: a }]
local_answers: [nas.home A 192.168.1.7]
redis_url: redis://strand:word@redis.example
retries: 1
`

describe("the configuration that is loaded in a thread of its own", () => {
  it.live("is what it would be here", () =>
    Effect.gen(function* () {
      const file = yield* fileWith(RIGHT)
      const here = yield* load(file)
      const there = yield* loadApart(file, NO_OVERRIDES)
      assert.deepStrictEqual(there.written, here.written)
      assert.deepStrictEqual(there.given, here.given)
      assert.deepStrictEqual(there.warnings, here.warnings)
      assert.deepStrictEqual(decodeSettings(there.written), here.settings)
    })
  )

  it.live("has the same mistakes and warnings", () =>
    Effect.gen(function* () {
      const file = yield* fileWith("retires: 1\nretries: -1\nlisten: '::1:53'\n")
      const here = yield* Effect.flip(load(file))
      const there = yield* Effect.flip(loadApart(file, NO_OVERRIDES))
      assert.strictEqual(there.message, here.message)
      assert.include(there.message, "2 mistakes")
      assert.include(there.message, "warning: ")
    })
  )

  it.live("is given up with whoever waits for it", () =>
    Effect.gen(function* () {
      const waiting = yield* Effect.forkChild(loadApart("/dev/tty0/none", NO_OVERRIDES), { startImmediately: true })
      yield* Fiber.interrupt(waiting)
      assert.isTrue(Exit.hasInterrupts(yield* Fiber.await(waiting)))
    })
  )

  it.live("is loaded by the same thread again, by another where that one is at work, or has ended", () =>
    Effect.gen(function* () {
      const threads: Array<Worker> = []
      const onWorker = (thread: Worker): void => {
        threads.push(thread)
      }
      yield* Effect.acquireRelease(
        Effect.sync(() => process.on("worker", onWorker)),
        () => Effect.sync(() => process.off("worker", onWorker))
      )
      const [first, second] = [yield* fileWith("retries: 1\n"), yield* fileWith("retries: 2\n")]
      const retriesOf = (file: string) =>
        Effect.map(loadApart(file, NO_OVERRIDES), ({ written }) => decodeSettings(written).retries)
      // Whatever was left by a test before.
      yield* Effect.all([retriesOf(first), retriesOf(second)], { concurrency: "unbounded" })
      threads.length = 0
      for (const [file, retries] of [
        [first, 1],
        [second, 2],
        [first, 1]
      ] as const) {
        assert.strictEqual(yield* retriesOf(file), retries)
      }
      assert.lengthOf(threads, 0)

      const both = yield* Effect.all([retriesOf(first), retriesOf(second)], { concurrency: "unbounded" })
      assert.deepStrictEqual(both, [1, 2])
      assert.lengthOf(threads, 1)

      // One that is kept, which ends meanwhile.
      yield* Effect.forkChild(retriesOf(first), { startImmediately: true })
      assert.strictEqual(yield* retriesOf(second), 2)
      const kept = threads.at(-1)!
      const ended = once(kept, "exit")
      yield* Effect.promise(() => kept.terminate())
      yield* Effect.promise(() => ended)
      assert.strictEqual(yield* retriesOf(first), 1)
    }).pipe(Effect.scoped)
  )
})
