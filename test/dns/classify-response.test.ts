import { assert, describe, it } from "@effect/vitest"
import type { TtlBounds } from "../../src/dns/classify-response.ts"
import {
  ANY_TTL,
  asked,
  decode,
  normalised,
  octets,
  type Parts,
  pointer,
  QUESTION_NAME,
  question,
  record,
  response,
  soaData,
  WWW,
  wireName,
  withPointer
} from "../support/wire/messages.ts"
import { readReply } from "../support/wire/reply-reader.ts"

const here = pointer(QUESTION_NAME)
const a = record(here, 1, 300, [192, 0, 2, 1])
const classifyResponse = (parts: Parts) => normalised(response(parts)).responseClass

describe("what a response says", () => {
  it("finds an answer at the name and behind its CNAMEs, whatever their order", () => {
    const alias = record(here, 5, 60, withPointer("x", QUESTION_NAME))
    const target = record(withPointer("x", QUESTION_NAME), 1, 60, [1, 2, 3, 4])
    assert.deepStrictEqual(classifyResponse({ answers: [a] }), { kind: "answer" })
    assert.deepStrictEqual(classifyResponse({ answers: [alias, target] }), { kind: "answer" })
    assert.deepStrictEqual(classifyResponse({ answers: [target, alias] }), { kind: "answer" })
  })

  it("keeps a negative answer for min(SOA's TTL, MINIMUM, CNAMEs' TTLs) (RFC 2308 §5)", () => {
    const ttlOf = (soa: number, minimum: number, alias?: number) => {
      const responseClass = classifyResponse({
        flags: 0x8183,
        answers: alias === undefined ? [] : [record(here, 5, alias, withPointer("x", QUESTION_NAME))],
        authorities: [record(here, 6, soa, soaData(minimum))]
      })
      return responseClass.kind === "negative" ? responseClass.ttlSeconds : -1
    }
    assert.strictEqual(ttlOf(300, 60), 60)
    assert.strictEqual(ttlOf(60, 300), 60)
    assert.strictEqual(ttlOf(300, 300, 20), 20)
  })

  it("writes the negative TTL into the SOA, so that it counts down", () => {
    const whole = normalised(response({ flags: 0x8183, authorities: [record(here, 6, 300, soaData(60))] }))
    const soa = decode(whole.wire).authorities?.[0]
    assert.strictEqual(soa !== undefined && "ttl" in soa ? soa.ttl : -1, 60)
  })

  it("gives a negative answer without SOA no life (RFC 2308 §5)", () => {
    assert.deepStrictEqual(classifyResponse({ flags: 0x8183 }), { kind: "negative", ttlSeconds: 0 })
    assert.deepStrictEqual(classifyResponse({}), { kind: "negative", ttlSeconds: 0 })
  })

  it("brings the life of a negative answer into its own bounds, as a whole (RFC 2308 §5)", () => {
    const lives = (soa: number, minimum: number, bounds: Partial<TtlBounds>) => {
      const authorities = [record(here, 6, soa, soaData(minimum))]
      const whole = normalised(response({ flags: 0x8183, authorities }), WWW, { ...ANY_TTL, ...bounds })
      const shown = decode(whole.wire).authorities?.[0]
      assert.strictEqual(
        shown !== undefined && "ttl" in shown ? shown.ttl : -1,
        whole.ttlSeconds,
        "shown as it is kept"
      )
      return whole.ttlSeconds
    }
    assert.strictEqual(lives(3600, 10, { minSeconds: 120 }), 120, "MINIMUM does not undo the shortest life")
    assert.strictEqual(lives(10, 3600, { minSeconds: 120 }), 120)
    assert.strictEqual(lives(0, 0, { minSeconds: 120 }), 120)
    assert.strictEqual(lives(86_400, 86_400, { maxNegativeSeconds: 900 }), 900)
    assert.strictEqual(lives(86_400, 86_400, { maxNegativeSeconds: 900, maxSeconds: 60 }), 60)
    assert.strictEqual(
      lives(600, 600, { minSeconds: 1200, maxNegativeSeconds: 300 }),
      300,
      "the longest has the last word"
    )
    assert.strictEqual(lives(600, 0x80000000, {}), 0, "MINIMUM with the high bit is 0 (RFC 2181 §8)")
    assert.strictEqual(lives(0xffffffff, 600, {}), 0)
  })

  it("shows no record of a negative answer's proof to live longer than the answer (RFC 9077 §3)", () => {
    const signed = octets(0, 47, new Uint8Array(16), wireName("example.com"), new Uint8Array(8))
    const whole = normalised(
      response({
        flags: 0x8183,
        answers: [record(here, 5, 5000, wireName("gone.example.com"))],
        authorities: [
          record(wireName("example.com"), 6, 3600, soaData(300)),
          record(wireName("a.example.com"), 47, 7200, octets(wireName("z.example.com"), 0, 1, 64)),
          record(wireName("a.example.com"), 46, 7200, signed)
        ]
      }),
      { ...WWW, dnssecOk: true }
    )
    const { answers, authorities } = readReply(Buffer.from(whole.wire))
    assert.deepStrictEqual(
      [...answers, ...authorities].map(({ ttl }) => ttl),
      [5000, 300, 300, 300]
    )
    assert.strictEqual(whole.ttlSeconds, 300)
  })

  it("does not apply the bound of negative answers to others", () => {
    const whole = normalised(response({ answers: [record(here, 1, 5000, [1, 2, 3, 4])] }), WWW, {
      ...ANY_TTL,
      maxNegativeSeconds: 60
    })
    assert.strictEqual(whole.ttlSeconds, 5000)
  })

  it("knows a referral: NS and no SOA is not NODATA (RFC 2308 §2.2)", () => {
    const ns = record(here, 2, 60, withPointer("ns", QUESTION_NAME))
    assert.deepStrictEqual(classifyResponse({ authorities: [ns] }), { kind: "referral" })
    assert.strictEqual(classifyResponse({ authorities: [ns, record(here, 6, 60, soaData(60))] }).kind, "negative")
  })

  it("says where CNAMEs end of whose end nothing is said", () => {
    const answers = [record(here, 5, 60, withPointer("x", QUESTION_NAME))]
    assert.deepStrictEqual(classifyResponse({ answers }), { kind: "unfinished", target: wireName("x.www.example.com") })
  })

  it("asks for the name at which CNAMEs end in lower case", () => {
    const answers = [record(here, 5, 60, wireName("Web.Example.NET"))]
    assert.deepStrictEqual(classifyResponse({ answers }), { kind: "unfinished", target: wireName("web.example.net") })
  })

  it("knows CNAMEs in a circle, however large, and ones without end", () => {
    assert.deepStrictEqual(classifyResponse({ answers: [record(here, 5, 60, here)] }), { kind: "circle" })
    const links = (count: number, end: string) =>
      Array.from({ length: count }, (_, i) =>
        record(i === 0 ? here : wireName(`n${i}.test`), 5, 60, wireName(i === count - 1 ? end : `n${i + 1}.test`))
      )
    assert.strictEqual(classifyResponse({ answers: links(5, "www.example.com") }).kind, "circle")
    assert.strictEqual(classifyResponse({ answers: links(5, "n3.test") }).kind, "circle")
    assert.strictEqual(classifyResponse({ answers: links(31, "end.test") }).kind, "unfinished")
    assert.strictEqual(classifyResponse({ answers: links(100, "end.test") }).kind, "circle")
  })

  it("takes YXDOMAIN for an answer where a DNAME makes the name too long, and only there (RFC 6672 §2.2)", () => {
    const name = `${"a.".repeat(70)}example.com`
    const long = `${"x".repeat(63)}.${"y".repeat(63)}.test`
    const to = asked(name)
    const kindOf = (owner: string, target: string, flags = 0x8186) => {
      const answers = [record(wireName(owner), 39, 60, wireName(target))]
      return normalised(response({ flags, questions: [question(name)], answers }), to).responseClass.kind
    }
    assert.strictEqual(kindOf("example.com", long), "too-long")
    assert.strictEqual(kindOf("EXAMPLE.com", long), "too-long")
    assert.strictEqual(kindOf("example.com", "example.net"), "nothing", "it is not too long")
    assert.strictEqual(kindOf("example.org", long), "nothing", "it is another's")
    assert.strictEqual(kindOf(name, long), "nothing", "a DNAME says nothing of its own name")
    assert.strictEqual(normalised(response({ flags: 0x8186 })).responseClass.kind, "nothing")
    assert.strictEqual(kindOf("example.com", long, 0x8182), "nothing", "another error")
  })

  it("finds the DNAME that makes a name too long behind CNAMEs too", () => {
    const alias = `${"b.".repeat(80)}example.net`
    const answers = [
      record(here, 5, 60, wireName(alias)),
      record(wireName("example.net"), 39, 60, wireName(`${"x".repeat(63)}.${"y".repeat(63)}.test`))
    ]
    assert.strictEqual(classifyResponse({ flags: 0x8186, answers }).kind, "too-long")
    const ofFirst = [answers[0]!, record(wireName("com"), 39, 60, wireName(`${"x".repeat(63)}.${"y".repeat(63)}.test`))]
    assert.strictEqual(classifyResponse({ flags: 0x8186, answers: ofFirst }).kind, "nothing")
  })
})
