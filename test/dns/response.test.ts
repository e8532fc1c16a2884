import { assert, describe, it } from "@effect/vitest"
import { matchReply, normalise, ReplyMatch } from "../../src/dns/response.ts"
import {
  ANY_TTL,
  decode,
  long,
  message,
  normalised,
  octets,
  opt,
  type Parts,
  pointer,
  QUESTION_NAME,
  question,
  record,
  response,
  rewritten,
  soaData,
  WWW,
  wireName,
  withPointer
} from "../support/wire/messages.ts"

const here = pointer(QUESTION_NAME)
const a = record(here, 1, 300, [192, 0, 2, 1])
const matched = (wire: Uint8Array, id = 0x1234): number => matchReply(wire, wire.length, id, WWW)
const isRejected = (parts: Parts): boolean => {
  const wire = response(parts)
  return normalise(wire, wire.length, WWW, ANY_TTL) === undefined
}

describe("matchReply", () => {
  it("takes the reply to the question, in any case", () => {
    assert.strictEqual(matched(response({ answers: [a] })), ReplyMatch.Reply)
    assert.strictEqual(matched(response({ questions: [question("WWW.example.COM")] })), ReplyMatch.Reply)
  })

  it("takes nothing with another id, name, type or class, or that is no response (RFC 5452 §9.1)", () => {
    assert.strictEqual(matched(response(), 0x1235), ReplyMatch.Mismatch)
    assert.strictEqual(matched(response({ flags: 0x0100 })), ReplyMatch.Mismatch)
    assert.strictEqual(matched(response({ flags: 0xa180 })), ReplyMatch.Mismatch)
    for (const other of [
      question("wwx.example.com"),
      question("www.example.com", 28),
      question("www.example.com", 1, 3),
      question("example.com")
    ]) {
      assert.strictEqual(matched(response({ questions: [other] })), ReplyMatch.Mismatch)
    }
    assert.strictEqual(
      matched(response({ questions: [question("www.example.com"), question("www.example.com")] })),
      ReplyMatch.Mismatch
    )
  })

  it("takes no message cut short in header or question", () => {
    const wire = response()
    for (let length = 0; length < wire.length; length++) {
      assert.strictEqual(matchReply(wire, length, 0x1234, WWW), ReplyMatch.Mismatch)
    }
  })

  it("takes a truncated reply that ends anywhere, as far as it goes (RFC 2181 §9)", () => {
    const wire = response({ flags: 0x8380, answers: [a, a] })
    for (let length = 12; length <= wire.length; length++) {
      assert.strictEqual(matchReply(wire, length, 0x1234, WWW), ReplyMatch.Truncated, String(length))
    }
    assert.strictEqual(matchReply(wire, 11, 0x1234, WWW), ReplyMatch.Mismatch)
    assert.strictEqual(matched(message({ flags: 0x8380 })), ReplyMatch.Truncated, "a bare header")
    assert.strictEqual(matched(message({ flags: 0x8382 })), ReplyMatch.Truncated, "an error that did not fit")
  })

  it("takes no truncated reply with another id, or to another question as far as that can be seen", () => {
    const cutTo = (length: number, parts: Parts) =>
      matchReply(response({ flags: 0x8380, ...parts }), length, 0x1234, WWW)
    assert.strictEqual(matched(response({ flags: 0x8380 }), 0x1235), ReplyMatch.Mismatch)
    assert.strictEqual(matched(response({ flags: 0x0300 })), ReplyMatch.Mismatch)
    assert.strictEqual(cutTo(29, { questions: [question("www.example.net")] }), ReplyMatch.Mismatch)
    assert.strictEqual(cutTo(33, { questions: [question("www.example.com", 28)] }), ReplyMatch.Mismatch)
    assert.strictEqual(cutTo(33, { questions: [question("www.example.com", 1, 3)] }), ReplyMatch.Mismatch)
    assert.strictEqual(cutTo(31, { questions: [question("www.example.com", 257)] }), ReplyMatch.Mismatch)
    assert.strictEqual(cutTo(33, { questions: [question("www"), question("www")] }), ReplyMatch.Mismatch)
  })

  it("knows an error without a question, and takes no other message without one", () => {
    for (const rcode of [1, 2, 4, 5]) {
      assert.strictEqual(matched(message({ flags: 0x8180 | rcode })), ReplyMatch.BareError)
    }
    for (const rcode of [0, 3, 9]) assert.strictEqual(matched(message({ flags: 0x8180 | rcode })), ReplyMatch.Mismatch)
  })
})

