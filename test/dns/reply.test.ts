import { assert, describe, it } from "@effect/vitest"
import {
  type AnswerMessage,
  explainedReplySize,
  MAX_ERROR_SIZE,
  MAX_UDP_SIZE,
  replySize,
  writeAnswer,
  writeError,
  writeExplainedAnswer
} from "../../src/dns/reply.ts"
import { extendedErrorsOf } from "../support/servers/memory-server.ts"
import {
  answerMessage,
  decode,
  message,
  octets,
  opt,
  option,
  pointer,
  QUESTION_NAME,
  query,
  question,
  read,
  record,
  response,
  rewritten,
  wireName,
  withPointer
} from "../support/wire/messages.ts"

const a = (last: number, ttl = 300): Uint8Array => record(pointer(QUESTION_NAME), 1, ttl, [192, 0, 2, last])
const txt = (owner: string, fill: number, length: number): Uint8Array =>
  record(octets([owner.length], Buffer.from(owner), pointer(QUESTION_NAME)), 16, 60, [
    length,
    ...new Uint8Array(length).fill(fill)
  ])

const answered = (packet: Uint8Array, answer: AnswerMessage, limit = 65_535): Uint8Array => {
  const out = new Uint8Array(replySize(answer))
  return out.slice(0, writeAnswer(out, read(packet).query, answer, limit))
}
const refused = (packet: Uint8Array, rcode: number, reason?: Parameters<typeof writeError>[3]): Uint8Array => {
  const out = new Uint8Array(MAX_ERROR_SIZE)
  return out.slice(0, writeError(out, read(packet).query, rcode, reason))
}
const plain = answerMessage(rewritten(response({ answers: [a(1)] })))
const flagsOf = (wire: Uint8Array): number => (wire[2]! << 8) | wire[3]!
const addresses = (wire: Uint8Array) => decode(wire).answers?.map((answer) => ("data" in answer ? answer.data : ""))

