/**
 * RFC 3225: Indicating resolver support of DNSSEC. Whoever sets DO gets what DNSSEC adds to an answer, and is told so;
 * nobody else does (§3). RFC 4035 says which records these are.
 */
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { readReply } from "../support/wire/reply-reader.ts"
import { address, always, asking, askRead, oneAddress, respond } from "./responses.ts"
import { aSignature, isDnssecOk } from "./signed.ts"
import { clientOf, EVERYWHERE, serve, ways } from "./ways.ts"

const WWW = "www.example.test"
const DO = 0x8000

describe("RFC 3225: indicating resolver support of DNSSEC", () => {
  for (const way of ways) {
    it.live(`§3: the reply has DO as the query has it, errors too, and no OPT where there was none, by ${way}`, () =>
      Effect.gen(function* () {
        const { server } = yield* serve(oneAddress, EVERYWHERE)
        const client = yield* clientOf(way, server)
        const dnssecOk = (type: number, flags?: number) =>
          Effect.map(client.ask(asking(WWW, type, flags === undefined ? undefined : { flags })), (reply) =>
            readReply(reply).opts.map((opt) => opt.dnssecOk)
          )
        // The second type is refused: AXFR.
        for (const type of [1, 252]) {
          assert.deepStrictEqual(yield* dnssecOk(type, DO), [true])
          assert.deepStrictEqual(yield* dnssecOk(type, 0), [false])
          assert.deepStrictEqual(yield* dnssecOk(type), [])
        }
      })
    )
  }

  it.live("§3: the upstream is asked with DO as the client asked, and an answer to the one is none to the other", () =>
    Effect.gen(function* () {
      const asked: Array<boolean> = []
      const { server } = yield* serve((query) => {
        asked.push(isDnssecOk(query))
        return [{ reply: respond(query, { answers: [address(), ...(isDnssecOk(query) ? [aSignature()] : [])] }) }]
      })
      for (const _ of ["asked for", "from the cache"]) {
        const types = (flags: number) =>
          Effect.map(askRead(server, asking(WWW, 1, { flags })), ({ answers }) => answers.map(({ type }) => type))
        assert.deepStrictEqual(yield* types(0), [1])
        assert.deepStrictEqual(yield* types(DO), [1, 46])
      }
      assert.deepStrictEqual(asked, [false, true])
    })
  )

  it.live("§3: without DO, or without EDNS, no signature goes out, whatever the upstream sends", () =>
    Effect.gen(function* () {
      const { server } = yield* serve(always({ answers: [address(), aSignature()] }))
      for (const edns of [undefined, {}]) {
        const { answers } = yield* askRead(server, asking(WWW, 1, edns))
        assert.deepStrictEqual(
          answers.map(({ type }) => type),
          [1]
        )
      }
    })
  )
})
