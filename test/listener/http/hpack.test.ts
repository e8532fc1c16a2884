/** Headers of HTTP/2, by the examples of RFC 7541 and by what is not to be believed. */
import { assert, describe, it } from "@effect/vitest"
import { type Header, HeaderFault, HeaderReader, MAX_HEADER_LIST } from "../../../src/listener/http/hpack.ts"
import { readHuffman } from "../../../src/listener/http/huffman.ts"

const octets = (hex: string): Buffer => Buffer.from(hex.replaceAll(" ", ""), "hex")
const decoded = (hex: string): string | undefined => readHuffman(octets(hex), 0, octets(hex).length)

describe("the Huffman code", () => {
  it("is that of RFC 7541 Appendix C", () => {
    assert.strictEqual(decoded("f1e3 c2e5 f23a 6ba0 ab90 f4ff"), "www.example.com")
    assert.strictEqual(decoded("a8eb 1064 9cbf"), "no-cache")
    assert.strictEqual(decoded("25a8 49e9 5ba9 7d7f"), "custom-key")
    assert.strictEqual(
      decoded("d07a be94 1054 d444 a820 0595 040b 8166 e082 a62d 1bff"),
      "Mon, 21 Oct 2013 20:13:21 GMT"
    )
    assert.strictEqual(
      decoded(
        "94e7 821d d7f2 e6c7 b335 dfdf cd5b 3960 d5af 2708 7f36 72c1 ab27 0fb5 291f 9587 3160 65c0 03ed 4ee5 b106 3d50 07"
      ),
      "foo=ASDJKHQKBZXOQWEOPIUAXQWEOIU; max-age=3600; version=1"
    )
  })

  it("has no text in padding of more than seven bits, in zeros, or with the code of the end", () => {
    assert.strictEqual(decoded(""), "")
    for (const wrong of ["ff", "1f ff", "18", "3fff ffff", "ffff ffff"]) assert.isUndefined(decoded(wrong), wrong)
  })
})

describe("the headers of requests", () => {
  it("are read with the table that they build, as in RFC 7541 C.3 and C.4", () => {
    for (const blocks of [
      [
        "8286 8441 0f77 7777 2e65 7861 6d70 6c65 2e63 6f6d",
        "8286 84be 5808 6e6f 2d63 6163 6865",
        "8287 85bf 400a 6375 7374 6f6d 2d6b 6579 0c63 7573 746f 6d2d 7661 6c75 65"
      ],
      [
        "8286 8441 8cf1 e3c2 e5f2 3a6b a0ab 90f4 ff",
        "8286 84be 5886 a8eb 1064 9cbf",
        "8287 85bf 4088 25a8 49e9 5ba9 7d7f 8925 a849 e95b b8e8 b4bf"
      ]
    ]) {
      const reader = new HeaderReader()
      const [first, second, third] = blocks.map((block) => reader.read(octets(block)))
      const common: ReadonlyArray<Header> = [
        [":method", "GET"],
        [":scheme", "http"],
        [":path", "/"],
        [":authority", "www.example.com"]
      ]
      assert.deepStrictEqual(first, common)
      assert.deepStrictEqual(second, [...common, ["cache-control", "no-cache"]])
      assert.deepStrictEqual(third, [
        [":method", "GET"],
        [":scheme", "https"],
        [":path", "/index.html"],
        [":authority", "www.example.com"],
        ["custom-key", "custom-value"]
      ])
    }
  })

  it("forget what was sent first when there is no room: four kilobytes, each with 32 octets beside its texts", () => {
    const reader = new HeaderReader()
    const header = (i: number): Buffer => {
      const value = Buffer.alloc(100, 0x61 + (i % 26))
      return Buffer.concat([octets("40 03"), Buffer.from(`k${String(i).padStart(2, "0")}`), Buffer.of(100), value])
    }
    for (let i = 0; i < 40; i++) reader.read(header(i))
    // 4096 / (3 + 100 + 32) = 30 of them are left: the oldest is the tenth.
    const oldest = reader.read(Buffer.of(0x80 | (61 + 30)))
    assert.strictEqual(oldest?.[0]?.[0], "k10")
    assert.throws(() => reader.read(Buffer.of(0x80 | (61 + 31))), HeaderFault)
  })

  it("are more than is read where they repeat a long one: few octets, many headers", () => {
    const reader = new HeaderReader()
    reader.read(
      Buffer.concat([
        octets("40 01 78"),
        Buffer.of(0x7f, ((4_000 - 127 - 0) & 0x7f) | 0x80, (4_000 - 127) >> 7),
        Buffer.alloc(4_000, 0x79)
      ])
    )
    assert.isUndefined(reader.read(Buffer.alloc(10_000, 0xbe)))
    assert.lengthOf(reader.read(Buffer.of(0xbe))!, 1)
    assert.isAtLeast(MAX_HEADER_LIST, 4_033)
  })

  it("are none where a text, a number or an index does not end, or is not there", () => {
    for (const wrong of [
      "80",
      "c0",
      "ff ff ff ff ff ff",
      "40 05 61",
      "40 85 ff ff ff ff ff",
      "82 3f e1 1f",
      "3f e2 1f",
      "00",
      "41"
    ]) {
      assert.throws(() => new HeaderReader().read(octets(wrong)), HeaderFault, undefined, wrong)
    }
  })
})
