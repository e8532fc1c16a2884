import { assert, describe, it } from "@effect/vitest"
import { Result } from "effect"
import { readNetwork } from "../../src/config/codec/network.ts"
import { TextPeer } from "../../src/io/peer.ts"
import { makeAcl } from "../../src/policy/acl.ts"

const allowing = (...networks: ReadonlyArray<string>) => {
  const mayAsk = makeAcl(networks.map((network) => Result.getOrThrow(readNetwork(network))))
  return (address: string): boolean => mayAsk(new TextPeer({ address, port: 53 }))
}

describe("makeAcl", () => {
  it("allows what lies inside a network and nothing beside it", () => {
    const mayAsk = allowing("192.0.2.0/24", "2001:db8::/32", "198.51.100.7")
    const verdicts = [
      "192.0.2.0",
      "192.0.2.255",
      "192.0.3.0",
      "2001:db8::1",
      "2001:db9::1",
      "198.51.100.7",
      "198.51.100.8"
    ]
    assert.deepStrictEqual(verdicts.map(mayAsk), [true, true, false, true, false, true, false])
  })

  it("takes IPv4 mapped into IPv6 for IPv4", () => {
    const mayAsk = allowing("192.0.2.0/24")
    assert.isTrue(mayAsk("::ffff:192.0.2.1"))
    assert.isFalse(mayAsk("::ffff:192.0.3.1"))
  })

  it("does not mind a link-local address's zone", () => {
    assert.isTrue(allowing("fe80::/10")("fe80::1%eth0"))
    assert.isFalse(allowing("192.0.2.0/24")("fe80::1%eth0"))
  })

  it("allows everybody in 0.0.0.0/0 and ::/0, each of its own kind", () => {
    assert.isTrue(allowing("0.0.0.0/0")("192.0.2.1"))
    assert.isFalse(allowing("0.0.0.0/0")("2001:db8::1"))
    assert.isTrue(allowing("::/0")("2001:db8::1"))
    assert.isFalse(allowing("::/0")("192.0.2.1"))
  })

  it("takes a network of IPv4 mapped into IPv6 for one of IPv4", () => {
    assert.isTrue(allowing("::ffff:192.0.2.0/120")("192.0.2.77"))
    assert.isFalse(allowing("::ffff:192.0.2.0/120")("192.0.3.77"))
  })

  it("says the same of very many, one after the other", () => {
    const mayAsk = allowing("10.0.0.0/9")
    for (let i = 0; i < 5_000; i++) assert.isTrue(mayAsk(`10.0.${i >> 8}.${i & 255}`))
    assert.isTrue(mayAsk("10.0.0.0"))
    assert.isFalse(mayAsk("10.128.0.0"))
  })
})
