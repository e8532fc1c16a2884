import { assert, describe, it } from "@effect/vitest"
import { findOption, Verdict } from "../../src/dns/query.ts"
import { questionOf } from "../../src/dns/question.ts"
import { copyOf } from "../../src/dns/wire.ts"
import {
  message,
  octets,
  opt,
  option,
  pointer,
  query,
  question,
  read,
  record,
  wireName,
  word
} from "../support/wire/messages.ts"

const verdictOf = (wire: Uint8Array): number => read(wire).verdict
const FORMERR = 1
const NOTIMP = 4
const REFUSED = 5
const BADVERS = 16

describe("readQuery", () => {
  it("accepts a question with RD", () => {
    const { verdict, query: read1 } = read(query())
    assert.strictEqual(verdict, Verdict.Accept)
    assert.strictEqual(read1.id, 0x1234)
    assert.strictEqual(read1.type, 1)
    assert.strictEqual(read1.nameLength, 17)
    assert.strictEqual(read1.questionEnd, 33)
    assert.isFalse(read1.hasOpt)
    assert.strictEqual(read1.udpSize, 512)
  })

  it("drops what is shorter than a header", () => {
    for (let length = 0; length < 12; length++) assert.strictEqual(verdictOf(query().slice(0, length)), Verdict.Drop)
  })

  it("drops responses", () => assert.strictEqual(verdictOf(query({ flags: 0x8100 })), Verdict.Drop))

  it("gives NOTIMP to every opcode but QUERY", () => {
    for (let opcode = 1; opcode < 16; opcode++) {
      assert.strictEqual(verdictOf(query({ flags: (opcode << 11) | 0x0100 })), NOTIMP)
    }
  })

  it("gives NOTIMP to a bare header with opcode 15, before the counts are looked at (RFC 8906 §8.1.4)", () => {
    const { verdict, query: bare } = read(message({ flags: 15 << 11 }))
    assert.strictEqual(verdict, NOTIMP)
    assert.strictEqual(bare.questionEnd, 12)
  })

  it("gives FORMERR unless there is exactly one question (RFC 9619)", () => {
    assert.strictEqual(verdictOf(message({})), FORMERR)
    assert.strictEqual(verdictOf(message({ questions: [question("a"), question("b")] })), FORMERR)
  })

  it("sees the OPT of a query with another opcode, or more questions than one (RFC 6891 §6.1.1)", () => {
    const several = [question("a.test"), question("b.test"), question("c.test")]
    for (const [flags, questions, verdict] of [
      [0x2800, several.slice(0, 1), NOTIMP],
      [0x2800, [], NOTIMP],
      [0x2100, several, NOTIMP],
      [0x0100, several, FORMERR]
    ] as const) {
      const other = record(wireName("x.test"), 1, 60, [192, 0, 2, 1])
      const before = [other, other]
      for (const additionals of [[opt()], [other, opt({ options: option(10, [1, 2, 3, 4, 5, 6, 7, 8]) }), other]]) {
        const wire = message({ flags, questions, authorities: before, additionals })
        const seen = read(wire)
        assert.deepStrictEqual([seen.verdict, seen.query.hasOpt], [verdict, true])
        // Cut anywhere, it says what it said before, and reads nothing behind the end.
        for (let length = 12; length < wire.length; length++) {
          assert.strictEqual(read(wire.slice(0, length)).verdict, verdict)
        }
      }
      const without = read(message({ flags, questions, authorities: before, additionals: [other] }))
      assert.deepStrictEqual([without.verdict, without.query.hasOpt], [verdict, false])
    }
  })

  it("gives FORMERR to a label longer than 63 octets", () => {
    const name = octets(64, new Uint8Array(64), 0)
    const { verdict, query: broken } = read(message({ questions: [question(name)] }))
    assert.strictEqual(verdict, FORMERR)
    assert.strictEqual(broken.nameLength, 0)
  })

  it("takes a name of 255 octets and gives FORMERR to one of 256 (RFC 1035 §2.3.4)", () => {
    const label = octets(63, new Uint8Array(63).fill(97))
    const longest = octets(label, label, label, 61, new Uint8Array(61).fill(97), 0)
    const tooLong = octets(label, label, label, 62, new Uint8Array(62).fill(97), 0)
    assert.strictEqual(longest.length, 255)
    assert.strictEqual(verdictOf(message({ questions: [question(longest)] })), Verdict.Accept)
    assert.strictEqual(verdictOf(message({ questions: [question(tooLong)] })), FORMERR)
  })

  it("gives FORMERR to a pointer in the question", () => {
    assert.strictEqual(verdictOf(message({ questions: [question(pointer(12))] })), FORMERR)
    assert.strictEqual(verdictOf(message({ questions: [question(pointer(0))] })), FORMERR)
  })

  it("gives FORMERR to a question cut short anywhere", () => {
    const whole = query()
    for (let length = 12; length < whole.length; length++) {
      assert.strictEqual(verdictOf(whole.slice(0, length)), FORMERR)
    }
  })

  it("gives FORMERR to records that do not lie inside the message, the question still echoed", () => {
    const whole = query({ additionals: [record([0], 16, 0, [1, 2, 3])] })
    for (let length = 33; length < whole.length; length++) {
      const { verdict, query: broken } = read(whole.slice(0, length))
      assert.strictEqual(verdict, FORMERR)
      assert.strictEqual(broken.questionEnd, 33)
    }
    assert.strictEqual(verdictOf(whole), Verdict.Accept)
  })

  it("ignores octets after the last record", () => {
    assert.strictEqual(verdictOf(query({ after: [1, 2, 3, 255] })), Verdict.Accept)
  })

  it("never reads behind the length it was given", () => {
    const wire = query({ additionals: [opt()] })
    assert.strictEqual(read(octets(wire, 9, 9)).verdict, Verdict.Accept)
    assert.strictEqual(read(wire.subarray(0, wire.length - 1)).verdict, FORMERR)
  })

  it("gives FORMERR to two OPTs, an OPT that is not at the root, one outside the additional section (RFC 6891 §6.1.1)", () => {
    assert.strictEqual(verdictOf(query({ additionals: [opt(), opt()] })), FORMERR)
    assert.strictEqual(verdictOf(query({ additionals: [opt({ owner: [1, 97, 0] })] })), FORMERR)
    assert.strictEqual(verdictOf(query({ answers: [opt()] })), FORMERR)
    assert.strictEqual(verdictOf(query({ authorities: [opt()] })), FORMERR)
  })

  it("gives BADVERS to another EDNS version, its options not looked at (RFC 6891 §6.1.3)", () => {
    assert.strictEqual(verdictOf(query({ additionals: [opt({ version: 1 })] })), BADVERS)
    assert.strictEqual(verdictOf(query({ additionals: [opt({ version: 100, options: [1, 2, 3] })] })), BADVERS)
  })

  it("gives FORMERR to options that do not fill the OPT octet for octet", () => {
    for (const options of [[1], [0, 1, 0], [0, 1, 0, 1], [...option(100, [1]), 0], option(100, [1, 2], 3)]) {
      assert.strictEqual(verdictOf(query({ additionals: [opt({ options })] })), FORMERR)
    }
  })

  it("ignores unknown options and flags (RFC 8906 §8.2.2, §8.2.4)", () => {
    const options = octets(option(100, []), option(65_001, [1, 2, 3]))
    const { verdict, query: odd } = read(query({ additionals: [opt({ options, flags: 0x7fff })] }))
    assert.strictEqual(verdict, Verdict.Accept)
    assert.isFalse(odd.dnssecOk)
  })

  it("does not mind what options hold that it does not serve", () => {
    const strangePrefix = option(8, [0, 1, 200, 200, 1])
    const keepalive = option(11, [0, 1])
    assert.strictEqual(verdictOf(query({ additionals: [opt({ options: strangePrefix })] })), Verdict.Accept)
    assert.strictEqual(verdictOf(query({ additionals: [opt({ options: keepalive })] })), Verdict.Accept)
  })

  it("finds an option by its code", () => {
    const options = octets(option(3, [9]), option(10, [7, 7]))
    const { query: found } = read(query({ additionals: [opt({ options })] }))
    const at = findOption(found, 10)
    assert.deepStrictEqual([...found.wire.slice(at, at + 2)], [7, 7])
    assert.strictEqual(findOption(found, 11), -1)
  })

  it("takes a UDP size under 512 for 512 (RFC 6891 §6.2.3)", () => {
    const sizeOf = (size: number) => read(query({ additionals: [opt({ size })] })).query.udpSize
    assert.strictEqual(sizeOf(0), 512)
    assert.strictEqual(sizeOf(511), 512)
    assert.strictEqual(sizeOf(513), 513)
    assert.strictEqual(sizeOf(65_535), 65_535)
  })

  it("reads DO from the OPT", () => {
    assert.isTrue(read(query({ additionals: [opt({ flags: 0x8000 })] })).query.dnssecOk)
  })

  it("refuses other classes than IN", () => {
    for (const klass of [0, 3, 4, 254, 255]) {
      assert.strictEqual(verdictOf(message({ questions: [question("a.test", 1, klass)] })), REFUSED)
    }
  })

  it("refuses AXFR, IXFR and the meta types but ANY (RFC 6895 §3.1)", () => {
    for (let type = 128; type < 255; type++) {
      assert.strictEqual(verdictOf(message({ questions: [question("a.test", type)] })), REFUSED, `type ${type}`)
    }
    assert.strictEqual(verdictOf(message({ questions: [question("a.test", 255)] })), Verdict.Accept)
  })

  it("gives FORMERR to QTYPE OPT", () => {
    assert.strictEqual(verdictOf(message({ questions: [question("a.test", 41)] })), FORMERR)
  })

  it("accepts types that nobody has assigned (RFC 8906 §8.1.2)", () => {
    for (const type of [0, 1000, 65_280, 65_535]) {
      assert.strictEqual(verdictOf(message({ questions: [question("a.test", type)] })), Verdict.Accept)
    }
  })

  it("accepts unknown header flags, AD and CD (RFC 8906 §8.1.3)", () => {
    for (const flags of [0x0140, 0x0120, 0x0110, 0x0500, 0x0300, 0x0180, 0x010f]) {
      assert.strictEqual(verdictOf(query({ flags })), Verdict.Accept)
    }
  })

  it("refuses queries without RD", () => assert.strictEqual(verdictOf(query({ flags: 0 })), REFUSED))

  it("wants authentic data when AD or DO is set (RFC 6840 §5.8)", () => {
    assert.isFalse(read(query()).query.wantsAuthenticData)
    assert.isTrue(read(query({ flags: 0x0120 })).query.wantsAuthenticData)
    assert.isTrue(read(query({ additionals: [opt({ flags: 0x8000 })] })).query.wantsAuthenticData)
  })

  it("leaves nothing of the packet before", () => {
    const { query: reused } = read(query({ additionals: [opt({ flags: 0x8000, size: 4096 })] }))
    const kept = reused.detach()
    const bare = read(message({ flags: 15 << 11 })).query
    assert.isFalse(bare.hasOpt)
    assert.isTrue(kept.dnssecOk)
    assert.strictEqual(kept.wire.length, kept.questionEnd)
    assert.deepStrictEqual([...kept.wire.slice(-4)], [...word(1), ...word(1)])
  })

  it("keeps no memory but that of other queries while it waits, however many answers come meanwhile", () => {
    const answer = new Uint8Array(8_000)
    const memories = new Set<ArrayBufferLike>()
    for (let number = 0; number < 1_000; number++) {
      const { query: reused } = read(query())
      memories.add(reused.detach().wire.buffer)
      memories.add(questionOf(reused).name.buffer)
      copyOf(answer, 0, answer.length)
    }
    const octetsKept = [...memories].reduce((sum, { byteLength }) => sum + byteLength, 0)
    assert.isBelow(octetsKept, 100_000)
  })
})
