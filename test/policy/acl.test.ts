import { assert, describe, it } from "@effect/vitest"
import { Arbitrary, Effect, Result } from "effect"
import type { IpNetwork } from "effect/net"
import { readNetwork } from "../../src/config/codec/network.ts"
import { TextPeer } from "../../src/io/peer.ts"
import { makeAcl } from "../../src/policy/acl.ts"
import { constantOf, upTo } from "../support/wire/arbitraries.ts"

const allowing = (...networks: ReadonlyArray<string>) => {
  const mayAsk = makeAcl(networks.map((network) => Result.getOrThrow(readNetwork(network))))
  return (address: string): boolean => mayAsk(new TextPeer({ address, port: 53 }))
}

interface Numbered {
  readonly isIPv4: boolean
  readonly words: ReadonlyArray<number>
}

/** Few different words, so that networks lie in one another. */
const anyWord = constantOf(0, 1, 0x0a000000, 0x0a000001, 0x7fffffff, 0x80000000, 0xc0000200, 0xfffffffe, 0xffffffff)

const numbered = (isIPv4: boolean, words: ReadonlyArray<number>): Numbered => ({
  isIPv4,
  words: isIPv4 ? [0, 0, 0xffff, words[3]!] : [words[0]! | 0x20000000, ...words.slice(1)].map((word) => word >>> 0)
})

const anyAddress: Arbitrary.Arbitrary<Numbered> = Arbitrary.all([upTo(1), anyWord, anyWord, anyWord, anyWord]).pipe(
  Arbitrary.map(([family, ...words]) => numbered(family === 1, words))
)

/** Its prefix counts from the first of 128 bits. */
const anyNetwork = Arbitrary.all([anyAddress, upTo(128)]).pipe(
  Arbitrary.map(([address, length]) => ({ ...address, prefixLength: address.isIPv4 ? 96 + (length >>> 2) : length }))
)

type Network = Numbered & { readonly prefixLength: number }

const maskAt = (prefixLength: number, word: number): number => {
  const bits = Math.max(0, Math.min(32, prefixLength - word * 32))
  return bits === 0 ? 0 : (0xffffffff << (32 - bits)) >>> 0
}

const holds = (network: Network, address: Numbered): boolean =>
  network.isIPv4 === address.isIPv4 &&
  network.words.every((word, i) => ((word ^ address.words[i]!) & maskAt(network.prefixLength, i)) === 0)

const networkOf = ({ isIPv4, words, prefixLength }: Network): IpNetwork.IpNetwork => {
  const masked = words.map((word, i) => (word & maskAt(prefixLength, i)) >>> 0)
  const quad = [24, 16, 8, 0].map((shift) => (masked[3]! >>> shift) & 0xff).join(".")
  const groups = masked.flatMap((word) => [word >>> 16, word & 0xffff].map((group) => group.toString(16)))
  return Result.getOrThrow(readNetwork(isIPv4 ? `${quad}/${prefixLength - 96}` : `${groups.join(":")}/${prefixLength}`))
}

class NumberedPeer extends TextPeer {
  private readonly numbered: Numbered

  constructor(numbered: Numbered) {
    super({ address: "", port: 0 })
    this.numbered = numbered
  }

  override readWords(words: Uint32Array): boolean {
    words.set(this.numbered.words)
    return this.numbered.isIPv4
  }
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

  it("knows the first and the last of a network that others lie in, touch, or begin with", () => {
    const mayAsk = allowing("10.0.0.0/8", "10.0.0.0/16", "10.255.255.255", "11.0.0.0/32", "255.255.255.255")
    const addresses = ["9.255.255.255", "10.0.0.0", "10.255.255.255", "11.0.0.0", "11.0.0.1", "255.255.255.255"]
    assert.deepStrictEqual(addresses.map(mayAsk), [false, true, true, true, false, true])
  })

  it("allows nobody where there is no network", () => {
    assert.deepStrictEqual(["0.0.0.0", "::", "192.0.2.1"].map(allowing()), [false, false, false])
  })

  it.effect.prop(
    "says what a look at one network after the other says",
    [Arbitrary.array(anyNetwork, { maxLength: 60 }), Arbitrary.array(anyAddress, { maxLength: 40 })],
    ([networks, addresses]) =>
      Effect.sync(() => {
        const mayAsk = makeAcl(networks.map(networkOf))
        // Those at the borders of the networks are asked of too.
        const atBorders = networks.flatMap(({ isIPv4, words, prefixLength }) => [
          { isIPv4, words: words.map((word, i) => (word & maskAt(prefixLength, i)) >>> 0) },
          { isIPv4, words: words.map((word, i) => (word | ~maskAt(prefixLength, i)) >>> 0) }
        ])
        for (const address of [...addresses, ...atBorders]) {
          const isHeld = networks.some((network) => holds(network, address))
          assert.strictEqual(mayAsk(new NumberedPeer(address)), isHeld)
        }
      }),
    { arbitrary: { runs: 500 } }
  )

  it("says the same of very many, one after the other", () => {
    const mayAsk = allowing("10.0.0.0/9")
    for (let i = 0; i < 5_000; i++) assert.isTrue(mayAsk(`10.0.${i >> 8}.${i & 255}`))
    assert.isTrue(mayAsk("10.0.0.0"))
    assert.isFalse(mayAsk("10.128.0.0"))
  })
})
