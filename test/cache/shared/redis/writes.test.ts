import { assert, describe, it } from "@effect/vitest"
import { Effect, Fiber } from "effect"
import type { RedisConnection } from "../../../../src/cache/shared/redis/connection.ts"
import { RedisRefusals } from "../../../../src/cache/shared/redis/refusals.ts"
import { RedisWrites } from "../../../../src/cache/shared/redis/writes.ts"
import { Counters } from "../../../../src/telemetry/counters.ts"
import { until } from "../../../support/machine/until.ts"

describe("what waits to be written to Redis", () => {
  it.live("is written when it is asked for at the end, what was sent before included", () =>
    Effect.gen(function* () {
      const counters = yield* Counters
      const sent: Array<string> = []
      const answers: Array<() => void> = []
      const connection = {
        send: ([, key]: ReadonlyArray<string | Buffer>) => {
          sent.push(String(key))
          return new Promise<void>((resolve) => answers.push(resolve))
        }
      } as unknown as RedisConnection
      const writes = new RedisWrites(counters, () => connection, new RedisRefusals("take answers", () => {}))
      const work = yield* Effect.forkChild(writes.work)
      writes.add(Buffer.from("first"), Buffer.from("1"), 1_000)
      yield* until("it is sent", () => sent.length === 1)
      writes.add(Buffer.from("second"), Buffer.from("2"), 1_000)
      const end = yield* Effect.forkChild(writes.writeAll, { startImmediately: true })
      yield* Effect.sleep(20)
      // A batch is sent when the one before it was answered, and nothing is over before.
      assert.deepStrictEqual(sent, ["first"])
      assert.isUndefined(end.pollUnsafe())
      answers[0]!()
      yield* until("the second is sent", () => sent.length === 2)
      answers[1]!()
      yield* Fiber.join(end)
      yield* until("both are counted", () => counters.read("shared.writes") === 2)
      yield* Fiber.interrupt(work)
    }).pipe(Effect.provide(Counters.layer))
  )
})
