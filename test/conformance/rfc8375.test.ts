/** RFC 8375: Special-use domain "home.arpa.". A locally served zone, but for its DS (§4, point 4). */
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { asking, askRead, oneAddress } from "./responses.ts"
import { serve } from "./ways.ts"

const [NS, SOA, DS] = [2, 6, 43]

describe('RFC 8375: special-use domain "home.arpa."', () => {
  it.live("§4: names below it do not exist where nobody serves them, and nobody outside is asked", () =>
    Effect.gen(function* () {
      const { server, upstream } = yield* serve(oneAddress)
      assert.strictEqual((yield* askRead(server, asking("printer.home.arpa"))).rcode, 3)
      for (const type of [NS, SOA]) {
        assert.strictEqual((yield* askRead(server, asking("home.arpa", type))).answers.length, 1)
      }
      assert.strictEqual(upstream.queries(), 0)
    })
  )

  it.live("§4: its DS is asked for, so that who validates learns that it is not signed", () =>
    Effect.gen(function* () {
      const { server, upstream } = yield* serve(oneAddress)
      yield* askRead(server, asking("home.arpa", DS, { flags: 0x8000 }))
      assert.strictEqual(upstream.queries(), 1)
    })
  )
})
