import { assert, describe, it } from "@effect/vitest"
import { Result } from "effect"
import { NetAddress } from "effect/net"
import { parseName } from "../../src/dns/name.ts"
import { type AddressRange, Rebinding } from "../../src/dns/rebinding.ts"
import { joinAnswers } from "../../src/dns/response.ts"
import {
  ANY_TTL,
  asked,
  decode,
  normalised,
  octets,
  pointer,
  QUESTION_NAME,
  question,
  record,
  response,
  wireName,
  word
} from "../support/wire/messages.ts"

const octetsOf = (text: string): Uint8Array => {
  const address = Result.getOrThrow(NetAddress.ipFromString(text))
  return Uint8Array.from(
    NetAddress.isIpv4Address(address) ? NetAddress.ipv4ToOctets(address) : NetAddress.ipv6ToOctets(address)
  )
}
const range = (text: string, prefixLength: number): AddressRange => ({ octets: octetsOf(text), prefixLength })

const isTakenOut = (address: string, rebinding = new Rebinding([], [])): boolean => {
  const data = octetsOf(address)
  return rebinding.isUnwanted(octets([7], data), data.length === 4 ? 1 : 28, 1, 1, 1 + data.length)
}

describe("a private address", () => {
  it("is of this host, a link, a site, or shared with a provider, also within IPv6", () => {
    for (const address of [
      "0.0.0.0",
      "10.1.2.3",
      "100.64.0.1",
      "100.127.255.255",
      "127.0.0.53",
      "169.254.169.254",
      "172.16.0.1",
      "172.31.255.255",
      "192.168.1.1",
      "255.255.255.255",
      "::",
      "::1",
      "fc00::1",
      "fdff::1",
      "fe80::1",
      "febf::1",
      "fec0::1",
      "::ffff:192.168.1.1",
      "::10.0.0.1",
      "64:ff9b::127.0.0.1",
      "64:ff9b:1::192.168.0.1",
      "::ffff:0:10.0.0.1",
      "2002:c0a8:0101::1"
    ]) {
      assert.isTrue(isTakenOut(address), address)
    }
  })

  it("is none just outside of these", () => {
    for (const address of [
      "1.1.1.1",
      "9.255.255.255",
      "11.0.0.0",
      "100.63.255.255",
      "100.128.0.0",
      "169.253.0.1",
      "172.15.255.255",
      "172.32.0.0",
      "192.167.255.255",
      "192.169.0.0",
      "255.255.255.254",
      "2001:db8::1",
      "fbff::1",
      "fe00::1",
      "ff02::1",
      "::ffff:8.8.8.8",
      "64:ff9b::8.8.8.8",
      "2002:0808:0808::1"
    ]) {
      assert.isFalse(isTakenOut(address), address)
    }
  })

  it("stays where its network may", () => {
    const allowing = new Rebinding([], [range("10.1.0.0", 16), range("fd00:1::", 32)])
    assert.isFalse(isTakenOut("10.1.255.1", allowing))
    assert.isTrue(isTakenOut("10.2.0.1", allowing))
    assert.isFalse(isTakenOut("fd00:1::5", allowing))
    assert.isTrue(isTakenOut("fd00:2::5", allowing))
    assert.isFalse(isTakenOut("::ffff:10.1.0.1", allowing))
  })
})

