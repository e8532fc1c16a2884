/**
 * RFC 6303: Locally served DNS zones. The reverse zones of networks that mean nothing to the servers of the world are
 * answered here, as zones that are empty but for their own names (§3).
 */
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { readReply } from "../support/wire/reply-reader.ts"
import { asking, askRead, oneAddress } from "./responses.ts"
import { clientOf, EVERYWHERE, serve, ways } from "./ways.ts"

const [NS, SOA, PTR, DS] = [2, 6, 12, 43]
const TTL = 10_800

const ipv6 = (digits: string): string => `${[...digits].reverse().join(".")}.ip6.arpa`
const inAddr = (network: string): string => `${network.split(".").reverse().join(".")}.in-addr.arpa`

/** By section, without those of the loopback interface, which have a name. */
const zones: Readonly<Record<string, ReadonlyArray<string>>> = {
  "§4.1": [inAddr("10"), ...Array.from({ length: 16 }, (_, i) => inAddr(`172.${16 + i}`)), inAddr("192.168")],
  "§4.2": ["0", "169.254", "192.0.2", "198.51.100", "203.0.113", "255.255.255.255"].map(inAddr),
  "§4.3": [ipv6("0".repeat(32))],
  "§4.4": [ipv6("fd")],
  "§4.5": ["fe8", "fe9", "fea", "feb"].map(ipv6),
  "§4.6": [ipv6("20010db8")]
}
const all = Object.values(zones).flat()

describe("RFC 6303: locally served DNS zones", () => {
  for (const [section, names] of Object.entries(zones)) {
    it.live(`${section}: ${names[0]} and its like are answered here: nothing is below them, and nobody is asked`, () =>
      Effect.gen(function* () {
        const { server, upstream } = yield* serve(oneAddress)
        for (const zone of names) {
          const below = yield* askRead(server, asking(`1.${zone}`, PTR))
          assert.deepStrictEqual([below.rcode, below.answers.length], [3, 0], zone)
          assert.deepStrictEqual(
            below.authorities.map(({ owner, ttl, type }) => [owner, type, ttl]),
            [[`${zone}.`, SOA, TTL]]
          )
          const itself = yield* askRead(server, asking(zone, PTR))
          assert.deepStrictEqual([itself.rcode, itself.answers.length, itself.authorities.length], [0, 0, 1], zone)
        }
        assert.strictEqual(upstream.queries(), 0)
      })
    )
  }

  for (const way of ways) {
    it.live(`§3: each has the SOA and the NS that the RFC writes down, by ${way}`, () =>
      Effect.gen(function* () {
        const { server, upstream } = yield* serve(oneAddress, EVERYWHERE)
        const client = yield* clientOf(way, server)
        for (const zone of all) {
          const soa = readReply(yield* client.ask(asking(zone, SOA)))
          const numbers = [1, 3_600, 1_200, 604_800, TTL].map((number) => number.toString(16).padStart(8, "0")).join("")
          assert.deepStrictEqual(
            soa.answers.map(({ data, owner, ttl }) => [owner, ttl, data]),
            [[`${zone}.`, TTL, `${zone}. nobody.invalid. ${numbers}`]]
          )
          const ns = readReply(yield* client.ask(asking(zone, NS)))
          assert.deepStrictEqual(
            ns.answers.map(({ data, ttl }) => [ttl, data]),
            [[TTL, `${zone}.`]]
          )
        }
        assert.strictEqual(upstream.queries(), 0)
      })
    )
  }

  it.live("§4.2, §4.3: 127.0.0.1 and ::1 are localhost, and nothing else is there", () =>
    Effect.gen(function* () {
      const { server, upstream } = yield* serve(oneAddress)
      for (const name of [inAddr("127.0.0.1"), ipv6(`${"0".repeat(31)}1`)]) {
        const { answers } = yield* askRead(server, asking(name, PTR))
        assert.deepStrictEqual(
          answers.map(({ data }) => data),
          ["localhost."]
        )
      }
      assert.strictEqual((yield* askRead(server, asking(inAddr("127.0.0.2"), PTR))).rcode, 3)
      assert.strictEqual(upstream.queries(), 0)
    })
  )

  it.live("§4: zones beside them are asked for", () =>
    Effect.gen(function* () {
      const { server, upstream } = yield* serve(oneAddress)
      const beside = [
        ...["11", "172.15", "172.32", "192.167", "192.169", "192.0.3", "198.51.101", "255.255.255.254"].map((network) =>
          inAddr(`${network}.9`)
        ),
        ...["fc", "fe7", "fec", "20010db9"].map(ipv6)
      ]
      for (const name of beside) assert.strictEqual((yield* askRead(server, asking(name, 1))).answers.length, 1, name)
      assert.strictEqual(upstream.queries(), beside.length)
    })
  )

  it.live("§3, RFC 4035 §3.1.4.1: their DS is their parents', and is asked for", () =>
    Effect.gen(function* () {
      const { server, upstream } = yield* serve(oneAddress)
      for (const zone of all) yield* askRead(server, asking(zone, DS))
      assert.strictEqual(upstream.queries(), all.length)
    })
  )

  it.live("§2: who serves one of them is asked for its names, by a rule", () =>
    Effect.gen(function* () {
      const { server, upstream } = yield* serve(() => [])
      assert.strictEqual((yield* askRead(server, asking("1.1.168.192.in-addr.arpa", PTR))).rcode, 3)
      const { server: ruled } = yield* serve(() => [], {
        DNS_SERVER_UPSTREAMS: "192.0.2.1",
        DNS_SERVER_GROUPS: `own=${upstream.address}`,
        DNS_SERVER_RULES: "168.192.in-addr.arpa -> own",
        DNS_SERVER_QUERY_TIMEOUT_SECS: "0.1"
      })
      yield* askRead(ruled, asking("1.1.168.192.in-addr.arpa", PTR))
      assert.strictEqual(upstream.queries(), 1)
      assert.strictEqual((yield* askRead(ruled, asking("1.10.in-addr.arpa", PTR))).rcode, 3)
    })
  )
})
