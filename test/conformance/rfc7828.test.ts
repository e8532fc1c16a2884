/**
 * RFC 7828: The edns-tcp-keepalive EDNS0 option. A client that asks on a connection is told how long that may be idle
 * (§3.3.2); by UDP it is told nothing (§3.3.1), and the option never goes further (§3.2.1).
 */
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { opt, option } from "../support/wire/messages.ts"
import { readReply } from "../support/wire/reply-reader.ts"
import { address, asking, oneAddress, optionIn, respond } from "./responses.ts"
import { clientOf, EVERYWHERE, serve } from "./ways.ts"

const KEEPALIVE = 11
const WWW = "www.example.test"
const wish = { options: option(KEEPALIVE, []) }

describe("RFC 7828: the edns-tcp-keepalive EDNS0 option", () => {
  for (const way of ["TCP", "TLS"] as const) {
    for (const [seconds, tenths] of [
      ["10", 100],
      ["7", 70],
      ["0.5", 5],
      ["3600", 36_000]
    ] as const) {
      it.live(`§3.1, §3.3.2: who asks is told the idle time of ${seconds} s in tenths of seconds, by ${way}`, () =>
        Effect.gen(function* () {
          const { server } = yield* serve(oneAddress, { ...EVERYWHERE, DNS_SERVER_TCP_IDLE_TIMEOUT_SECS: seconds })
          const client = yield* clientOf(way, server)
          for (const name of [WWW, WWW, "a.invalid"]) {
            const told = optionIn(yield* client.ask(asking(name, 1, wish)), KEEPALIVE)
            assert.strictEqual(told?.toString("hex"), tenths.toString(16).padStart(4, "0"))
          }
        })
      )
    }

    it.live(`§3.3.2: who does not ask is not told, by ${way}`, () =>
      Effect.gen(function* () {
        const { server } = yield* serve(oneAddress, EVERYWHERE)
        const client = yield* clientOf(way, server)
        assert.isUndefined(optionIn(yield* client.ask(asking(WWW, 1, {})), KEEPALIVE))
        assert.deepStrictEqual(readReply(yield* client.ask(asking(WWW))).opts, [])
      })
    )
  }

  it.live("§3.3.1, §3.3.2: by UDP the option is ignored: the query is answered, and nothing is told", () =>
    Effect.gen(function* () {
      const { server } = yield* serve(oneAddress, EVERYWHERE)
      const client = yield* clientOf("UDP", server)
      for (const options of [option(KEEPALIVE, []), option(KEEPALIVE, [0, 100])]) {
        const reply = yield* client.ask(asking(WWW, 1, { options }))
        const { answers, rcode } = readReply(reply)
        assert.deepStrictEqual([rcode, answers.length], [0, 1])
        assert.isUndefined(optionIn(reply, KEEPALIVE))
      }
    })
  )

  it.live("§3.2.1: upstreams that are asked by UDP are sent no such option, though clients send it", () =>
    Effect.gen(function* () {
      const seen: Array<ReadonlyArray<number>> = []
      const { server } = yield* serve((asked, ...rest) => {
        seen.push(readReply(asked).opts.flatMap(({ options }) => options))
        return oneAddress(asked, ...rest)
      }, EVERYWHERE)
      for (const way of ["UDP", "TCP"] as const) {
        const client = yield* clientOf(way, server)
        yield* client.ask(asking(`${way}.example.test`, 1, wish))
      }
      assert.strictEqual(seen.length, 2)
      for (const options of seen) assert.notInclude(options, KEEPALIVE)
    })
  )

  it.live("§3.3.2, RFC 6891 §6.1.1: what an upstream says of its connections is not told to clients", () =>
    Effect.gen(function* () {
      const { server } = yield* serve(
        (asked) => [
          {
            reply: respond(asked, { answers: [address()], additionals: [opt({ options: option(KEEPALIVE, [0, 1]) })] })
          }
        ],
        EVERYWHERE
      )
      for (const way of ["UDP", "TCP"] as const) {
        const client = yield* clientOf(way, server)
        assert.isUndefined(optionIn(yield* client.ask(asking(`${way}.example.test`, 1, {})), KEEPALIVE))
        const told = optionIn(yield* client.ask(asking(`${way}.example.test`, 1, wish)), KEEPALIVE)
        assert.strictEqual(told?.readUInt16BE(0), way === "TCP" ? 100 : undefined)
      }
    })
  )
})
