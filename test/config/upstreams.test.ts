import { assert, describe, it } from "@effect/vitest"
import { Result } from "effect"
import { readUpstreamAddress } from "../../src/config/codec/upstream.ts"
import { formatUpstream, isNamed, type UpstreamAddress } from "../../src/config/codec/upstream-address.ts"
import { stampOf } from "../support/wire/stamps.ts"

const PIN = "xOD2TEjbxeC4ILPR5IiJS2jKv1fCp6TOW5CDoNYHcrM="
const OTHER_PIN = Buffer.alloc(32, 7).toString("base64")

const read = (text: string): UpstreamAddress => Result.getOrThrow(readUpstreamAddress(text))
const expectedOf = (text: string): string | undefined => Result.getOrUndefined(Result.flip(readUpstreamAddress(text)))

describe("an upstream's address", () => {
  it("is UDP where nothing is said, and TCP where it is", () => {
    assert.deepStrictEqual(read("192.0.2.1"), { protocol: "udp", endpoint: { address: "192.0.2.1", port: 53 } })
    assert.deepStrictEqual(read("tcp://[2001:db8::1]:5353"), {
      protocol: "tcp",
      endpoint: { address: "2001:db8::1", port: 5353 }
    })
  })

  it("by TLS is known by what it is addressed by, on port 853 (RFC 7858 §3.1)", () => {
    for (const [text, address] of [
      ["tls://192.0.2.1", "192.0.2.1"],
      ["tls://dns.example", "dns.example"],
      ["TLS://DNS.Example./", "dns.example"],
      ["tls://[2001:db8::1]", "2001:db8::1"]
    ] as const) {
      assert.deepStrictEqual(read(text), {
        protocol: "tls",
        endpoint: { address, port: 853 },
        identity: { name: address, pins: [], chainDigests: [] }
      })
    }
  })

  it("by TLS is known by the name, the pins, or both, that stand behind #", () => {
    const identityOf = (text: string) => {
      const address = read(text)
      return address.protocol === "tls" ? address.identity : undefined
    }
    assert.deepStrictEqual(identityOf("tls://1.1.1.1#cloudflare-dns.com"), {
      name: "cloudflare-dns.com",
      pins: [],
      chainDigests: []
    })
    assert.deepStrictEqual(identityOf(`tls://192.0.2.1#pin-sha256=${PIN}`), {
      name: undefined,
      pins: [PIN],
      chainDigests: []
    })
    assert.deepStrictEqual(identityOf(`tls://192.0.2.1#dns.example&pin-sha256=${PIN}&pin-sha256=${OTHER_PIN}`), {
      name: "dns.example",
      pins: [PIN, OTHER_PIN],
      chainDigests: []
    })
  })

  it("by HTTPS is a URL, asked by POST, or by GET where it is a template (RFC 8484 §4.1.1)", () => {
    assert.deepStrictEqual(read("https://dns.example/dns-query"), {
      protocol: "https",
      endpoint: { address: "dns.example", port: 443 },
      identity: { name: "dns.example", pins: [], chainDigests: [] },
      authority: "dns.example",
      path: "/dns-query",
      method: "POST"
    })
    const template = read("https://192.0.2.1:8443/a/b{?dns}#dns.example")
    assert.deepInclude(template, { authority: "192.0.2.1:8443", path: "/a/b", method: "GET" })
    assert.deepInclude(template, { endpoint: { address: "192.0.2.1", port: 8443 } })
  })

  it("says whether its name has to be looked up, and what it is called", () => {
    assert.isTrue(isNamed(read("https://dns.example/dns-query")))
    assert.isFalse(isNamed(read("https://192.0.2.1/dns-query")))
    assert.isFalse(isNamed(read("tls://[fe80::1%eth0]")))
    assert.strictEqual(formatUpstream(read("tls://1.1.1.1#one.example")), "tls://1.1.1.1:853#one.example")
    assert.strictEqual(formatUpstream(read("tls://dns.example")), "tls://dns.example:853")
    assert.strictEqual(formatUpstream(read("https://dns.example/q")), "https://dns.example:443/q")
  })

  it("is called by all that it is: what differs in anything has another name", () => {
    const pin = Buffer.alloc(32, 1).toString("base64")
    const other = Buffer.alloc(32, 2).toString("base64")
    const texts = [
      "192.0.2.1",
      "tcp://192.0.2.1",
      "udp://192.0.2.1:5353",
      "tls://192.0.2.1",
      "tls://192.0.2.1#dns.example",
      `tls://192.0.2.1#pin-sha256=${pin}`,
      `tls://192.0.2.1#pin-sha256=${other}`,
      `tls://192.0.2.1#pin-sha256=${pin}&pin-sha256=${other}`,
      `tls://192.0.2.1#192.0.2.1&pin-sha256=${pin}`,
      `tls://192.0.2.1#dns.example&pin-sha256=${pin}`,
      "https://192.0.2.1/q",
      "https://192.0.2.1/q{?dns}",
      "https://192.0.2.1/other",
      "https://192.0.2.1:8443/q",
      "https://192.0.2.1/q#dns.example",
      "https://192.0.2.1/q#other.example",
      `https://192.0.2.1/q#pin-sha256=${pin}`,
      stampOf(0x03, ["192.0.2.1", [], "dns.example"]),
      stampOf(0x03, ["192.0.2.1", [Buffer.alloc(32, 1)], "dns.example"]),
      stampOf(0x03, ["192.0.2.1", [Buffer.alloc(32, 2)], "dns.example"]),
      stampOf(0x02, ["192.0.2.1", [], "dns.example", "/q"]),
      stampOf(0x02, ["192.0.2.1", [], "dns.example:8443", "/q"])
    ]
    const names = texts.map((text) => formatUpstream(read(text)))
    // The same server over TLS, once in words and once by a stamp.
    assert.strictEqual(names[17], names[4])
    assert.strictEqual(new Set(names).size, texts.length - 1)
    assert.strictEqual(
      formatUpstream(read(`tls://192.0.2.1#pin-sha256=${other}&pin-sha256=${pin}`)),
      formatUpstream(read(`tls://192.0.2.1#pin-sha256=${pin}&pin-sha256=${other}`))
    )
    assert.strictEqual(names[11], "https://192.0.2.1:443/q{?dns}")
  })

  it("may be known by a name over UDP and TCP", () => {
    assert.deepStrictEqual(read("udp://dns.example"), {
      protocol: "udp",
      endpoint: { address: "dns.example", port: 53 }
    })
    assert.strictEqual(formatUpstream(read("tcp://DNS.example.:5353")), "tcp://dns.example:5353")
  })

  it("that is wrong says what was expected", () => {
    for (const [text, expected] of [
      ["quic://192.0.2.1", "tls://"],
      ["dns.example", "IP address"],
      ["udp://1.2.3", "IP address or a name"],
      ["tcp://dns example", "IP address or a name"],
      ["tls://", "IP address or a name"],
      ["tls://1.2.3", "IP address or a name"],
      ["tls://dns example", "IP address or a name"],
      ["tls://192.0.2.1:0", "port from 1"],
      ["tls://0.0.0.0", "address of a server"],
      ["tls://192.0.2.1#", "name in the server's certificate"],
      ["tls://192.0.2.1#pin-sha256=abc", "SHA-256 of its key"],
      ["tls://192.0.2.1#a.example&b.example", "name in the server's certificate"],
      ["https://", "such as https://"],
      ["https://dns.example/{dns}", "such as https://"],
      ["https://user:word@dns.example/dns-query", "such as https://"]
    ] as const) {
      assert.include(expectedOf(text) ?? "nothing was wrong", expected, text)
    }
  })
})

