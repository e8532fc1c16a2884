import { assert, describe, it } from "@effect/vitest"
import { Result } from "effect"
import { readUpstreamAddress } from "../../src/config/read-upstream.ts"
import { Upstream } from "../../src/upstream/upstream.ts"

const isTrusted = (text: string): boolean => new Upstream(Result.getOrThrow(readUpstreamAddress(text)), false).isTrusted

describe("the AD bit", () => {
  it("is believed of upstreams on loopback, and of those that proved who they are", () => {
    for (const text of ["127.0.0.1", "tls://192.0.2.1", "tls://dns.example", "https://dns.example/dns-query"]) {
      assert.isTrue(isTrusted(text), text)
    }
    for (const text of ["192.0.2.1", "tcp://192.0.2.1"]) assert.isFalse(isTrusted(text), text)
  })
})
