import { assert, describe, it } from "@effect/vitest"
import {
  formatQuestion,
  type Option,
  type Question,
  questionKey,
  questionOf,
  writeQuery
} from "../../src/dns/question.ts"
import { asked, decode, message, opt, question, read } from "../support/wire/messages.ts"

describe("questionOf", () => {
  it("lower-cases the name and keeps DO and CD", () => {
    const wire = message({
      flags: 0x0110,
      questions: [question("WwW.Example.COM", 28)],
      additionals: [opt({ flags: 0x8000 })]
    })
    assert.deepStrictEqual(questionOf(read(wire).query), asked("www.example.com", 28, { dnssecOk: true, cd: true }))
  })
})

describe("questionKey", () => {
  it("differs by name, type, DO and CD (RFC 4035 §4.7)", () => {
    const keys = [
      asked("a.test"),
      asked("b.test"),
      asked("a.test", 28),
      asked("a.test", 1, { dnssecOk: true }),
      asked("a.test", 1, { cd: true }),
      asked("a.test", 1, { dnssecOk: true, cd: true })
    ].map(questionKey)
    assert.strictEqual(new Set(keys).size, keys.length)
    assert.strictEqual(questionKey(asked("a.test")), keys[0])
  })
})

describe("formatQuestion", () => {
  it("writes types without a name as TYPE and their number (RFC 3597 §5)", () => {
    assert.strictEqual(formatQuestion(asked("a.test", 28)), "a.test AAAA")
    assert.strictEqual(formatQuestion(asked(".", 65_280)), ". TYPE65280")
  })
})

const encodeQuery = (
  id: number,
  to: Question,
  udpSize: number,
  edns: boolean,
  options: ReadonlyArray<Option>
): Uint8Array => {
  const out = new Uint8Array(512).fill(0xff)
  return out.slice(0, writeQuery(out, id, to, udpSize, edns, options))
}

describe("writeQuery", () => {
  it("asks with RD and AD (RFC 6840 §5.7), CD and DO as in the question", () => {
    const plain = decode(encodeQuery(7, asked("a.test"), 1232, true, []))
    assert.strictEqual(plain.id, 7)
    assert.isTrue(plain.flag_rd)
    assert.isTrue(plain.flag_ad)
    assert.isFalse(plain.flag_cd)
    assert.deepStrictEqual(plain.questions, [{ name: "a.test", type: "A", class: "IN" }])
    const secure = encodeQuery(7, asked("a.test", 1, { dnssecOk: true, cd: true }), 1232, true, [])
    assert.isTrue(decode(secure).flag_cd)
    assert.isTrue(read(secure).query.dnssecOk)
  })

  it("writes its OPT with size and options, and none without EDNS (RFC 6891 §6.1.2)", () => {
    const wire = encodeQuery(7, asked("a.test"), 1400, true, [{ code: 65_001, data: Uint8Array.of(1, 2, 3) }])
    const { query, verdict } = read(wire)
    assert.strictEqual(verdict, -1)
    assert.strictEqual(query.udpSize, 1400)
    assert.strictEqual(query.optionsEnd - query.optionsStart, 7)
    assert.deepStrictEqual(decode(encodeQuery(7, asked("a.test"), 1400, false, [])).additionals, [])
  })
})