describe("writeAnswer", () => {
  it("sets QR and RA, echoes RD and CD, clears AA and Z (RFC 1035 §4.1.1)", () => {
    const upstreamSaysAll = answerMessage(rewritten(response({ flags: 0x87c0, answers: [a(1)] })))
    assert.strictEqual(flagsOf(answered(query(), upstreamSaysAll)), 0x8180)
    assert.strictEqual(flagsOf(answered(query({ flags: 0x0150 }), upstreamSaysAll)), 0x8190)
  })

  it("gives id and question exactly as asked, case included", () => {
    const asked = message({ id: 0xbeef, questions: [question("wWw.ExAmPlE.cOm")] })
    const reply = decode(answered(asked, plain))
    assert.strictEqual(reply.id, 0xbeef)
    assert.strictEqual(reply.questions?.[0]?.name, "wWw.ExAmPlE.cOm")
    assert.strictEqual(reply.answers?.[0]?.name, "wWw.ExAmPlE.cOm")
  })

  it("passes AD on only to who set AD or DO (RFC 6840 §5.8)", () => {
    const authentic = answerMessage(rewritten(response({ flags: 0x81a0, answers: [a(1)] })))
    const isAuthentic = (packet: Uint8Array, answer = authentic) => (flagsOf(answered(packet, answer)) & 0x20) !== 0
    assert.isFalse(isAuthentic(query()))
    assert.isTrue(isAuthentic(query({ flags: 0x0120 })))
    assert.isTrue(isAuthentic(query({ additionals: [opt({ flags: 0x8000 })] })))
    assert.isFalse(isAuthentic(query({ flags: 0x0120 }), plain))
  })

  it("has one OPT if the query had one: version 0, our size, DO as asked, no options (RFC 6891 §6.1.1)", () => {
    const asked = query({ additionals: [opt({ size: 4096, flags: 0xffff, options: option(65_001, [1]) })] })
    const reply = answered(asked, plain)
    assert.deepStrictEqual(reply.slice(-11), opt({ size: MAX_UDP_SIZE, flags: 0x8000 }))
    assert.strictEqual(decode(reply).additionals?.length, 1)
    assert.deepStrictEqual(
      answered(query({ additionals: [opt({ flags: 0x7fff })] }), plain).slice(-11),
      opt({ size: MAX_UDP_SIZE })
    )
  })

  it("has no OPT if the query had none", () => {
    assert.deepStrictEqual(decode(answered(query(), plain)).additionals, [])
  })

  it("counts TTLs down by the answer's age, never below 0", () => {
    const wire = rewritten(
      response({ answers: [a(1, 300)], authorities: [record(pointer(QUESTION_NAME), 2, 10, wireName("ns.test"))] })
    )
    const reply = decode(answered(query(), answerMessage(wire, { ageSeconds: 100 })))
    assert.deepStrictEqual(
      [...(reply.answers ?? []), ...(reply.authorities ?? [])].map((answer) => ("ttl" in answer ? answer.ttl : -1)),
      [200, 0]
    )
  })

  it("leaves the kept answer as it was", () => {
    const wire = rewritten(response({ answers: [a(1), a(2), a(3)] }))
    const before = wire.slice()
    answered(query({ additionals: [opt()] }), answerMessage(wire, { ageSeconds: 100, rotation: 2 }))
    assert.deepStrictEqual(wire, before)
  })

  it("lets addresses take turns at the head", () => {
    const wire = rewritten(response({ answers: [a(1), a(2), a(3)] }))
    const heads = [0, 1, 2, 3].map((rotation) => addresses(answered(query(), answerMessage(wire, { rotation }))))
    assert.deepStrictEqual(heads, [
      ["192.0.2.1", "192.0.2.2", "192.0.2.3"],
      ["192.0.2.2", "192.0.2.3", "192.0.2.1"],
      ["192.0.2.3", "192.0.2.1", "192.0.2.2"],
      ["192.0.2.1", "192.0.2.2", "192.0.2.3"]
    ])
  })

  it("leaves CNAMEs before the addresses where they are", () => {
    const alias = record(pointer(QUESTION_NAME), 5, 60, octets(1, 120, pointer(QUESTION_NAME)))
    const owner = pointer(33 + 12)
    const wire = rewritten(
      response({ answers: [alias, record(owner, 1, 60, [10, 0, 0, 1]), record(owner, 1, 60, [10, 0, 0, 2])] })
    )
    const reply = answered(query(), answerMessage(wire, { rotation: 1 }))
    assert.deepStrictEqual(addresses(reply), ["x.www.example.com", "10.0.0.2", "10.0.0.1"])
  })

  it("leaves out additional records first, by whole RRsets and without TC (RFC 2181 §9)", () => {
    const wire = rewritten(
      response({ answers: [a(1)], additionals: [txt("a", 1, 100), txt("b", 2, 200), txt("b", 3, 200)] })
    )
    const reply = decode(answered(query(), answerMessage(wire), 512))
    assert.isFalse(reply.flag_tc)
    assert.strictEqual(reply.answers?.length, 1)
    assert.strictEqual(reply.additionals?.length, 1)
  })

  it("leaves out name servers behind an answer without TC: they are not what was asked for (RFC 2181 §9)", () => {
    const servers = Array.from({ length: 30 }, (_, i) =>
      record(pointer(QUESTION_NAME), 2, 60, withPointer(`name-server-${i}`, QUESTION_NAME))
    )
    const wire = rewritten(response({ answers: [a(1)], authorities: servers, additionals: [txt("b", 2, 20)] }))
    const reply = decode(answered(query(), answerMessage(wire), 512))
    assert.isFalse(reply.flag_tc)
    assert.strictEqual(reply.answers?.length, 1)
    assert.deepStrictEqual([reply.authorities?.length, reply.additionals?.length], [0, 0])
  })

  it("sets TC where other authority records behind an answer do not fit: they prove or deny something", () => {
    const proof = record(pointer(QUESTION_NAME), 47, 60, new Uint8Array(500))
    const wire = rewritten(response({ answers: [a(1)], authorities: [proof] }))
    assert.isTrue(decode(answered(query(), answerMessage(wire), 512)).flag_tc)
  })

  it("sets TC and leaves out whole RRsets when the answer does not fit", () => {
    const wire = rewritten(response({ answers: [txt("a", 1, 200), txt("b", 2, 200), txt("b", 3, 200)] }))
    const reply = decode(answered(query(), answerMessage(wire), 512))
    assert.isTrue(reply.flag_tc)
    assert.strictEqual(reply.answers?.length, 1)
    const nothing = rewritten(response({ answers: [txt("b", 2, 250), txt("b", 3, 250)] }))
    const empty = decode(answered(query(), answerMessage(nothing), 512))
    assert.isTrue(empty.flag_tc)
    assert.deepStrictEqual(empty.answers, [])
  })

  it("keeps the OPT when it truncates (RFC 6891 §7), and never exceeds the limit", () => {
    const wire = rewritten(response({ answers: [txt("a", 1, 200), txt("b", 2, 200)], additionals: [txt("c", 3, 200)] }))
    const asked = query({ additionals: [opt()] })
    const whole = answered(asked, answerMessage(wire)).length
    for (let limit = 60; limit <= whole; limit++) {
      const reply = answered(asked, answerMessage(wire), limit)
      assert.isAtMost(reply.length, limit)
      assert.deepStrictEqual(reply.slice(-11), opt({ size: MAX_UDP_SIZE }))
      assert.strictEqual(decode(reply).flag_tc, (decode(reply).answers?.length ?? 0) < 2)
    }
  })
})

