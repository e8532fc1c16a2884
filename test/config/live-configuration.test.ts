import { assert, describe, it } from "@effect/vitest"
import { Effect, Layer, type Scope } from "effect"
import { TestClock } from "effect/testing"
import { ChangeRefused, Configuration } from "../../src/config/live-configuration.ts"
import type { Settings } from "../../src/config/schema/settings.ts"
import { settingsOf } from "../support/servers/settings.ts"

type Live = Configuration["Service"]

const settings = (changed: Partial<Settings>): Settings => ({ ...first, ...changed })
const first = settingsOf({ DNS_SERVER_RETRIES: "2", DNS_SERVER_UPSTREAMS: "192.0.2.1" })

const withLive = <A, E>(use: (live: Live) => Effect.Effect<A, E, Scope.Scope>) =>
  Effect.gen(function* () {
    return yield* use(yield* Configuration)
  }).pipe(Effect.provide(Layer.fresh(Configuration.layer(first))), Effect.scoped)

let made = 0

/** Compiles to a text, and notes what is open. */
const traced = (open: Set<string>, retries: number) =>
  Effect.acquireRelease(
    Effect.sync(() => {
      const compiled = `${++made}: ${retries} retries`
      open.add(compiled)
      return compiled
    }),
    (compiled) => Effect.sync(() => open.delete(compiled))
  )

describe("Configuration", () => {
  it.effect("has each part that a change touches compiled before anything is changed, and all swapped at once", () =>
    withLive((live) =>
      Effect.gen(function* () {
        const compiled: Array<string> = []
        const retries = yield* live.derive(["retries"], (next) =>
          Effect.sync(() => {
            compiled.push("retries")
            return next.retries
          })
        )
        const slow = yield* live.derive(["slowQueryMs"], (next) =>
          Effect.sync(() => {
            compiled.push("slow")
            return next.slowQueryMs
          })
        )
        const heard: Array<number> = []
        yield* live.follow(["retries"], (next) => heard.push(next.retries))
        compiled.length = 0
        const { commit } = yield* live.prepare(settings({ retries: 5 }))
        assert.deepStrictEqual(compiled, ["retries"])
        assert.deepStrictEqual([retries.current, live.current().retries, heard.length], [2, 2, 0])
        yield* commit
        assert.deepStrictEqual([retries.current, live.current().retries], [5, 5])
        assert.deepStrictEqual(heard, [5])
        assert.strictEqual(slow.current, first.slowQueryMs)
        assert.strictEqual(live.generation(), 1)
      })
    )
  )

  it.effect("changes nothing where one part refuses, and closes what the others had opened", () =>
    withLive((live) =>
      Effect.gen(function* () {
        const open = new Set<string>()
        const retries = yield* live.derive(["retries"], (next) => traced(open, next.retries))
        yield* live.derive(["retries"], (next) =>
          next.retries > 3 ? Effect.fail(new ChangeRefused({ message: "too many" })) : Effect.void
        )
        const refusal = yield* Effect.flip(live.prepare(settings({ retries: 4 })))
        assert.strictEqual(refusal.message, "too many")
        assert.deepStrictEqual([...open], [retries.current])
        assert.match(retries.current, /: 2 retries$/)
        assert.strictEqual(live.generation(), 0)
      })
    )
  )

  it.effect("keeps what was in use open until the queries that began with it are over, and closes it then", () =>
    withLive((live) =>
      Effect.gen(function* () {
        const open = new Set<string>()
        const retries = yield* live.derive(["retries"], (next) => traced(open, next.retries))
        const { commit } = yield* live.prepare(settings({ retries: 0, queryTimeoutSecs: 1 }))
        yield* commit
        // The time that counts is that of the queries which began before.
        yield* TestClock.adjust("5500 millis")
        assert.strictEqual(open.size, 2)
        yield* TestClock.adjust("600 millis")
        assert.deepStrictEqual([...open], [retries.current])
        assert.match(retries.current, /: 0 retries$/)
      })
    )
  )

  it.effect("closes what was prepared when the change is abandoned", () =>
    withLive((live) =>
      Effect.gen(function* () {
        const open = new Set<string>()
        const retries = yield* live.derive(["retries"], (next) => traced(open, next.retries))
        const { abandon } = yield* live.prepare(settings({ retries: 0 }))
        assert.strictEqual(open.size, 2)
        yield* abandon
        assert.deepStrictEqual([...open], [retries.current])
        assert.match(retries.current, /: 2 retries$/)
      })
    )
  )

  it.effect("has left nothing open after a thousand changes but what is in use", () =>
    withLive((live) =>
      Effect.gen(function* () {
        const open = new Set<string>()
        yield* live.derive(["retries"], (next) => traced(open, next.retries))
        for (let i = 0; i < 1_000; i++) {
          const { commit } = yield* live.prepare(settings({ retries: i % 10 }))
          yield* commit
          yield* TestClock.adjust("100 millis")
          assert.isAtMost(open.size, 62)
        }
        yield* TestClock.adjust("10 seconds")
        assert.strictEqual(open.size, 1)
      })
    )
  )

  it.effect("closes all that is open with its own scope", () =>
    Effect.gen(function* () {
      const open = new Set<string>()
      yield* withLive((live) =>
        Effect.gen(function* () {
          yield* live.derive(["retries"], (next) => traced(open, next.retries))
          const { commit } = yield* live.prepare(settings({ retries: 0 }))
          yield* commit
          assert.strictEqual(open.size, 2)
        })
      )
      assert.strictEqual(open.size, 0)
    })
  )
})
