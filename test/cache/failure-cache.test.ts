import { assert, describe, it } from "@effect/vitest"
import { ConfigProvider, Effect, Layer } from "effect"
import { TestClock } from "effect/testing"
import { FailureCache } from "../../src/cache/failure-cache.ts"
import { Configuration, load } from "../../src/config/configuration.ts"
import { asked } from "../support/wire/messages.ts"

const layer = FailureCache.layer.pipe(
  Layer.provide(
    Layer.unwrap(
      load(undefined).pipe(
        Effect.map(({ settings }) => Configuration.layer(settings)),
        Effect.provideService(
          ConfigProvider.ConfigProvider,
          ConfigProvider.fromEnv({ env: { DNS_SERVER_UPSTREAMS: "192.0.2.53" } })
        )
      )
    )
  )
)
const bogus = asked("bogus.test")
const reason = { code: 22, text: "no upstream" } as const

describe("FailureCache", () => {
  it.effect("keeps a failure for 5 s, each that follows twice as long, 30 s at most (RFC 9520 §3.2)", () =>
    Effect.gen(function* () {
      const failures = yield* FailureCache
      for (const seconds of [5, 10, 20, 30, 30]) {
        failures.store(bogus, reason)
        yield* TestClock.adjust(seconds * 1000 - 1)
        assert.deepStrictEqual(failures.lookup(bogus), reason)
        yield* TestClock.adjust(1)
        assert.isUndefined(failures.lookup(bogus))
      }
    }).pipe(Effect.provide(layer))
  )

  it.effect("forgets a failure when an answer comes, and begins at 5 s again", () =>
    Effect.gen(function* () {
      const failures = yield* FailureCache
      failures.store(bogus, reason)
      failures.store(bogus, reason)
      failures.forget(bogus)
      assert.isUndefined(failures.lookup(bogus))
      failures.store(bogus, reason)
      yield* TestClock.adjust(5_000)
      assert.isUndefined(failures.lookup(bogus))
    }).pipe(Effect.provide(layer))
  )

  it.effect("fails no other question of the name", () =>
    Effect.gen(function* () {
      const failures = yield* FailureCache
      failures.store(bogus, reason)
      assert.isUndefined(failures.lookup(asked("bogus.test", 28)))
      assert.isUndefined(failures.lookup(asked("bogus.test", 1, { cd: true })))
    }).pipe(Effect.provide(layer))
  )
})
