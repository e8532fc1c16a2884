/** Names and numbers of types, there and back. */
import { assert, describe, it } from "@effect/vitest"
import { Type } from "../../src/dns/codes.ts"
import { typeName, typeNames, typeNumber } from "../../src/dns/record-types.ts"

describe("types of records", () => {
  it("are named and read, there and back", () => {
    for (const name of typeNames) assert.strictEqual(typeName(typeNumber(name)!), name)
    for (const number of [0x1234, 65_280, 65_535]) assert.strictEqual(typeNumber(typeName(number)), number)
  })

  it("that this server acts on have the names that it calls them by", () => {
    for (const [name, number] of Object.entries(Type)) assert.strictEqual(typeName(number), name)
  })

  it("are read in any case, by RFC 3597's form, and as a number", () => {
    assert.deepStrictEqual([" aaaa ", "type65", "TYPE65280", "28"].map(typeNumber), [28, 65, 65_280, 28])
    for (const wrong of ["", "0", "65536", "TYPE", "TYPE123456", "-1", "A A", "toString"]) {
      assert.isUndefined(typeNumber(wrong), wrong)
    }
  })
})
