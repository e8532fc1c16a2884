import { assert, describe, it } from "@effect/vitest"
import { NameHash } from "../../src/cache/hash.ts"
import { octets, wireName } from "../support/messages.ts"

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
})
