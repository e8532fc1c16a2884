import { assert, describe, it } from "@effect/vitest"
import { Result } from "effect"
import { readUpstreamAddress } from "../../src/config/codec/upstream.ts"
import { Upstream } from "../../src/upstream/upstream.ts"

const upstream = (text: string): Upstream => new Upstream(Result.getOrThrow(readUpstreamAddress(text)), () => false)
const isTrusted = (text: string): boolean => upstream(text).isTrusted

describe("the AD bit", () => {
  it("is believed of upstreams on loopback, and of those that proved who they are", () => {
    for (const text of ["127.0.0.1", "tls://192.0.2.1", "tls://dns.example", "https://dns.example/dns-query"]) {
      assert.isTrue(isTrusted(text), text)
    }
    for (const text of ["192.0.2.1", "tcp://192.0.2.1", "udp://127.example.net", "tcp://localhost"]) {
      assert.isFalse(isTrusted(text), text)
    }
  })
})

describe("the mark against loops", () => {
  it("goes to addresses near by, and to no host for how its name begins", () => {
    for (const text of ["127.0.0.1", "10.1.2.3", "[fd00::53]:53", "tls://192.168.1.1#dns.example"]) {
      assert.isTrue(upstream(text).isNear, text)
    }
    for (const text of ["udp://fdns1.example.net", "tls://fe80.example", "https://127.example/q", "192.0.2.1"]) {
      assert.isFalse(upstream(text).isNear, text)
    }
  })
})
