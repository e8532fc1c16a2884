/**
 * RFC 7830: The EDNS(0) padding option. Replies to queries that were padded are padded (§4), with octets that say
 * nothing (§3), where the way is encrypted and nowhere else (§6). How much is RFC 8467's to say.
 */
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { option } from "../support/wire/messages.ts"
import { readReply } from "../support/wire/reply-reader.ts"
import { asking, asksFor, oneAddress, optionIn, respond, SERVFAIL } from "./responses.ts"
import { clientOf, EVERYWHERE, serve } from "./ways.ts"

const PADDING = 12
const WWW = "www.example.test"
const padded = { options: option(PADDING, new Uint8Array(50)) }

describe("RFC 7830: the EDNS(0) padding option", () => {
  for (const way of ["TLS", "HTTPS"] as const) {
    it.live(`§4: the reply to a padded query is padded, whatever it says, by ${way}`, () =>
      Effect.gen(function* () {
        const { server } = yield* serve(
          (asked, ...rest) =>
            asksFor(asked, "bad") ? [{ reply: respond(asked, { flags: SERVFAIL }) }] : oneAddress(asked, ...rest),
          EVERYWHERE
        )
        const client = yield* clientOf(way, server)
        for (const [name, type] of [
          [WWW, 1],
          [WWW, 1],
          ["bad.example.test", 1],
          ["a.invalid", 1],
          [WWW, 252]
        ] as const) {
          const padding = optionIn(yield* client.ask(asking(name, type, padded)), PADDING)
          assert.isDefined(padding, `${name} ${type}`)
          // §3: all zeros.
          assert.isTrue(padding!.every((octet) => octet === 0))
        }
      })
    )

    it.live(`§4: padding of no octets, and of any, asks for it too, by ${way}`, () =>
      Effect.gen(function* () {
        const { server } = yield* serve(oneAddress, EVERYWHERE)
        const client = yield* clientOf(way, server)
        for (const octets of [[], [0xff, 1, 0x7f]]) {
          const reply = yield* client.ask(asking(WWW, 1, { options: option(PADDING, octets) }))
          assert.strictEqual(readReply(reply).answers.length, 1)
          assert.isDefined(optionIn(reply, PADDING))
        }
      })
    )

    it.live(`§4: the reply to a query that was not padded is not, by ${way}`, () =>
      Effect.gen(function* () {
        const { server } = yield* serve(oneAddress, EVERYWHERE)
        const client = yield* clientOf(way, server)
        assert.isUndefined(optionIn(yield* client.ask(asking(WWW, 1, {})), PADDING))
        assert.deepStrictEqual(readReply(yield* client.ask(asking(WWW))).opts, [])
      })
    )
  }

  for (const way of ["UDP", "TCP"] as const) {
    it.live(`§6: where the way is not encrypted nothing is padded, by ${way}`, () =>
      Effect.gen(function* () {
        const { server } = yield* serve(oneAddress, EVERYWHERE)
        const client = yield* clientOf(way, server)
        const reply = yield* client.ask(asking(WWW, 1, padded))
        assert.strictEqual(readReply(reply).answers.length, 1)
        assert.isUndefined(optionIn(reply, PADDING))
      })
    )
  }

  it.live("§6: upstreams that are asked without encryption are sent no padding, though clients send it", () =>
    Effect.gen(function* () {
      const seen: Array<ReadonlyArray<number>> = []
      const { server } = yield* serve((asked, ...rest) => {
        seen.push(readReply(asked).opts.flatMap(({ options }) => options))
        return oneAddress(asked, ...rest)
      }, EVERYWHERE)
      yield* (yield* clientOf("TLS", server)).ask(asking(WWW, 1, padded))
      assert.strictEqual(seen.length, 1)
      assert.notInclude(seen.flat(), PADDING)
    })
  )
})
