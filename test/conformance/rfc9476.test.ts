/** RFC 9476: The .alt special-use top-level domain. Its names are none of DNS: they do not exist there (§3). */
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { asking, askRead, oneAddress } from "./responses.ts"
import { serve } from "./ways.ts"

describe("RFC 9476: the .alt special-use top-level domain", () => {
  it.live("§3: names of alt. do not exist, and nobody is asked", () =>
    Effect.gen(function* () {
      const { server, upstream } = yield* serve(oneAddress)
      for (const name of ["alt", "a.alt", "a.b.ALT"]) {
        assert.strictEqual((yield* askRead(server, asking(name))).rcode, 3, name)
      }
      assert.strictEqual(upstream.queries(), 0)
    })
  )
})
