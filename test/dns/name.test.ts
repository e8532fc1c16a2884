import { assert, describe, it } from "@effect/vitest"
import { formatName, isAtOrBelow, lowerCased, parseName, readName, sameName, skipName } from "../../src/dns/name.ts"
import { octets, pointer, seeded, wireName, withPointer } from "../support/wire/messages.ts"

const expand = (wire: Uint8Array, offset: number): string | undefined => {
  const out = new Uint8Array(255)
  return readName(wire, offset, wire.length, out, 0) < 0 ? undefined : formatName(out)
}
const label = (length: number): Uint8Array => octets(length, new Uint8Array(length).fill(97))

const HEADER = new Uint8Array(12)

describe("skipName", () => {
  it("returns the offset past a name, past the root, past a pointer", () => {
    assert.strictEqual(skipName(wireName("www.example.com"), 0, 17), 17)
    assert.strictEqual(skipName(octets(0), 0, 1), 1)
    assert.strictEqual(skipName(octets(HEADER, 0, pointer(12)), 13, 15), 15)
  })

  it("rejects a name that runs past the end", () => {
    const wire = wireName("www.example.com")
    for (let end = 0; end < wire.length; end++) assert.strictEqual(skipName(wire, 0, end), -1)
    assert.strictEqual(skipName(octets(0, 0xc0), 1, 2), -1)
  })

  it("rejects labels longer than 63 octets and names longer than 255 (RFC 1035 §2.3.4)", () => {
    assert.strictEqual(skipName(octets(64, new Uint8Array(70)), 0, 71), -1)
    const longest = octets(label(63), label(63), label(63), label(61), 0)
    const tooLong = octets(label(63), label(63), label(63), label(62), 0)
    assert.strictEqual(skipName(longest, 0, 255), 255)
    assert.strictEqual(skipName(tooLong, 0, 256), -1)
  })

  it("rejects pointers that do not point backwards, or into the header (RFC 9267 §2)", () => {
    assert.strictEqual(skipName(octets(HEADER, 0, pointer(13)), 13, 15), -1)
    assert.strictEqual(skipName(octets(HEADER, 0, pointer(15), 0), 13, 16), -1)
    for (let at = 0; at < 12; at++) assert.strictEqual(skipName(octets(HEADER, 0, pointer(at)), 13, 15), -1)
  })
})

describe("readName", () => {
  it("follows pointers backwards", () => {
    const wire = octets(HEADER, wireName("example.com"), withPointer("www", 12), pointer(25))
    assert.strictEqual(expand(wire, 25), "www.example.com")
    assert.strictEqual(expand(wire, 31), "www.example.com")
  })

  it("rejects pointers that loop, to themselves or to each other", () => {
    assert.isUndefined(expand(octets(HEADER, pointer(12)), 12))
    assert.isUndefined(expand(octets(HEADER, pointer(14), pointer(12)), 14))
    assert.isUndefined(expand(octets(HEADER, 1, 97, pointer(12)), 12))
  })

  it("rejects pointers forwards and outside the message", () => {
    assert.isUndefined(expand(octets(pointer(2), 0), 0))
    assert.isUndefined(expand(octets(0, pointer(200)), 1))
  })

  it("rejects a name that pointers make longer than 255 octets", () => {
    const tail = octets(HEADER, label(63), label(63), label(63), 0)
    assert.isDefined(expand(octets(tail, label(61), pointer(12)), tail.length))
    assert.isUndefined(expand(octets(tail, label(62), pointer(12)), tail.length))
  })
})

describe("names for people", () => {
  it("writes and reads plain names and the root", () => {
    for (const text of ["www.example.com", "_dmarc.example.com", "xn--bcher-kva.example", "."]) {
      assert.strictEqual(formatName(wireName(text)), text)
    }
    assert.deepStrictEqual(parseName("www.example.com."), parseName("www.example.com"))
  })

  it("escapes dots, backslashes and octets that are no ASCII (RFC 1035 §5.1)", () => {
    const name = octets(5, 0x61, 0x2e, 0x5c, 0x0a, 0xff, 0)
    assert.strictEqual(formatName(name), "a\\.\\\\\\010\\255")
    assert.deepStrictEqual(parseName(formatName(name)), name)
  })

  it("reads back every name it writes", () => {
    const random = seeded(1)
    for (let round = 0; round < 2_000; round++) {
      const labels = Array.from({ length: 1 + random(4) }, () => {
        const length = 1 + random(60)
        return octets(
          length,
          Uint8Array.from({ length }, () => random(256))
        )
      })
      const name = octets(...labels, 0)
      assert.deepStrictEqual(parseName(formatName(name)), name)
    }
  })

  it("rejects empty labels, long labels and long names (RFC 1035 §2.3.4)", () => {
    for (const text of ["a..b", ".a", "a".repeat(64), `${`${"a".repeat(62)}.`.repeat(4)}aaa`, "a\\"]) {
      assert.isUndefined(parseName(text), text)
    }
  })
})

describe("isAtOrBelow", () => {
  const zone = wireName("corp.test")

  it("is so of the zone's own name and of all below it, letters in either case", () => {
    for (const text of ["corp.test", "a.corp.test", "b.a.CORP.Test"]) assert.isTrue(isAtOrBelow(wireName(text), zone))
    for (const text of ["test", "a.corp.test", "corp.test"]) assert.isTrue(isAtOrBelow(wireName(text), octets(0)))
  })

  it("is not so of names above and beside it, nor of a label that only looks like it", () => {
    for (const text of ["test", "xcorp.test", "corp.test.example"]) assert.isFalse(isAtOrBelow(wireName(text), zone))
    assert.isFalse(isAtOrBelow(octets(0), zone))
    const dotted = octets(6, Buffer.from("a.corp"), 4, Buffer.from("test"), 0)
    assert.strictEqual(formatName(dotted), "a\\.corp.test")
    assert.isFalse(isAtOrBelow(dotted, zone))
  })
})

describe("sameName", () => {
  it("compares letters in either case, and letters only (RFC 4343)", () => {
    const a = wireName("WWW.eXample.com")
    const b = wireName("www.EXAMPLE.com")
    assert.isTrue(sameName(a, 0, b, 0, a.length))
    assert.deepStrictEqual(lowerCased(a, 0, a.length), wireName("www.example.com"))
    assert.isFalse(sameName(octets(1, 0x5b, 0), 0, octets(1, 0x7b, 0), 0, 3))
    assert.isFalse(sameName(octets(1, 0xc0, 0), 0, octets(1, 0xe0, 0), 0, 3))
  })
})
