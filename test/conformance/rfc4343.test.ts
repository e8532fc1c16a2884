/**
 * RFC 4343: DNS case insensitivity clarification. A forwarder compares names without regard to the case of ASCII
 * letters, and of nothing else (§3), and gives them back as they were written (§4.1).
 */
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { wireUpstream } from "../support/upstreams/fake-upstream.ts"
import { octets, question, record, wireName } from "../support/wire/messages.ts"
import { readReply } from "../support/wire/reply-reader.ts"
import { address, always, asking, askRead, here, oneAddress, respond } from "./responses.ts"
import { clientOf, EVERYWHERE, serve, ways } from "./ways.ts"

const spellings = ["www.example.test", "WWW.EXAMPLE.TEST", "wWw.eXaMpLe.TesT", "Www.example.TEST"]

describe("RFC 4343: DNS case insensitivity clarification", () => {
  for (const way of ways) {
    it.live(`§3, §4.1: all spellings are one name, and each comes back as it was asked, by ${way}`, () =>
      Effect.gen(function* () {
        const { server, upstream } = yield* serve(oneAddress, EVERYWHERE)
        const client = yield* clientOf(way, server)
        for (const spelling of spellings) {
          const reply = yield* client.ask(asking(spelling))
          assert.strictEqual(readReply(reply).question, Buffer.from(question(spelling)).toString("hex"))
          // The owner is the question's name, by a pointer: it is spelled alike.
          assert.strictEqual(reply.toString("hex", asking(spelling).length).slice(0, 4), "c00c")
        }
        assert.strictEqual(upstream.queries(), 1)
      })
    )
  }

  it.live("§3: whatever case an upstream gives the question back in, it is the question", () =>
    Effect.gen(function* () {
      const upstream = yield* wireUpstream((asked) => {
        const reply = respond(asked, { answers: [address()] })
        for (const at of [13, 17, 25]) reply[at]! ^= 0x20
        return [{ reply }]
      })
      // By UDP letters that are not those that were sent may show that a reply is forged.
      const { server } = yield* serve(oneAddress, { DNS_SERVER_UPSTREAMS: `tcp://${upstream.address}` })
      const asked = asking("www.Example.test")
      const { answers, question: echoed } = yield* askRead(server, asked)
      assert.strictEqual(answers.length, 1)
      assert.strictEqual(echoed, asked.toString("hex", 12))
    })
  )

  it.live("§3: owners of records, and where aliases lead, are compared alike", () =>
    Effect.gen(function* () {
      const { server } = yield* serve(
        always({
          answers: [
            record(wireName("WWW.example.TEST"), 5, 300, wireName("Alias.Example.test")),
            address(300, 1, wireName("aLIAS.eXAMPLE.test"))
          ]
        })
      )
      const { answers } = yield* askRead(server, asking("www.example.test"))
      assert.deepStrictEqual(
        answers.map(({ type }) => type),
        [5, 1]
      )
    })
  )

  it.live("§2, §3: octets that are no ASCII letters are never alike, though they differ by one bit", () =>
    Effect.gen(function* () {
      const seen: Array<string> = []
      const { server, upstream } = yield* serve((asked) => {
        seen.push(asked.toString("hex", 13, 14))
        return [{ reply: respond(asked, { answers: [address()] }) }]
      })
      // `@`, `[`, `_`, and letters of ISO 8859-1, each beside what would be its other case.
      const pairs = [0x40, 0x60, 0x5b, 0x7b, 0x5f, 0x7f, 0xc1, 0xe1, 0xd6, 0xf6, 0x30, 0x10]
      for (const _ of ["asked for", "from the cache"]) {
        for (const octet of pairs) {
          const asked = asking("x.example.test")
          asked[13] = octet
          yield* askRead(server, asked)
        }
      }
      assert.strictEqual(upstream.queries(), pairs.length)
      assert.deepStrictEqual(
        seen,
        pairs.map((octet) => octet.toString(16))
      )
    })
  )

  it.live("§4.1: the case in data of records is the upstream's", () =>
    Effect.gen(function* () {
      const data = octets([5, 0x41, 0x62, 0x43, 0x64, 0x45])
      const { server } = yield* serve(always({ answers: [record(here, 16, 300, data)] }))
      for (const spelling of spellings) {
        const { answers } = yield* askRead(server, asking(spelling, 16))
        assert.strictEqual(answers[0]!.data, Buffer.from(data).toString("hex"))
      }
    })
  )
})
