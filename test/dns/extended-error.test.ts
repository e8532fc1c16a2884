import { assert, describe, it } from "@effect/vitest"
import { isOfPolicy, readExtendedError } from "../../src/dns/extended-error.ts"

const option = (code: number, data: ReadonlyArray<number>): ReadonlyArray<number> => [
  code >> 8,
  code & 0xff,
  data.length >> 8,
  data.length & 0xff,
  ...data
]
const text = (value: string): ReadonlyArray<number> => [...Buffer.from(value)]
const read = (...options: ReadonlyArray<ReadonlyArray<number>>) => {
  const octets = Uint8Array.from(options.flat())
  return readExtendedError(octets, 0, octets.length)
}

describe("an Extended DNS Error of others", () => {
  it("is read wherever it stands among the options, the first of several", () => {
    const cookie = option(10, [1, 2, 3, 4, 5, 6, 7, 8])
    assert.deepStrictEqual(read(option(15, [0, 6, ...text("bogus")])), { code: 6, text: "bogus" })
    assert.deepStrictEqual(read(cookie, option(15, [0, 22]), option(15, [0, 23])), { code: 22, text: "" })
    assert.deepStrictEqual(read(option(15, [0xc0, 1])), { code: 0xc001, text: "" })
  })

  it("is none where there is none, or it is cut", () => {
    assert.strictEqual(read(), undefined)
    assert.strictEqual(read(option(10, [1])), undefined)
    assert.strictEqual(read(option(15, [])), undefined)
    assert.strictEqual(read(option(15, [6])), undefined)
    assert.strictEqual(read([0, 15, 0, 9, 0, 6]), undefined)
    assert.strictEqual(read([0, 15]), undefined)
  })

  it("has a text only where that is printable and short; the NUL that may end it does not count", () => {
    assert.strictEqual(read(option(15, [0, 6, ...text("fine"), 0]))?.text, "fine")
    assert.strictEqual(read(option(15, [0, 6, ...text("x".repeat(120))]))?.text.length, 120)
    for (const bad of ["x".repeat(121), "\u001b[2J", "two\nlines", "a\u0000b", "ümlaut", "\u007f"]) {
      assert.deepStrictEqual(read(option(15, [0, 6, ...text(bad)])), { code: 6, text: "" })
    }
  })

  it("is of a policy from 15 to 18", () => {
    assert.deepStrictEqual([14, 15, 16, 17, 18, 19].map(isOfPolicy), [false, true, true, true, true, false])
  })
})
