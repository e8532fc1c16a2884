/** RFC 9619: In the DNS, QDCOUNT is (usually) one. A query with more than one question is a format error (§4). */
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { message, query, question } from "../support/wire/messages.ts"
import { readReply } from "../support/wire/reply-reader.ts"
import { address, always, asking, askRead, oneAddress, respond } from "./responses.ts"
import { clientOf, EVERYWHERE, serve, ways } from "./ways.ts"

const WWW = question("www.example.test")
const RD = 0x100

describe("RFC 9619: in the DNS, QDCOUNT is (usually) one", () => {
  for (const way of ways) {
    it.live(`§4: a query with more than one question is FORMERR, and nobody is asked, by ${way}`, () =>
      Effect.gen(function* () {
        const { server, upstream } = yield* serve(oneAddress, EVERYWHERE)
        const client = yield* clientOf(way, server)
        const other = question("other.example.test")
        const odd = [
          message({ flags: RD, questions: [WWW, other] }),
          message({ flags: RD, questions: [WWW, WWW] }),
          message({ flags: RD, questions: new Array(20).fill(WWW) }),
          // Said to be more than there are.
          ...[2, 3, 256, 65_535].map((count) => {
            const wire = query({ questions: [WWW] })
            wire[4] = count >> 8
            wire[5] = count & 255
            return wire
          })
        ]
        for (const asked of odd) {
          const reply = readReply(yield* client.ask(asked))
          assert.deepStrictEqual([reply.rcode, reply.answers.length, reply.id], [1, 0, 0x1234])
        }
        assert.strictEqual(upstream.queries(), 0)
        assert.strictEqual(readReply(yield* client.ask(asking("www.example.test"))).answers.length, 1)
      })
    )

    it.live(`§4: a query without a question asks nothing that there is an answer to, by ${way}`, () =>
      Effect.gen(function* () {
        const { server, upstream } = yield* serve(oneAddress, EVERYWHERE)
        const client = yield* clientOf(way, server)
        const reply = readReply(yield* client.ask(message({ flags: RD })))
        assert.deepStrictEqual([reply.rcode, reply.question], [1, ""])
        assert.strictEqual(upstream.queries(), 0)
      })
    )
  }

  it.live("§4: upstreams are asked one question at a time, and what has two of them is no reply", () =>
    Effect.gen(function* () {
      const counts: Array<number> = []
      const { server } = yield* serve((asked) => {
        counts.push(asked.readUInt16BE(4))
        const two = message({
          id: asked.readUInt16BE(0),
          flags: 0x8180,
          questions: [asked.subarray(12, 12 + WWW.length), WWW],
          answers: [address(300, 66)]
        })
        return [{ reply: Buffer.from(two) }, { reply: respond(asked, { answers: [address(300, 1)] }), delayMs: 20 }]
      })
      const { answers } = yield* askRead(server, asking("www.example.test"))
      assert.deepStrictEqual(
        answers.map(({ data }) => data),
        ["c0000201"]
      )
      assert.deepStrictEqual(counts, [1])
    })
  )

  it.live("§4: a reply has the one question that was asked, in answers, errors and what is answered here", () =>
    Effect.gen(function* () {
      const { server } = yield* serve(always({ answers: [address()] }))
      for (const asked of [asking("www.example.test"), asking("www.example.test", 252), asking("a.invalid")]) {
        assert.strictEqual((yield* askRead(server, asked)).question, asked.toString("hex", 12))
      }
    })
  )
})
