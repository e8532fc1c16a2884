/** What a reply says because of how its query came: padding (RFC 7830, 8467), idle connections (RFC 7828). */
import { assert, describe, it } from "@effect/vitest"
import { Rcode } from "../../src/dns/codes.ts"
import { Query, readQuery, Verdict } from "../../src/dns/query.ts"
import { MAX_ERROR_SIZE, replySize, writeAnswer, writeError } from "../../src/dns/reply.ts"
import { countedBy, readTransportOptions, TCP, TLS, UDP } from "../../src/query/transport.ts"
import { uncounted } from "../../src/telemetry/traffic.ts"
import {
  answerMessage,
  decode,
  octets,
  opt,
  option,
  pointer,
  QUESTION_NAME,
  query,
  record,
  response,
  rewritten
} from "../support/wire/messages.ts"

const PADDING = 12
const KEEPALIVE = 11
const answer = answerMessage(rewritten(response({ answers: [record(pointer(QUESTION_NAME), 1, 300, [192, 0, 2, 1])] })))
const [overTls, overTcp] = [TLS, TCP].map((transport) => countedBy(transport, uncounted, "", () => 123))

const asked = (transport: typeof UDP, ...options: ReadonlyArray<Uint8Array>): Query => {
  const wire = query({ additionals: [opt({ options: octets(...options) })] })
  const into = new Query()
  assert.strictEqual(readQuery(into, wire, wire.length), Verdict.Accept)
  readTransportOptions(into, transport)
  return into
}

const replyTo = (to: Query, limit = 65_535): Uint8Array => {
  const out = new Uint8Array(replySize(answer))
  return out.slice(0, writeAnswer(out, to, answer, limit))
}

const optionsOf = (reply: Uint8Array): ReadonlyArray<readonly [code: number, length: number]> => {
  const found = decode(reply).additionals?.find(({ type }) => type === "OPT")
  return found !== undefined && "options" in found
    ? found.options.map(({ code, data }) => [code as number, data?.length ?? 0] as const)
    : []
}

describe("padding", () => {
  it("makes a reply by TLS a multiple of 468 octets, and errors too", () => {
    const padded = asked(overTls!, option(PADDING, new Uint8Array(40)))
    for (const reply of [replyTo(padded), replyTo(padded.detach())]) {
      assert.strictEqual(reply.length, 468)
      assert.deepStrictEqual(decode(reply).answers?.length, 1)
    }
    const out = new Uint8Array(MAX_ERROR_SIZE)
    assert.strictEqual(writeError(out, padded, Rcode.ServFail, { code: 22, text: "x".repeat(255) }), 468)
  })

  it("is not given in the clear, to who did not pad, or where there is no room", () => {
    const long = option(PADDING, new Uint8Array(10))
    for (const reply of [replyTo(asked(UDP, long)), replyTo(asked(overTcp!, long)), replyTo(asked(overTls!))]) {
      assert.deepStrictEqual(optionsOf(reply), [])
    }
    const padded = asked(overTls!, long)
    const bare = replyTo(asked(overTls!)).length
    assert.strictEqual(replyTo(padded, bare + 3).length, bare)
    assert.strictEqual(replyTo(padded, bare + 20).length, bare + 20)
  })
})

describe("how long a connection may be idle", () => {
  it("is said on streams to who asks, in tenths of a second", () => {
    const reply = replyTo(asked(overTcp!, option(KEEPALIVE, [])))
    assert.deepStrictEqual(optionsOf(reply), [[KEEPALIVE, 2]])
    assert.deepStrictEqual([...reply.subarray(-2)], [0, 123])
    assert.deepStrictEqual(optionsOf(replyTo(asked(UDP, option(KEEPALIVE, [])))), [])
    const both = replyTo(asked(overTls!, option(PADDING, []), option(KEEPALIVE, [])))
    assert.deepStrictEqual([both.length, optionsOf(both).map(([code]) => code)], [468, [KEEPALIVE, PADDING]])
  })

  it("is not said to a client that says so itself (RFC 7828 §3.1)", () => {
    assert.deepStrictEqual(optionsOf(replyTo(asked(overTcp!, option(KEEPALIVE, [0, 1])))), [])
  })
})