describe("an answer with private addresses", () => {
  const a = (address: string, ttl = 300): Uint8Array => record(pointer(QUESTION_NAME), 1, ttl, octetsOf(address))
  const rules = (names: ReadonlyArray<string> = []) => ({
    ...ANY_TTL,
    rebinding: new Rebinding(
      names.map((name) => parseName(name)!),
      []
    )
  })

  it("keeps the others, and says that some are gone", () => {
    const wire = response({ answers: [a("192.168.0.1"), a("192.0.2.1"), a("10.0.0.1")] })
    const { isRebound, wire: kept } = normalised(wire, undefined, rules())
    assert.isTrue(isRebound)
    assert.deepStrictEqual(
      decode(kept).answers?.map((answer) => ("data" in answer ? answer.data : "")),
      ["192.0.2.1"]
    )
  })

  it("loses AD, and the signatures that would not hold", () => {
    const covering = (type: number): Uint8Array =>
      record(
        pointer(QUESTION_NAME),
        46,
        300,
        octets(word(type), [8, 3], new Uint8Array(14), wireName("example.com"), new Uint8Array(8))
      )
    const wire = response({ flags: 0x81a0, answers: [a("10.0.0.1"), a("192.0.2.1"), covering(1), covering(16)] })
    const question_ = asked("www.example.com", 1, { dnssecOk: true })
    const { wire: kept } = normalised(wire, question_, rules())
    assert.isFalse(decode(kept).flag_ad)
    assert.deepStrictEqual(
      decode(kept).answers?.map(({ type }) => type),
      ["A"]
    )
    const whole = normalised(wire, question_).wire
    assert.isTrue(decode(whole).flag_ad)
    assert.strictEqual(decode(whole).answers?.length, 3)
  })

  it("is noticed though its TTL has the highest bit, which is 0 (RFC 2181 §8)", () => {
    const { isRebound, ttlSeconds } = normalised(response({ answers: [a("10.0.0.1", 0xffffffff)] }), undefined, rules())
    assert.deepStrictEqual([isRebound, ttlSeconds], [true, 0])
    const both = normalised(response({ answers: [a("192.0.2.1", 0x80000001), a("192.0.2.2", 300)] }))
    assert.strictEqual(both.ttlSeconds, 0)
  })

  it("is one without records where no other is left, and lives no longer than they would have", () => {
    const { responseClass, ttlSeconds, wire } = normalised(
      response({ answers: [a("10.0.0.1", 77)] }),
      undefined,
      rules()
    )
    assert.deepStrictEqual(decode(wire).answers, [])
    assert.strictEqual(responseClass.kind, "answer")
    assert.strictEqual(ttlSeconds, 77)
  })

  it("stays as it is for a name that may have them, and for names below it, and without protection", () => {
    const wire = response({ answers: [a("10.0.0.1")] })
    for (const allowed of ["www.example.com", "example.com", "com", "."]) {
      const { isRebound, wire: kept } = normalised(wire, undefined, rules([allowed]))
      assert.deepStrictEqual([isRebound, decode(kept).answers?.length], [false, 1], allowed)
    }
    assert.strictEqual(
      decode(normalised(wire, undefined, rules(["w.example.com", "ample.com"])).wire).answers?.length,
      0
    )
    assert.strictEqual(decode(normalised(wire).wire).answers?.length, 1)
  })

  it("loses hints of HTTPS records that are private, with their records (RFC 9460 §7.3)", () => {
    const https = (...hints: ReadonlyArray<string>): Uint8Array =>
      record(
        pointer(QUESTION_NAME),
        65,
        300,
        octets(
          word(1),
          [0],
          octets(word(1), word(3), [2, 0x68, 0x32]),
          octets(word(4), word(4 * hints.length), ...hints.map(octetsOf))
        )
      )
    const answered = (...hints: ReadonlyArray<string>): number => {
      const wire = response({ questions: [question("www.example.com", 65)], answers: [https(...hints)] })
      return decode(normalised(wire, asked("www.example.com", 65), rules()).wire).answers!.length
    }
    assert.strictEqual(answered("192.0.2.1", "198.51.100.1"), 1)
    // What is not well-formed may hold anything.
    const pointing = octets(word(1), [0xc0, 12], word(4), word(4), octetsOf("192.168.1.1"))
    const cut = octets(word(1), [0], word(4), word(8), octetsOf("192.0.2.1"))
    for (const data of [pointing, cut]) {
      const wire = response({
        questions: [question("www.example.com", 65)],
        answers: [record(pointer(QUESTION_NAME), 65, 300, data)]
      })
      assert.isEmpty(decode(normalised(wire, asked("www.example.com", 65), rules()).wire).answers)
    }
    assert.strictEqual(answered("192.0.2.1", "192.168.1.1"), 0)
  })

  it("is judged by the name that was asked for, where a CNAME leads to one that may have them", () => {
    const cname = record(pointer(QUESTION_NAME), 5, 60, wireName("nas.corp.example"))
    const head = normalised(response({ answers: [cname] })).wire
    const link = asked("nas.corp.example")
    const tail = normalised(
      response({ questions: [question("nas.corp.example")], answers: [a("10.0.0.9")] }),
      link,
      rules(["corp.example"])
    ).wire
    assert.strictEqual(decode(tail).answers?.length, 1)
    const { rebinding } = rules(["corp.example"])
    const joined = joinAnswers(head, tail, asked("www.example.com"), rebinding)!
    assert.deepStrictEqual(
      decode(joined).answers?.map(({ type }) => type),
      ["CNAME"]
    )
  })
})
