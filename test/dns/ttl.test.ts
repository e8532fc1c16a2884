import { assert, describe, it } from "@effect/vitest"
import packet from "dns-packet"
import { subtractAge } from "../../src/dns/ttl.ts"

const answer = (ttls: ReadonlyArray<number>): Buffer =>
  packet.encode({
    type: "response",
    id: 0,
    questions: [{ name: "a.test", type: "A" }],
    answers: ttls.map((ttl, i) => ({ name: "a.test", type: "A", ttl, data: `192.0.2.${i}` })),
    additionals: [
      {
        name: ".",
        type: "OPT",
        udpPayloadSize: 1232,
        extendedRcode: 1,
        ednsVersion: 0,
        flags: 0x8000,
        flag_do: true,
        options: []
      }
    ]
  })

const aged = (wire: Buffer, seconds: number) => {
  subtractAge(wire, wire.length, seconds)
  return packet.decode(wire)
}

describe("subtractAge", () => {
  it("takes the age off every TTL, down to 0 (RFC 8484 §5.1)", () => {
    const { answers } = aged(answer([300, 100, 0]), 100)
    assert.deepStrictEqual(
      answers?.map((record) => ("ttl" in record ? record.ttl : -1)),
      [200, 0, 0]
    )
  })

  it("leaves the OPT as it is, whose TTL is none (RFC 6891 §6.1.3)", () => {
    const opt = aged(answer([300]), 100).additionals?.[0]
    assert.deepInclude(opt, { extendedRcode: 1, ednsVersion: 0, flag_do: true })
  })

  it("does not make a TTL with the high bit, which is 0, into one without (RFC 2181 §8)", () => {
    const wire = answer([0x80000001])
    subtractAge(wire, wire.length, 2)
    assert.include(wire.toString("hex"), "80000001")
  })

  it("stops at what cannot be read, wherever the message is cut", () => {
    const whole = answer([300, 100])
    for (let length = 12; length < whole.length; length++) {
      const cut = Buffer.from(whole.subarray(0, length))
      subtractAge(cut, cut.length, 100)
      assert.strictEqual(cut.length, length)
    }
  })
})