describe("normalise", () => {
  it("takes the OPT off and puts the twelve bits of the rcode together (RFC 6891 §6.1.3)", () => {
    const whole = normalised(response({ flags: 0x8185, answers: [a], additionals: [opt({ upperRcode: 1 })] }))
    assert.isTrue(whole.hasOpt)
    assert.strictEqual(whole.rcode, 21)
    assert.deepStrictEqual(decode(whole.wire).additionals, [])
    assert.strictEqual(decode(whole.wire).answers?.length, 1)
  })

  it("rejects a second OPT, one that is not at the root, one outside the additional section", () => {
    assert.isTrue(isRejected({ additionals: [opt(), opt()] }))
    assert.isTrue(isRejected({ additionals: [opt({ owner: here })] }))
    assert.isTrue(isRejected({ answers: [opt()] }))
    assert.isTrue(isRejected({ authorities: [opt()] }))
  })

  it("takes TSIG and SIG(0) off (RFC 8945 §5.3, RFC 2931 §3.1)", () => {
    const whole = normalised(
      response({ answers: [a], additionals: [record(wireName("key"), 250, 0, [1]), record([0], 24, 0, [2])] })
    )
    assert.deepStrictEqual(decode(whole.wire).additionals, [])
  })

  it("takes nothing from a truncated message, wherever it ends", () => {
    const wire = response({ flags: 0x8380, answers: [a, a] })
    for (let length = 12; length <= wire.length; length++) {
      const { responseClass, truncated, ttlSeconds, wire: kept } = normalise(wire, length, WWW, ANY_TTL)!
      assert.deepStrictEqual([truncated, kept.length, responseClass.kind, ttlSeconds], [true, 0, "nothing", 0])
    }
  })

  it("takes no record from an error without a question", () => {
    const wire = message({
      flags: 0x8182,
      answers: [record(wireName("www.example.com"), 1, 60, [1, 2, 3, 4])],
      additionals: [opt()]
    })
    const whole = normalised(wire)
    assert.isTrue(whole.hasOpt)
    assert.strictEqual(whole.rcode, 2)
    assert.deepStrictEqual(decode(whole.wire).answers, [])
  })

  it("sets the id to 0 and the name to lower case", () => {
    const whole = normalised(response({ questions: [question("WWW.Example.com")], answers: [a] }))
    const decoded = decode(whole.wire)
    assert.strictEqual(decoded.id, 0)
    assert.strictEqual(decoded.questions?.[0]?.name, "www.example.com")
  })

  it("rejects a message cut short anywhere", () => {
    const wire = response({ answers: [a, record(here, 15, 60, octets(0, 10, withPointer("mx", 12)))] })
    for (let length = 33; length < wire.length; length++) {
      assert.isUndefined(normalise(wire, length, WWW, ANY_TTL))
    }
  })

  it("rejects pointers forwards, to themselves and in circles (RFC 9267 §2)", () => {
    assert.isTrue(isRejected({ answers: [record(pointer(33), 1, 60, [1, 2, 3, 4])] }))
    assert.isTrue(isRejected({ answers: [record(pointer(40), 1, 60, [1, 2, 3, 4])] }))
    assert.isTrue(isRejected({ answers: [record(here, 5, 60, pointer(45))] }))
    assert.isTrue(isRejected({ answers: [record(here, 5, 60, withPointer("x", 45))] }))
  })

  it("reads names in data compressed or not, and writes them so that they read the same", () => {
    const answers = [
      record(here, 5, 60, withPointer("alias", QUESTION_NAME + 4)),
      record(here, 15, 60, octets(0, 10, wireName("mail.example.com"))),
      record(here, 33, 60, octets(0, 1, 0, 2, 0, 53, withPointer("srv", QUESTION_NAME + 4)))
    ]
    const decoded = decode(rewritten(response({ answers }))).answers?.map((answer) =>
      "data" in answer ? answer.data : undefined
    )
    assert.deepStrictEqual(decoded, [
      "alias.example.com",
      { preference: 10, exchange: "mail.example.com" },
      { priority: 1, weight: 2, port: 53, target: "srv.example.com" }
    ])
  })

  it("never compresses the target of an SRV (RFC 2782)", () => {
    const wire = rewritten(response({ answers: [record(here, 33, 60, octets(0, 1, 0, 2, 0, 53, here))] }))
    assert.deepStrictEqual(wire.slice(-17), wireName("www.example.com"))
  })

  it("rejects data that its names do not fill", () => {
    assert.isTrue(isRejected({ answers: [record(here, 5, 60, octets(here, 0))] }))
    assert.isTrue(isRejected({ answers: [record(here, 5, 60, octets(1, 97, 0, 0))] }))
    assert.isTrue(isRejected({ answers: [record(here, 15, 60, [0])] }))
    assert.isTrue(isRejected({ answers: [record(here, 6, 60, octets(here, here, long(1)))] }))
  })

  it("rejects an address that does not have its type's length (RFC 1035 §3.4.1, RFC 3596 §2.2)", () => {
    assert.isTrue(isRejected({ answers: [a, record(here, 1, 60, [])] }))
    assert.isTrue(isRejected({ answers: [record(here, 28, 60, [192, 0, 2, 1])] }))
  })

  it("leaves the data of unknown types untouched (RFC 3597 §4)", () => {
    const data = [0xc0, 0x0c, 0xff, 0, 1, 2]
    const wire = rewritten(response({ answers: [record(here, 65_280, 60, data)] }))
    assert.deepStrictEqual([...wire.slice(-6)], data)
  })

  it("brings TTLs into bounds; one with the high bit is 0 (RFC 2181 §8)", () => {
    const bounds = { ...ANY_TTL, minSeconds: 10, maxSeconds: 100 }
    const ttlOf = (ttl: number, within = bounds) =>
      normalised(response({ answers: [record(here, 1, ttl, [1, 2, 3, 4])] }), WWW, within).ttlSeconds
    assert.deepStrictEqual(
      [0, 50, 5000].map((ttl) => ttlOf(ttl)),
      [10, 50, 100]
    )
    assert.strictEqual(ttlOf(0x80000000, ANY_TTL), 0)
    assert.strictEqual(ttlOf(0xffffffff, ANY_TTL), 0)
  })

  it("says the smallest TTL, the OPT not counted", () => {
    const whole = normalised(response({ answers: [a, record(here, 1, 30, [1, 2, 3, 4])], additionals: [opt()] }))
    assert.strictEqual(whole.ttlSeconds, 30)
  })

  it("comes to the same when it is done twice", () => {
    const once = normalised(
      response({
        answers: [record(here, 5, 60, withPointer("a", 16)), a],
        authorities: [record(here, 6, 9, soaData(5))]
      })
    )
    const wire = once.wire.slice()
    assert.deepStrictEqual(normalised(wire).wire, once.wire)
  })
})
