/**
 * RFC 6840: Clarifications and implementation notes for DNS security. A forwarder that validates nothing passes on the
 * AD bit of upstreams that it may believe, to clients that asked for it (§5.7, §5.8).
 */
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { MemoryNetwork } from "../support/servers/memory-network.ts"
import { anAddress, memoryServer, upstreamAt } from "../support/servers/memory-server.ts"
import { record, wireName } from "../support/wire/messages.ts"
import { readReply } from "../support/wire/reply-reader.ts"
import { address, always, asking, askRead, asksFor, here, NOERROR, NXDOMAIN, respond, soa } from "./responses.ts"
import { clientOf, EVERYWHERE, serve, ways } from "./ways.ts"

const WWW = "www.example.test"
const DO = 0x8000
const [RD, AD, CD] = [0x100, 0x20, 0x10]

/** What a client may ask with, and whether it is told of AD. */
const wishes = [
  ["neither AD nor DO", RD, undefined, false],
  ["EDNS without DO", RD, {}, false],
  ["AD", RD | AD, undefined, true],
  ["DO", RD, { flags: DO }, true],
  ["both", RD | AD, { flags: DO }, true],
  ["AD and CD", RD | AD | CD, undefined, true]
] as const

describe("RFC 6840: clarifications and implementation notes for DNS security", () => {
  it.live("§5.7: upstreams are asked with AD, whatever the client asked with", () =>
    Effect.gen(function* () {
      const flags: Array<number> = []
      const { server } = yield* serve((asked) => {
        flags.push(asked.readUInt16BE(2))
        return [{ reply: respond(asked, { answers: [address(0)] }) }]
      })
      for (const asked of [RD, RD | AD, RD | CD]) yield* askRead(server, asking(WWW, 1, undefined, asked))
      assert.deepStrictEqual(flags, [RD | AD, RD | AD, RD | AD | CD])
    })
  )

  for (const way of ways) {
    it.live(`§5.8: AD goes to clients that set AD or DO, and to no others, by ${way}`, () =>
      Effect.gen(function* () {
        for (const [what, behaviour] of [
          ["an answer", always({ flags: NOERROR | AD, answers: [address()] })],
          ["that there is nothing", always({ flags: NXDOMAIN | AD, authorities: [soa(300)] })]
        ] as const) {
          const { server } = yield* serve(behaviour, EVERYWHERE)
          const client = yield* clientOf(way, server)
          for (const time of ["asked for", "from the cache"]) {
            for (const [wish, flags, edns, isTold] of wishes) {
              const reply = readReply(yield* client.ask(asking(WWW, 1, edns, flags)))
              assert.strictEqual(reply.flags.includes("AD"), isTold, `${what}, ${time}: ${wish}`)
            }
          }
        }
      })
    )
  }

  it.live("§5.8: AD is not set where the upstream did not set it", () =>
    Effect.gen(function* () {
      const { server } = yield* serve(always({ answers: [address()] }))
      for (const [wish, flags, edns] of wishes) {
        assert.notInclude((yield* askRead(server, asking(WWW, 1, edns, flags))).flags, "AD", wish)
      }
    })
  )

  it.live("§5.8: AD is not set in errors, nor in what a client may have set itself", () =>
    Effect.gen(function* () {
      const { server } = yield* serve(always({ flags: 0x8182 | AD }))
      for (const type of [1, 252]) {
        const reply = yield* askRead(server, asking(WWW, type, { flags: DO }, RD | AD))
        assert.notInclude(reply.flags, "AD")
        assert.notStrictEqual(reply.rcode, 0)
      }
    })
  )

  it.live("RFC 4035 §3.2.3: of an answer that two replies make together, AD is set where it was in both", () =>
    Effect.gen(function* () {
      for (const [first, second] of [
        [AD, AD],
        [AD, 0],
        [0, AD]
      ] as const) {
        const { server } = yield* serve((asked) => [
          {
            reply: asksFor(asked, "alias")
              ? respond(asked, { flags: NOERROR | first, answers: [record(here, 5, 300, wireName("target.test"))] })
              : respond(asked, { flags: NOERROR | second, answers: [address()] })
          }
        ])
        const { answers, flags } = yield* askRead(server, asking("alias.test", 1, undefined, RD | AD))
        assert.strictEqual(answers.length, 2)
        assert.strictEqual(flags.includes("AD"), (first & second) !== 0)
      }
    })
  )

  it.effect("§5.8, RFC 4035 §4.9.3: the AD bit of an upstream that anybody could have sent is not believed", () =>
    Effect.gen(function* () {
      for (const [settings, isTold] of [
        [{}, false],
        [{ DNS_SERVER_TRUST_UPSTREAM_AD: "true" }, true]
      ] as const) {
        const network = new MemoryNetwork()
        const upstream = yield* upstreamAt(network, 1)
        const server = yield* memoryServer(network, [1], settings)
        yield* server.send(asking(WWW, 1, { flags: DO }))
        yield* upstream.asked[0]!.answer({ ...anAddress(WWW, "192.0.2.1"), flags: AD })
        yield* server.send(asking(WWW, 1, { flags: DO }))
        assert.deepStrictEqual(
          server.answers().map((answer) => answer.flag_ad),
          [isTold, isTold]
        )
      }
    })
  )
})
