/** Maps in the file: what each key says, and what is wrong with one, at its line and column. */
import { assert, describe, it } from "@effect/vitest"
import { Effect, Result } from "effect"
import { readUpstreamAddress } from "../../src/config/codec/upstream.ts"
import { nameUpstream } from "../../src/config/codec/upstream-address.ts"
import { readWeightedUpstream } from "../../src/config/codec/weighted-upstream.ts"
import { shown } from "../../src/config/configuration.ts"
import { upstreamNames } from "../../src/config/upstream-names.ts"
import { fileWith } from "../support/machine/files.ts"
import { linesOf, loaded, mistakesIn, UPSTREAM } from "../support/servers/loading.ts"

const PIN = Buffer.alloc(32, 7).toString("base64")

/** The upstreams of a file with these lines below `upstreams:`. */
const upstreamsOf = (...items: ReadonlyArray<string>) =>
  Effect.gen(function* () {
    const text = `upstreams:\n${items.map((item) => `  - ${item}\n`).join("")}`
    const { settings, given } = yield* loaded({}, yield* fileWith(text))
    return { upstreams: settings.upstreams, texts: given.get("upstreams")!.value }
  })

describe("an upstream as a map", () => {
  it.effect("says what its short form does", () =>
    Effect.gen(function* () {
      const pairs = [
        ["{ address: 9.9.9.9 }", "9.9.9.9"],
        ["{ address: 192.0.2.1, port: 5353 }", "192.0.2.1:5353"],
        ["{ address: 2001:db8::1, port: 5353, protocol: tcp }", "tcp://[2001:db8::1]:5353"],
        ["{ address: dns.example, protocol: udp }", "udp://dns.example"],
        ["{ address: 1.1.1.1, protocol: tls, server_name: one.example }", "tls://1.1.1.1#one.example"],
        [`{ address: 1.1.1.2, protocol: tls, pins: [${PIN}] }`, `tls://1.1.1.2#pin-sha256=${PIN}`],
        ["{ address: dns.quad9.net, protocol: https }", "https://dns.quad9.net/dns-query"],
        [
          "{ address: '[2001:db8::2]:8443', protocol: https, path: /q, method: GET }",
          "https://[2001:db8::2]:8443/q{?dns}"
        ],
        ["{ address: a.example, protocol: https, path: '/q{?dns}' }", "https://a.example/q{?dns}"],
        ["{ name: lab, address: 192.0.2.2, weight: 3, place: 52.5/13.4 }", "lab=192.0.2.2*3@52.5/13.4"],
        ["{ address: 192.0.2.3, place: { latitude: -33.9, longitude: 151 } }", "192.0.2.3@-33.9/151"],
        ["{ address: tls://192.0.2.4#dns.example, weight: 2 }", "tls://192.0.2.4#dns.example*2"]
      ] as const
      const ofMaps = yield* upstreamsOf(...pairs.map(([map]) => map))
      assert.deepStrictEqual(
        ofMaps.texts,
        pairs.map(([, text]) => text)
      )
      assert.deepStrictEqual(
        ofMaps.upstreams,
        pairs.map(([, text]) => Result.getOrThrow(readWeightedUpstream(text))) as unknown as typeof ofMaps.upstreams
      )
    })
  )

  it.effect("has mistakes at the keys where they are, the key that is meant, and shows no secret", () =>
    Effect.gen(function* () {
      const lines = yield* linesOf(
        `upstreams:
  - { address: 192.0.2.1, server_nmae: dns.example }
  - { address: 192.0.2.1, protocol: tsl }
  - { address: 192.0.2.1, server_name: dns.example }
  - { address: 192.0.2.1, protocol: tls, path: /q }
  - { address: dns.example, protocol: https, path: d2a9c1 }
  - { address: tls://192.0.2.1, port: 853 }
  - { address: "192.0.2.1:53", port: 53 }
  - { address: 192.0.2.1*3, weight: 3 }
  - { address: 192.0.2.1, name: policy }
  - address: 192.0.2.1
    protocol: tls
    pins:
      - ${PIN}
      - short
  - { address: dns.example }
  - { address: 192.0.2.1, place: { latitude: 91 } }
`,
        {}
      )
      assert.deepStrictEqual(
        lines.map((line) => line.replace(/: did you mean udp:.*/, "")),
        [
          `FILE:2:27: upstreams.server_nmae: expected one of address, name, protocol, port, server_name, pins, chain_digests, path, method, authority, weight, place: did you mean server_name?`,
          "FILE:3:37: upstreams.protocol: tsl: expected one of udp, tcp, tls, https: did you mean tls?",
          "FILE:4:40: upstreams.server_name: dns.example: expected protocol: tls or https beside it",
          "FILE:5:48: upstreams.path: expected protocol: https beside it",
          "FILE:6:52: upstreams.path: expected a path that begins with /, such as /dns-query",
          "FILE:7:39: upstreams.port: 853: expected an address without :// and # beside it, or no such key",
          "FILE:8:16: upstreams.address: 192.0.2.1:53: expected an address without a port, for port is written beside it",
          "FILE:9:37: upstreams.weight: 3: expected it once: the address has one",
          "FILE:10:33: upstreams.name: policy: expected a name of letters, digits, - and _",
          "FILE:15:9: upstreams.pins: short: expected the SHA-256 of a key in base64",
          "FILE:16:16: upstreams.address: dns.example: expected an IP address, with or without a port (IPv6 as [address]:port), or a name behind udp:// or tcp://",
          "FILE:17:34: upstreams.place: expected longitude: degrees east",
          "FILE:17:46: upstreams.place.latitude: 91: expected a number from -90 to 90"
        ]
      )
      assert.notInclude(lines.join(), "d2a9c1")
    })
  )
})

