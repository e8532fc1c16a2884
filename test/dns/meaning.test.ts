import { assert, describe, it } from "@effect/vitest"
import { interpret } from "../../src/dns/meaning.ts"
import {
  decode,
  normalised,
  type Parts,
  pointer,
  QUESTION_NAME,
  record,
  response,
  soaData,
  WWW,
  wireName,
  withPointer
} from "../support/messages.ts"

const here = pointer(QUESTION_NAME)
const a = record(here, 1, 300, [192, 0, 2, 1])
const meaningOf = (parts: Parts) => interpret(normalised(response(parts)), WWW)

describe("interpret", () => {
  it("finds an answer at the name and behind its CNAMEs, whatever their order", () => {
    const alias = record(here, 5, 60, withPointer("x", QUESTION_NAME))
    const target = record(withPointer("x", QUESTION_NAME), 1, 60, [1, 2, 3, 4])
    assert.deepStrictEqual(meaningOf({ answers: [a] }), { kind: "answer" })
    assert.deepStrictEqual(meaningOf({ answers: [alias, target] }), { kind: "answer" })
    assert.deepStrictEqual(meaningOf({ answers: [target, alias] }), { kind: "answer" })
  })

  it("keeps a negative answer for min(SOA's TTL, MINIMUM, CNAMEs' TTLs) (RFC 2308 §5)", () => {
    const ttlOf = (soa: number, minimum: number, alias?: number) => {
      const meaning = meaningOf({
        flags: 0x8183,
        answers: alias === undefined ? [] : [record(here, 5, alias, withPointer("x", QUESTION_NAME))],
        authorities: [record(here, 6, soa, soaData(minimum))]
      })
      return meaning.kind === "negative" ? meaning.ttlSeconds : -1
    }
    assert.strictEqual(ttlOf(300, 60), 60)
    assert.strictEqual(ttlOf(60, 300), 60)
    assert.strictEqual(ttlOf(300, 300, 20), 20)
  })

  it("writes the negative TTL into the SOA, so that it counts down", () => {
    const whole = normalised(response({ flags: 0x8183, authorities: [record(here, 6, 300, soaData(60))] }))
    interpret(whole, WWW)
    const soa = decode(whole.wire).authorities?.[0]
    assert.strictEqual(soa !== undefined && "ttl" in soa ? soa.ttl : -1, 60)
  })

  it("gives a negative answer without SOA no life (RFC 2308 §5)", () => {
    assert.deepStrictEqual(meaningOf({ flags: 0x8183 }), { kind: "negative", ttlSeconds: 0 })
    assert.deepStrictEqual(meaningOf({}), { kind: "negative", ttlSeconds: 0 })
  })

  it("knows a referral: NS and no SOA is not NODATA (RFC 2308 §2.2)", () => {
    const ns = record(here, 2, 60, withPointer("ns", QUESTION_NAME))
    assert.deepStrictEqual(meaningOf({ authorities: [ns] }), { kind: "referral" })
    assert.strictEqual(meaningOf({ authorities: [ns, record(here, 6, 60, soaData(60))] }).kind, "negative")
  })

  it("says where CNAMEs end of whose end nothing is said", () => {
    const answers = [record(here, 5, 60, withPointer("x", QUESTION_NAME))]
    assert.deepStrictEqual(meaningOf({ answers }), { kind: "unfinished", target: wireName("x.www.example.com") })
  })

  it("knows CNAMEs in a circle", () => {
    assert.deepStrictEqual(meaningOf({ answers: [record(here, 5, 60, here)] }), { kind: "circle" })
  })
})
