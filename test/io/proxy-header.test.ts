/** Headers of proxies: both versions, in pieces, and wrong ones. */
import { assert, describe, it } from "@effect/vitest"
import { INCOMPLETE, readProxyHeader, WRONG } from "../../src/io/proxy-header.ts"
import { headerV2 } from "../support/wire/proxy.ts"

const read = (octets: string | Buffer) => readProxyHeader(Buffer.from(octets as string, "latin1"))

describe("the header of a proxy", () => {
  it("says who is behind it, in text", () => {
    for (const [text, address, port] of [
      ["PROXY TCP4 192.0.2.7 198.51.100.1 4711 53\r\n", "192.0.2.7", 4711],
      ["PROXY TCP6 2001:db8::7 2001:db8::1 4711 853\r\n", "2001:db8::7", 4711]
    ] as const) {
      const found = read(`${text}behind`)
      assert.isObject(found)
      if (typeof found === "object") {
        assert.deepInclude(found.peer, { address, port })
        assert.strictEqual(found.length, text.length)
      }
      for (let length = 0; length < text.length; length++) {
        assert.strictEqual(read(text.slice(0, length)), INCOMPLETE, text.slice(0, length))
      }
    }
    assert.deepStrictEqual(read("PROXY UNKNOWN\r\n"), { length: 15, peer: undefined })
  })

  it("says so in octets, with whatever else it says", () => {
    for (const [address, extra] of [
      ["192.0.2.7", 0],
      ["2001:db8::7", 0],
      ["192.0.2.7", 300]
    ] as const) {
      const header = headerV2(address, 4711, { extra })
      const found = readProxyHeader(Buffer.concat([header, Buffer.from("behind")]))
      assert.isObject(found)
      if (typeof found === "object") {
        assert.strictEqual(found.length, header.length)
        assert.strictEqual(found.peer?.port, 4711)
        const words = new Uint32Array(4)
        assert.strictEqual(found.peer?.readWords(words), address.includes("."))
        assert.strictEqual(words[3], address.includes(".") ? 0xc0000207 : 7)
      }
      for (let length = 0; length < header.length; length++) {
        assert.strictEqual(readProxyHeader(header.subarray(0, length)), INCOMPLETE)
      }
    }
    assert.deepInclude(readProxyHeader(headerV2("192.0.2.7", 1, { command: 0 })) as object, { peer: undefined })
  })

  it("is none where it is wrong in any part", () => {
    for (const text of [
      "GET / HTTP/1.1\r\n",
      "PROXY TCP4 192.0.2.7 198.51.100.1 4711\r\n",
      "PROXY TCP4 2001:db8::7 2001:db8::1 1 2\r\n",
      "PROXY TCP6 192.0.2.7 192.0.2.1 1 2\r\n",
      "PROXY TCP4 192.0.2.7 198.51.100.1 70000 53\r\n",
      "PROXY TCP4 192.0.2.700 198.51.100.1 1 53\r\n",
      "PROXY TCP4 192.0.2.7 198.51.100.1 1 53 54\r\n",
      `PROXY ${"x".repeat(200)}`
    ]) {
      assert.strictEqual(read(text), WRONG, text)
    }
    for (const header of [
      headerV2("192.0.2.7", 1, { version: 1 }),
      headerV2("192.0.2.7", 1, { command: 5 }),
      headerV2("192.0.2.7", 1, { size: 4 }),
      headerV2("192.0.2.7", 1, { size: 60_000 })
    ]) {
      assert.strictEqual(readProxyHeader(header), WRONG)
    }
  })
})
