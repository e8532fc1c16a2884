import { assert, describe, it } from "@effect/vitest"
import packet, { type OptAnswer } from "dns-packet"
import { parseName } from "../../src/dns/name.ts"
import { PADDED_BLOCK, type Question, writeQuery } from "../../src/dns/question.ts"

const question = (name: string): Question => ({
  name: parseName(name)!,
  type: 1,
  class: 1,
  dnssecOk: false,
  checkingDisabled: false,
  view: 0,
  clientContext: undefined
})

const written = (name: string, edns: boolean, block: number): Buffer => {
  const room = Buffer.alloc(1280, 0xff)
  const options = [{ code: 65_314, data: new Uint8Array(8) }]
  return room.subarray(0, writeQuery(room, 7, question(name), 1232, edns, options, block))
}

describe("padding (RFC 7830, RFC 8467 §4.1)", () => {
  it("makes queries of any length a multiple of 128 octets, by octets of 0, behind the other options", () => {
    for (let labels = 1; labels <= 120; labels++) {
      const wire = written("a.".repeat(labels), true, PADDED_BLOCK)
      assert.strictEqual(wire.length % 128, 0)
      const opt = packet.decode(wire).additionals?.[0] as OptAnswer
      assert.deepStrictEqual(
        opt.options.map(({ code }) => code),
        [65_314, 12]
      )
      const { data } = opt.options[1] as { readonly data: Buffer }
      assert.isTrue(data.every((octet) => octet === 0))
      assert.isBelow(data.length, 128)
    }
  })

  it("is left out where there is no OPT, and where nobody else could see the length", () => {
    assert.strictEqual(written("example.test", false, PADDED_BLOCK).length, 12 + 14 + 4)
    const opt = packet.decode(written("example.test", true, 1)).additionals?.[0] as OptAnswer
    assert.deepStrictEqual(
      opt.options.map(({ code }) => code),
      [65_314]
    )
  })
})
