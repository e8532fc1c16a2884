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
})
