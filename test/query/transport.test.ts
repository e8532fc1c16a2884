import { assert, describe, it } from "@effect/vitest"
import { MAX_UDP_SIZE } from "../../src/dns/reply.ts"
import { prohibited } from "../../src/query/extended-errors.ts"
import { sendAnswer, sendRefused } from "../../src/query/reply-sender.ts"
import { replyLimit, TCP, type Transport, UDP } from "../../src/query/transport.ts"
import { FakePacket } from "../support/servers/fake-packet.ts"
import { extendedErrorsOf } from "../support/servers/memory-server.ts"
import {
  answerMessage,
  decode,
  opt,
  pointer,
  QUESTION_NAME,
  query,
  read,
  record,
  response,
  rewritten
} from "../support/wire/messages.ts"

/** One more way to come, made of properties that no listener has yet. */
const secure: Transport = { ...TCP, isSecure: true }

describe("a reply's limit", () => {
  const limit = (transport: Transport, size: number) =>
    replyLimit(transport, read(query({ additionals: [opt({ size })] })).query)

  it("by UDP is 512 without EDNS, else the client's size, never more than ours (RFC 6891 §6.2.5)", () => {
    assert.strictEqual(replyLimit(UDP, read(query()).query), 512)
    assert.deepStrictEqual(
      [100, 900, 4096].map((size) => limit(UDP, size)),
      [512, 900, MAX_UDP_SIZE]
    )
  })

  it("on a stream is 65,535, whatever size the client says", () => {
    assert.strictEqual(replyLimit(TCP, read(query()).query), 65_535)
    assert.deepStrictEqual([limit(TCP, 512), limit(secure, 512)], [65_535, 65_535])
  })

  it("is where an answer is cut", () => {
    const addresses = Array.from({ length: 100 }, (_, i) => record(pointer(QUESTION_NAME), 1, 60, [192, 0, 2, i]))
    const answer = answerMessage(rewritten(response({ answers: addresses })))
    const isCut = (transport: Transport): boolean => {
      const packet = new FakePacket(query(), transport)
      sendAnswer(packet, read(packet.wire).query, answer, 60)
      return decode(packet.sent[0]!).flag_tc
    }
    assert.deepStrictEqual([UDP, TCP, secure].map(isCut), [true, false, false])
  })
})

describe("REFUSED to a client that may not ask", () => {
  it("says why only where the address is proven, or the query was long enough (RFC 5358 §3)", () => {
    const wire = query({ additionals: [opt()] })
    const sizes = [UDP, TCP, secure].map((transport) => {
      const packet = new FakePacket(wire, transport)
      sendRefused(packet, read(wire).query, prohibited)
      return [packet.sent[0]!.length <= wire.length, extendedErrorsOf(decode(packet.sent[0]!)).length]
    })
    assert.deepStrictEqual(sizes, [
      [true, 0],
      [false, 1],
      [false, 1]
    ])
  })
})
