/** Where the server listens, as people write it. */
import { assert, describe, it } from "@effect/vitest"
import { Result } from "effect"
import { listenAddress } from "../../src/config/codec/listen-address.ts"

describe("an address to listen at", () => {
  it("is read and written, with the port and the path that are usual for what is spoken there", () => {
    for (const [text, written] of [
      ["127.0.0.1", "127.0.0.1:53"],
      ["[::1]:5353", "[::1]:5353"],
      ["udp://192.0.2.1", "udp://192.0.2.1:53"],
      ["TCP://[::1]", "tcp://[::1]:53"],
      ["tls://192.0.2.1", "tls://192.0.2.1:853"],
      ["tls://[2001:db8::1]:8853", "tls://[2001:db8::1]:8853"],
      ["https://192.0.2.1", "https://192.0.2.1:443/dns-query"],
      ["https://192.0.2.1:8443/a/b-c", "https://192.0.2.1:8443/a/b-c"],
      ["https://[::1]/", "https://[::1]:443/"],
      ["http://127.0.0.1/dns-query", "http://127.0.0.1:80/dns-query"]
    ] as const) {
      const read = listenAddress.read(text)
      assert.isTrue(Result.isSuccess(read), text)
      if (Result.isSuccess(read)) {
        assert.strictEqual(listenAddress.write(read.success), written)
        assert.deepStrictEqual(Result.getOrThrow(listenAddress.read(written)), read.success)
      }
    }
  })

  it("is none with another protocol, a name, or a path that is none", () => {
    for (const text of [
      "quic://127.0.0.1",
      "tls://dns.example",
      "https://dns.example/dns-query",
      "tls://127.0.0.1:853/dns-query",
      "https://127.0.0.1/a//b",
      "https://127.0.0.1/dns-query?dns=x",
      "https://127.0.0.1/a b",
      "https:///dns-query"
    ]) {
      assert.isTrue(Result.isFailure(listenAddress.read(text)), text)
    }
  })
})
