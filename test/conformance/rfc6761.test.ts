/**
 * RFC 6761: Special-use domain names. What a caching server does with them (each section's fourth point): it answers
 * itself what nobody else could, and asks for the rest. Reverse zones are in RFC 6303.
 */
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { record } from "../support/wire/messages.ts"
import { readReply } from "../support/wire/reply-reader.ts"
import { asking, askRead, asksFor, here, oneAddress, respond } from "./responses.ts"
import { clientOf, EVERYWHERE, serve, ways } from "./ways.ts"

const [A, NS, MX, TXT, AAAA, HTTPS] = [1, 2, 15, 16, 28, 65]

describe("RFC 6761: special-use domain names", () => {
  it.live("§6.1: reverse names of private addresses are not asked for", () =>
    Effect.gen(function* () {
      const { server, upstream } = yield* serve(oneAddress)
      for (const name of ["1.0.0.10", "9.9.16.172", "9.9.31.172", "7.1.168.192"]) {
        assert.strictEqual((yield* askRead(server, asking(`${name}.in-addr.arpa`, 12))).rcode, 3, name)
      }
      assert.strictEqual(upstream.queries(), 0)
    })
  )

  it.live("§6.2: names of test. do not exist where that is configured, and nobody is asked", () =>
    Effect.gen(function* () {
      const { server, upstream } = yield* serve(oneAddress, { DNS_SERVER_SPECIAL_NAMES: "test" })
      for (const name of ["test", "a.test", "a.b.TEST"]) {
        assert.strictEqual((yield* askRead(server, asking(name))).rcode, 3, name)
      }
      assert.strictEqual(upstream.queries(), 0)
    })
  )

  for (const way of ways) {
    it.live(`§6.3: localhost. and all below it is the loopback interface, and nobody is asked, by ${way}`, () =>
      Effect.gen(function* () {
        const { server, upstream } = yield* serve(oneAddress, EVERYWHERE)
        const client = yield* clientOf(way, server)
        for (const name of ["localhost", "LocalHost", "a.localhost", "a.b.LOCALHOST"]) {
          for (const [type, data] of [
            [A, "7f000001"],
            [AAAA, "00000000000000000000000000000001"]
          ] as const) {
            const { answers, flags } = readReply(yield* client.ask(asking(name, type)))
            assert.strictEqual(flags, "QR RD RA")
            assert.deepStrictEqual(
              answers.map((each) => [each.owner, each.data]),
              [[`${name.toLowerCase()}.`, data]]
            )
          }
          for (const type of [NS, MX, TXT, HTTPS]) {
            const { answers, authorities, rcode } = readReply(yield* client.ask(asking(name, type)))
            assert.deepStrictEqual([rcode, answers.length, authorities.length], [0, 0, 1], `${name} ${type}`)
          }
        }
        assert.strictEqual(upstream.queries(), 0)
      })
    )
  }

  it.live("§6.4: names of invalid. do not exist, whatever is asked of them, and nobody is asked", () =>
    Effect.gen(function* () {
      const { server, upstream } = yield* serve(oneAddress)
      for (const name of ["invalid", "a.invalid", "a.b.INVALID"]) {
        for (const type of [A, NS, TXT, AAAA]) {
          const { authorities, rcode } = yield* askRead(server, asking(name, type))
          assert.strictEqual(rcode, 3, name)
          assert.deepStrictEqual(
            authorities.map((each) => each.owner),
            ["invalid."]
          )
        }
      }
      assert.strictEqual(upstream.queries(), 0)
    })
  )

  it.live("§6.5: names for examples are like any others: they are asked for", () =>
    Effect.gen(function* () {
      const { server, upstream } = yield* serve(oneAddress)
      const names = ["example", "example.com", "www.example.net", "a.example.org"]
      for (const name of names) assert.strictEqual((yield* askRead(server, asking(name))).answers.length, 1, name)
      assert.strictEqual(upstream.queries(), names.length)
    })
  )

  it.live("§6: names that only look like them are asked for", () =>
    Effect.gen(function* () {
      const { server, upstream } = yield* serve(oneAddress)
      const names = ["localhost.example.test", "notlocalhost", "xinvalid", "invalid.test", "localhost.test", "onions"]
      for (const name of names) assert.strictEqual((yield* askRead(server, asking(name))).answers.length, 1, name)
      assert.strictEqual(upstream.queries(), names.length)
    })
  )

  it.live("§6.3, §6.4: an alias to such a name is answered here too", () =>
    Effect.gen(function* () {
      const { server, upstream } = yield* serve((asked) => [
        { reply: aliasReply(asked, asksFor(asked, "local") ? "\tlocalhost\0" : "\x07invalid\0") }
      ])
      const local = yield* askRead(server, asking("local.example.com"))
      assert.deepStrictEqual(
        local.answers.map(({ data, type }) => [type, data]),
        [
          [5, "localhost."],
          [1, "7f000001"]
        ]
      )
      assert.strictEqual((yield* askRead(server, asking("none.example.com"))).rcode, 3)
      assert.strictEqual(upstream.queries(), 2)
    })
  )
})

const aliasReply = (asked: Buffer, target: string): Buffer =>
  respond(asked, { answers: [record(here, 5, 300, Buffer.from(target, "latin1"))] })