describe("a DNS stamp", () => {
  const digest = Buffer.alloc(32, 9)

  it("of plain DNS is a plain upstream", () => {
    assert.deepStrictEqual(read(stampOf(0x00, ["8.8.8.8"])), {
      protocol: "udp",
      endpoint: { address: "8.8.8.8", port: 53 }
    })
    // As it is published for a public resolver.
    assert.deepStrictEqual(read("sdns://AAcAAAAAAAAABzguOC44Ljg"), {
      protocol: "udp",
      endpoint: { address: "8.8.8.8", port: 53 }
    })
  })

  it("of DNS over TLS has address, digests of its chain and name", () => {
    assert.deepStrictEqual(read(stampOf(0x03, ["192.0.2.1:8853", [digest], "dns.example"])), {
      protocol: "tls",
      endpoint: { address: "192.0.2.1", port: 8853 },
      identity: { name: "dns.example", pins: [], chainDigests: [digest.toString("base64")] }
    })
  })

  it("of DNS over HTTPS has a path besides; without an address its name is looked up", () => {
    assert.deepStrictEqual(read(stampOf(0x02, ["", [], "dns.example", "/dns-query"])), {
      protocol: "https",
      endpoint: { address: "dns.example", port: 443 },
      identity: { name: "dns.example", pins: [], chainDigests: [] },
      authority: "dns.example",
      path: "/dns-query",
      method: "POST"
    })
    const elsewhere = read(stampOf(0x02, [":8443", [], "dns.example", "/q", [Buffer.from("9.9.9.9")]]))
    assert.deepInclude(elsewhere, { endpoint: { address: "dns.example", port: 8443 } })
    const byAddress = read(stampOf(0x02, ["[2001:db8::1]", [digest, digest], "dns.example:8443", "/q"]))
    assert.deepInclude(byAddress, {
      endpoint: { address: "2001:db8::1", port: 8443 },
      authority: "dns.example:8443"
    })
  })

  it("of what is not spoken says what it is", () => {
    for (const [protocol, name] of [
      [0x01, "DNSCrypt"],
      [0x04, "DNS over QUIC"],
      [0x05, "Oblivious DoH"],
      [0x81, "DNSCrypt relay"],
      [0x85, "Oblivious DoH relay"],
      [0x7f, "0x7f"]
    ] as const) {
      assert.include(expectedOf(stampOf(protocol, ["192.0.2.1"])), name)
    }
  })

  it("that is wrong says so, wherever it is cut", () => {
    assert.include(expectedOf("sdns://"), "base64url")
    assert.include(expectedOf("sdns://not base64"), "base64url")
    const whole = Buffer.from(
      stampOf(0x02, ["192.0.2.1", [digest], "dns.example", "/dns-query"]).slice("sdns://".length),
      "base64url"
    )
    for (let length = 1; length < whole.length; length++) {
      assert.isDefined(expectedOf(`sdns://${whole.subarray(0, length).toString("base64url")}`), `${length} octets`)
    }
    assert.include(expectedOf(`sdns://${Buffer.concat([whole, Buffer.from([9])]).toString("base64url")}`), "whole")
    assert.include(expectedOf(stampOf(0x03, ["192.0.2.1", [Buffer.alloc(5)], "dns.example"])), "SHA-256")
    assert.include(expectedOf(stampOf(0x03, ["nobody", [], "dns.example"])), "IP address")
    assert.include(expectedOf(stampOf(0x02, ["192.0.2.1", [], "dns.example", "dns-query"])), "path")
  })
})
