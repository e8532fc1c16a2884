import { assert, describe, it } from "@effect/vitest"
import { NameHash } from "../../../src/cache/table/hash.ts"
import { LOWER } from "../../../src/dns/name.ts"
import { octets, wireName } from "../../support/wire/messages.ts"

const hash = new NameHash(0x01234567, 0x76543210)
const lower = new Int32Array(64)
const hashName = (wire: Uint8Array, at: number, length: number, kind: number, view = 0): number =>
  hash.of(wire, at, length, kind, view, lower)

describe("NameHash", () => {
  it("is the same in either case and wherever the name stands", () => {
    const name = wireName("www.example.com")
    const elsewhere = octets(1, 2, 3, wireName("WWW.eXample.COM"), 9)
    assert.strictEqual(hashName(name, 0, name.length, 4), hashName(elsewhere, 3, name.length, 4))
  })

  it("spreads names and types", () => {
    const hashes = new Set<number>()
    for (let i = 0; i < 10_000; i++) {
      const name = wireName(`host${i}.example.com`)
      hashes.add(hashName(name, 0, name.length, 4))
      hashes.add(hashName(name, 0, name.length, 112))
    }
    assert.isAbove(hashes.size, 19_980)
  })

  it("depends on the length, the kind, the view and the key", () => {
    const name = wireName("a.bc.def.ghij.klmno")
    const hashes = new Set<number>()
    for (let length = 1; length <= name.length; length++) hashes.add(hashName(name, 0, length, 4))
    for (let kind = 0; kind < 8; kind++) hashes.add(hashName(name, 0, name.length, kind))
    for (const view of [1, 2, -1, 0x7fff_ffff]) hashes.add(hashName(name, 0, name.length, 4, view))
    hashes.add(new NameHash(0x01234567, 0x76543211).of(name, 0, name.length, 4, 0, lower))
    // One of the kinds is among the lengths as well.
    assert.strictEqual(hashes.size, name.length + 7 + 4 + 1)
  })

  it("leaves the name in lower case, and folds nothing but letters (RFC 4343 §2.1)", () => {
    for (let octet = 0; octet < 256; octet++) {
      const name = new Uint8Array(7).fill(octet)
      hashName(name, 0, name.length, 4)
      const expected = new Uint8Array(8)
      expected.fill(LOWER[octet]!, 0, 7)
      assert.deepStrictEqual(new Uint8Array(lower.buffer, 0, 8), expected)
    }
  })
})