describe("an upstream's name", () => {
  it("is what it is called, in the stead of its address", () => {
    const named = Result.getOrThrow(readWeightedUpstream("quad9=tls://9.9.9.9#dns.quad9.net"))
    assert.strictEqual(nameUpstream(named), "quad9")
    assert.strictEqual(nameUpstream(Result.getOrThrow(readUpstreamAddress("9.9.9.9"))), "udp://9.9.9.9:53")
    assert.strictEqual(shown("upstreams", ["a=https://dns.example/d2a9c1"]), "a=https://dns.example/d2…")
    assert.strictEqual(shown("groups", ["g=a=https://dns.example/d2a9c1"]), "g=a=https://dns.example/d2…")
  })

  it.effect("is one upstream's, and an upstream has one", () =>
    Effect.gen(function* () {
      const mistakes = yield* mistakesIn({
        DNS_SERVER_UPSTREAMS: "a=192.0.2.1,b=192.0.2.2",
        DNS_SERVER_GROUPS: "same=a=192.0.2.1,other=a=192.0.2.3,twice=c=192.0.2.2",
        DNS_SERVER_RULES: "x.example -> same, y.example -> other, z.example -> twice"
      })
      assert.deepStrictEqual(
        mistakes.map(({ value, expected }) => [value, expected]),
        [
          ["a", "each name for one upstream"],
          ["c", "one name an upstream: this one is b already"]
        ]
      )
    })
  )
})

describe("upstreams that differ in what is secret alone", () => {
  it.effect("are to be named: counts under one name are one upstream's", () =>
    Effect.gen(function* () {
      const upstreams = "https://192.0.2.1/abc123,https://192.0.2.1/abd456,home=https://192.0.2.1/abe789"
      const mistakes = yield* mistakesIn({ DNS_SERVER_UPSTREAMS: upstreams })
      assert.lengthOf(mistakes, 1)
      assert.strictEqual(mistakes[0]!.value, "https://192.0.2.1:443/ab…")
      assert.match(mistakes[0]!.expected, /^a name of its own/)
    })
  )

  it.effect("may be mentioned without their names where they have some", () =>
    Effect.gen(function* () {
      const named = "a=https://192.0.2.1/abc123,b=https://192.0.2.1/abd456"
      const { settings } = yield* loaded({
        DNS_SERVER_UPSTREAMS: named,
        DNS_SERVER_GROUPS: "inner=https://192.0.2.1/abc123,outer=https://192.0.2.1/abd456",
        DNS_SERVER_RULES: "x.example -> inner, y.example -> outer"
      })
      assert.deepStrictEqual([...upstreamNames(settings).values()], ["a", "b"])
    })
  )
})

describe("groups and rules as maps", () => {
  it.effect("mean what their texts do", () =>
    Effect.gen(function* () {
      const text = yield* loaded(
        UPSTREAM,
        yield* fileWith(`
groups: [corp=10.1.0.1 10.1.0.2*3 policy=ordered, kids=1.1.1.3]
rules: ["corp.example !public.corp.example client:10.0.0.0/8 -> corp ecs=20/48", "x.example -> kids", "client_name:tablet|tv -> kids"]
`)
      )
      const map = yield* loaded(
        UPSTREAM,
        yield* fileWith(`
groups:
  corp: { upstreams: [10.1.0.1, { address: 10.1.0.2, weight: 3 }], policy: ordered }
  kids: 1.1.1.3
rules:
  - { suffix: Corp.example, except: public.corp.example, client: 10.0.0.0/8, group: corp, ecs: 20/48 }
  - { suffix: x.example, group: kids, ecs: false }
  - { client_name: [Tablet, tv], group: kids }
`)
      )
      assert.deepStrictEqual(map.settings, text.settings)
    })
  )

  it.effect("have mistakes at their keys", () =>
    Effect.gen(function* () {
      const lines = yield* linesOf(`groups:
  a b: 10.1.0.1
  corp: { upstreams: [{ address: 10.1.0.1, wieght: 2 }], policy: fastst }
rules:
  - { suffix: "*.corp.example", group: corp }
  - { client: [10.0.0.0/8, 10.1.0.0/16], group: corp }
  - { country: Germany, group: corp }
  - { suffix: x.example, group: corp, ecs: 40/56 }
  - { group: corp }
  - { client_name: my.tablet, group: corp }
`)
      assert.deepStrictEqual(lines, [
        "FILE:2:3: groups.a b: expected a name of letters, digits, - and _",
        "FILE:3:44: groups.corp.upstreams.wieght: expected one of address, name, protocol, port, server_name, pins, chain_digests, path, method, authority, weight, place: did you mean weight?",
        "FILE:3:66: groups.corp.policy: fastst: expected one of ordered, round-robin, least-busy, fastest, parallel, hash, geo: did you mean fastest?",
        "FILE:5:15: rules.suffix: *.corp.example: expected a name without *, for it means all below it, not *.corp.example",
        "FILE:6:15: rules.client: expected one network: a rule or an answer for each",
        "FILE:7:16: rules.country: Germany: expected an ISO 3166 code of two letters, such as DE",
        "FILE:8:44: rules.ecs: 40/56: expected true, false, or 24/56: prefix lengths of IPv4 (1 to 32) and IPv6 (1 to 128)",
        "FILE:9:5: rules: expected a suffix, a client network, a client's name, a country or a continent",
        "FILE:10:20: rules.client_name: my.tablet: expected a name of letters, digits, - and _, at most 63"
      ])
    })
  )
})
