/** RFC 7686: The ".onion" special-use domain name. A caching server says that it is not there, and asks nobody (§2). */
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { readReply } from "../support/wire/reply-reader.ts"
import { asking, oneAddress } from "./responses.ts"
import { clientOf, EVERYWHERE, serve, ways } from "./ways.ts"

describe('RFC 7686: the ".onion" special-use domain name', () => {
  for (const way of ways) {
    it.live(`§2: names of onion. do not exist, whatever is asked of them, and nobody is asked, by ${way}`, () =>
      Effect.gen(function* () {
        const { server, upstream } = yield* serve(oneAddress, EVERYWHERE)
        const client = yield* clientOf(way, server)
        for (const name of ["onion", "duckduckgogg42xjoc72x3sjasowoarfbgcmvfimaftt6twagswzczad.onion", "www.a.ONION"]) {
          for (const type of [1, 28, 65, 16, 2, 6, 43, 255, 65_280]) {
            for (const edns of [undefined, { flags: 0x8000 }]) {
              const { answers, authorities, rcode } = readReply(yield* client.ask(asking(name, type, edns)))
              assert.deepStrictEqual([rcode, answers.length], [3, 0], `${name} ${type}`)
              // So that who asked keeps it, and does not ask again.
              assert.deepStrictEqual(
                authorities.map((each) => [each.owner, each.type]),
                [["onion.", 6]]
              )
            }
          }
        }
        assert.strictEqual(upstream.queries(), 0)
      })
    )
  }
})