describe("writeError", () => {
  it("echoes the header alone where no question could be read", () => {
    const reply = refused(message({ id: 7, flags: 0x7800 }), 4)
    assert.deepStrictEqual([...reply], [0, 7, 0xf8, 0x84, 0, 0, 0, 0, 0, 0, 0, 0])
  })

  it("echoes the question, and none of the query's records", () => {
    const wire = refused(query({ answers: [a(1)], flags: 0x0130 }), 5)
    const reply = decode(wire)
    assert.strictEqual(flagsOf(wire) & 15, 5)
    assert.strictEqual(reply.questions?.length, 1)
    assert.deepStrictEqual(reply.answers, [])
    assert.isTrue(reply.flag_cd)
    assert.isFalse(reply.flag_ad)
  })

  it("puts the upper bits of BADVERS into an OPT of version 0 (RFC 6891 §6.1.3)", () => {
    const reply = refused(query({ additionals: [opt({ version: 1 })] }), 16)
    assert.strictEqual(flagsOf(reply) & 15, 0)
    assert.deepStrictEqual(reply.slice(-11), opt({ size: MAX_UDP_SIZE, upperRcode: 1 }))
  })

  it("says why by an Extended DNS Error, to who speaks EDNS only (RFC 8914)", () => {
    const reason = { code: 22, text: "no upstream" } as const
    const reply = refused(query({ additionals: [opt()] }), 2, reason)
    const options = option(15, octets(0, 22, Buffer.from("no upstream")))
    assert.deepStrictEqual(reply.slice(33), opt({ size: MAX_UDP_SIZE, options }))
    assert.strictEqual(refused(query(), 2, reason).length, 33)
  })
})

describe("writeExplainedAnswer", () => {
  const reason = { code: 15, text: "a list of advertisements" }
  const explained = (packet: Uint8Array, limit = 65_535): Uint8Array => {
    const out = new Uint8Array(Math.min(explainedReplySize(plain, reason), limit))
    return out.slice(0, writeExplainedAnswer(out, read(packet).query, plain, limit, reason))
  }
  const extended = (wire: Uint8Array): ReadonlyArray<string> => extendedErrorsOf(decode(wire))
  const withOpt = query({ additionals: [opt()] })

  it("says why behind the answer", () => {
    const reply = explained(withOpt)
    assert.deepStrictEqual(addresses(reply), ["192.0.2.1"])
    assert.deepStrictEqual(extended(reply), ["15 a list of advertisements"])
  })

  it("leaves the text out where it does not fit, and cuts no record for it (RFC 8914 §3)", () => {
    const whole = explained(withOpt).length
    for (const limit of [whole - 1, whole - reason.text.length]) {
      const reply = explained(withOpt, limit)
      assert.deepStrictEqual(addresses(reply), ["192.0.2.1"])
      assert.deepStrictEqual(extended(reply), ["15"])
      assert.strictEqual(flagsOf(reply) & 0x0200, 0)
    }
  })

  it("says nothing to a client without EDNS", () => {
    assert.deepStrictEqual(explained(query()), answered(query(), plain))
  })
})

describe("the reason of a failure that was kept", () => {
  it("is what the upstream said, and that it was kept", () => {
    const reply = refused(query({ additionals: [opt()] }), 2, { code: 6, text: "bogus", isKept: true })
    assert.deepStrictEqual(extendedErrorsOf(decode(reply)), ["6 bogus", "13"])
  })
})
