import { assert, describe, it } from "@effect/vitest"
import {
  ALONE,
  NOWHERE,
  OPTED_OUT,
  optionOf,
  readScope,
  readSubnet,
  readSubnetWords,
  sameSubnet,
  subnetOfAddress,
  widen,
  writeScope
} from "../../src/dns/subnet.ts"
import { seeded } from "../support/wire/messages.ts"

const read = (...octets: ReadonlyArray<number>) => readSubnet(Uint8Array.from(octets), 0, octets.length)

describe("readSubnet", () => {
  it("reads a network of either family (RFC 7871 §6)", () => {
    assert.deepStrictEqual([...read(0, 1, 24, 0, 192, 0, 2)!.slice(0, 6)], [1, 24, 192, 0, 2, 0])
    assert.deepStrictEqual(
      [...read(0, 2, 33, 0, 0x20, 1, 0xd, 0xb8, 0x80)!.slice(0, 8)],
      [2, 33, 32, 1, 13, 184, 128, 0]
    )
  })

  it("takes a prefix of 0 for a wish not to be told of, whatever the family", () => {
    for (const family of [0, 1, 2]) assert.strictEqual(read(0, family, 0, 0), OPTED_OUT)
  })

  it("takes nothing that is not well-formed", () => {
    assert.isUndefined(read(0, 1, 24))
    assert.isUndefined(read(0, 3, 24, 0, 192, 0, 2))
    assert.isUndefined(read(0, 1, 33, 0, 192, 0, 2, 1, 0))
    assert.isUndefined(read(0, 1, 24, 24, 192, 0, 2))
    assert.isUndefined(read(0, 1, 24, 0, 192, 0))
    assert.isUndefined(read(0, 1, 24, 0, 192, 0, 2, 0))
    assert.isUndefined(read(0, 1, 23, 0, 192, 0, 3))
  })
})

const random = seeded(3)
const randomSubnet = () => {
  const isIPv4 = random(2) === 0
  const words = Uint32Array.from({ length: 4 }, () => random(2 ** 32))
  return subnetOfAddress(words, isIPv4, 1 + random(isIPv4 ? 32 : 128))
}

describe("networks", () => {
  it("are read again as they were written, and match the scope that comes back", () => {
    for (let i = 0; i < 2_000; i++) {
      const subnet = randomSubnet()
      const option = optionOf(subnet)!
      assert.isTrue(sameSubnet(readSubnet(option, 0, option.length), subnet))
      const words = new Uint32Array(4)
      assert.isTrue(sameSubnet(subnetOfAddress(words, readSubnetWords(subnet, words), subnet[1]!), subnet))
      option[3] = 17
      assert.strictEqual(readScope(option, 0, option.length, subnet), 17)
      option[4 + random(option.length - 4)]! ^= 0x80
      assert.strictEqual(readScope(option, 0, option.length, subnet), -1)
    }
  })

  it("become wider by the bits behind the prefix and by nothing else", () => {
    for (let i = 0; i < 2_000; i++) {
      const subnet = randomSubnet()
      const prefix = 1 + random(subnet[1]!)
      const wider = new Uint8Array(18)
      widen(subnet, wider, prefix)
      for (let bit = 0; bit < 128; bit++) {
        const of = (octets: Uint8Array): number => (octets[2 + (bit >>> 3)]! >>> (7 - (bit & 7))) & 1
        assert.strictEqual(of(wider), bit < prefix ? of(subnet) : 0)
      }
    }
  })

  it("keep to themselves what is meant for a part of one that is wider than usual (RFC 7871 §7.3.1)", () => {
    const out = new Uint8Array(18)
    const subnet = read(0, 1, 16, 0, 192, 0)!
    subnet[0]! |= ALONE
    writeScope(subnet, 24, out)
    assert.isTrue(sameSubnet(out, subnet))
    writeScope(subnet, 16, out)
    assert.deepStrictEqual([...out.slice(0, 4)], [1, 16, 192, 0])
  })

  it("are not told of where there is none, and as none where a client wants that", () => {
    assert.isUndefined(optionOf(NOWHERE))
    assert.deepStrictEqual([...optionOf(OPTED_OUT)!], [0, 1, 0, 0])
  })
})
