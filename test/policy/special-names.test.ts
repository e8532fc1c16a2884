import { assert, describe, it } from "@effect/vitest"
import packet, { type DecodedPacket, type Question } from "dns-packet"
import { Effect } from "effect"
import { addressesOf, rcodeOf, startServer } from "../support/servers/server.ts"
import { address, type MemoryUpstream, memoryServer } from "../support/servers/timed-server.ts"
import { address as addressRecord, fakeUpstream, nameOf, reply } from "../support/upstreams/fake-upstream.ts"
import { telling } from "../support/wire/client-subnet.ts"

const UPSTREAM = "192.0.2.200"

const answering = (data: string): MemoryUpstream => ({
  behaviour: (asked, transport, count) => addressRecord(data)(packet.decode(asked), transport, count),
  queries: 0
})

const serverWith = (settings: Record<string, string> = {}, ...upstreams: ReadonlyArray<MemoryUpstream>) =>
  Effect.gen(function* () {
    const common = answering(UPSTREAM)
    const server = yield* memoryServer({ DNS_SERVER_UPSTREAMS: address(0), ...settings }, [common, ...upstreams])
    const ask = (name: string, type: string = "A") =>
      Effect.map(server.ask({ name, type: type as Question["type"], edns: {} }), ({ answer }) => answer)
    return { ask, asked: () => common.queries, counters: server.counters, server }
  })

const soaOf = (answer: DecodedPacket) => {
  const record = answer.authorities?.find(({ type }) => type === "SOA")
  return record?.type === "SOA" ? { zone: record.name, ttl: record.ttl, minimum: record.data.minimum } : undefined
}

const nibbles = (start: string): string => [...start.padEnd(32, "0")].reverse().join(".")

describe("special names", () => {
  it.effect("that mean nothing to anybody's servers do not exist, and nobody is asked", () =>
    Effect.gen(function* () {
      const { ask, asked, counters } = yield* serverWith()
      const cases: ReadonlyArray<readonly [name: string, zone: string]> = [
        ["abc.onion", "onion"],
        ["Www.Deep.ONION", "ONION"],
        ["onion", "onion"],
        ["x.invalid", "invalid"],
        ["invalid", "invalid"],
        ["a.b.alt", "alt"],
        ["5.1.168.192.in-addr.arpa", "168.192.in-addr.arpa"],
        ["1.2.3.10.IN-ADDR.arpa", "10.IN-ADDR.arpa"],
        ["1.0.16.172.in-addr.arpa", "16.172.in-addr.arpa"],
        ["31.172.31.172.in-addr.arpa", "31.172.in-addr.arpa"],
        ["1.1.254.169.in-addr.arpa", "254.169.in-addr.arpa"],
        ["1.1.64.100.in-addr.arpa", "64.100.in-addr.arpa"],
        ["1.1.127.100.in-addr.arpa", "127.100.in-addr.arpa"],
        ["9.9.9.127.in-addr.arpa", "127.in-addr.arpa"],
        // As long as the name of ::1, and not that.
        [`${"x".repeat(55)}.127.in-addr.arpa`, "127.in-addr.arpa"],
        ["1.0.0.0.in-addr.arpa", "0.in-addr.arpa"],
        ["7.2.0.192.in-addr.arpa", "2.0.192.in-addr.arpa"],
        [`${nibbles("fd00aa")}.ip6.arpa`, "d.f.ip6.arpa"],
        [`${nibbles("febf")}.ip6.arpa`, "b.e.f.ip6.arpa"],
        [`${nibbles("20010db81")}.ip6.arpa`, "8.b.d.0.1.0.0.2.ip6.arpa"],
        ["printer.home.arpa", "home.arpa"],
        ["default.service.arpa", "service.arpa"]
      ]
      for (const [name, zone] of cases) {
        const answer = yield* ask(name, name.endsWith("arpa") ? "PTR" : "A")
        assert.strictEqual(rcodeOf(answer), "NXDOMAIN", name)
        assert.strictEqual(answer.questions![0]!.name, name)
        assert.deepStrictEqual(soaOf(answer), { zone, ttl: 10_800, minimum: 10_800 }, name)
        assert.isFalse(answer.flag_aa || answer.flag_ad)
      }
      assert.strictEqual(asked(), 0)
      assert.strictEqual(counters.read("answers.local"), cases.length)
      assert.strictEqual(counters.read("cache.misses"), 0)
    }).pipe(Effect.scoped)
  )

  it.effect("of the loopback interface are its addresses, and these its name", () =>
    Effect.gen(function* () {
      const { ask, asked } = yield* serverWith()
      for (const name of ["localhost", "app.LocalHost", "a.b.localhost"]) {
        assert.deepStrictEqual(addressesOf(yield* ask(name)), ["127.0.0.1"], name)
        const ipv6 = yield* ask(name, "AAAA")
        assert.deepStrictEqual(
          ipv6.answers!.map((record) => [record.name, "data" in record ? record.data : ""]),
          [[name, "::1"]]
        )
        for (const type of ["MX", "TXT", "HTTPS", "NS", "DS"]) {
          const none = yield* ask(name, type)
          assert.strictEqual(rcodeOf(none), "NOERROR", `${name} ${type}`)
          assert.deepStrictEqual([none.answers!.length, soaOf(none)?.zone.toLowerCase()], [0, "localhost"])
        }
      }
      for (const name of ["1.0.0.127.in-addr.arpa", `1.${nibbles("").slice(2)}.ip6.arpa`]) {
        const answer = yield* ask(name, "PTR")
        assert.deepStrictEqual(
          answer.answers!.map((record) => ("data" in record ? record.data : "")),
          ["localhost"],
          name
        )
        assert.strictEqual(rcodeOf(yield* ask(name, "TXT")), "NOERROR")
      }
      // Names above one that is there are there (RFC 8020).
      for (const name of ["0.0.127.in-addr.arpa", "0.127.in-addr.arpa", "127.in-addr.arpa"]) {
        assert.strictEqual(rcodeOf(yield* ask(name, "PTR")), "NOERROR", name)
      }
      assert.strictEqual(asked(), 0)
    }).pipe(Effect.scoped)
  )

  it.effect("of encrypted resolvers that a client might have instead of this one are there, with nothing", () =>
    Effect.gen(function* () {
      const { ask, asked } = yield* serverWith()
      for (const [name, type] of [
        ["_dns.resolver.arpa", "SVCB"],
        ["_dns.resolver.arpa", "A"],
        ["resolver.arpa", "DS"],
        ["x.resolver.arpa", "TXT"]
      ] as const) {
        const answer = yield* ask(name, type === "SVCB" ? "UNKNOWN_64" : type)
        assert.deepStrictEqual(
          [rcodeOf(answer), answer.answers!.length, soaOf(answer)?.zone],
          ["NOERROR", 0, "resolver.arpa"]
        )
      }
      assert.strictEqual(asked(), 0)
    }).pipe(Effect.scoped)
  )

  it.effect("have zones as RFC 6303 says, but for their DS, which stands in the zone above", () =>
    Effect.gen(function* () {
      const { ask, asked } = yield* serverWith()
      const soa = yield* ask("10.in-addr.arpa", "SOA")
      assert.deepStrictEqual(
        soa.answers!.map((record) =>
          record.type === "SOA" ? [record.name, record.data.mname, record.data.rname, record.data.serial] : []
        ),
        [["10.in-addr.arpa", "10.in-addr.arpa", "nobody.invalid", 1]]
      )
      const ns = yield* ask("home.arpa", "NS")
      assert.deepStrictEqual(
        ns.answers!.map((record) => ("data" in record ? record.data : "")),
        ["home.arpa"]
      )
      assert.strictEqual(rcodeOf(yield* ask("home.arpa", "A")), "NOERROR")
      assert.strictEqual(asked(), 0)
      // RFC 8375 §4: asked for, so that who validates finds that the zone is not signed.
      for (const name of ["home.arpa", "168.192.in-addr.arpa", "127.in-addr.arpa"]) yield* ask(name, "DS")
      assert.strictEqual(asked(), 3)
      // What is below is in the zone, and so is all of .onion (RFC 7686 §2).
      for (const name of ["x.home.arpa", "1.168.192.in-addr.arpa", "onion", "x.onion"]) {
        assert.strictEqual(rcodeOf(yield* ask(name, "DS")), "NXDOMAIN", name)
      }
      assert.strictEqual(asked(), 3)
    }).pipe(Effect.scoped)
  )

  it.effect("are not those that look like them", () =>
    Effect.gen(function* () {
      const { ask, asked } = yield* serverWith()
      const names = [
        "onion.example",
        "notonion",
        "xinvalid",
        "localhost.example",
        "1.15.172.in-addr.arpa",
        "1.32.172.in-addr.arpa",
        "1.63.100.in-addr.arpa",
        "1.128.100.in-addr.arpa",
        "110.in-addr.arpa",
        "1.1.1.1.in-addr.arpa",
        "in-addr.arpa",
        "arpa",
        "xresolver.arpa",
        `${nibbles("20010db9")}.ip6.arpa`,
        `${nibbles("fec0")}.ip6.arpa`,
        `${nibbles("fc00")}.ip6.arpa`,
        "ipv4only.arpa",
        "example.test",
        "printer.local",
        "t",
        "."
      ]
      for (const name of names) yield* ask(name)
      assert.strictEqual(asked(), names.length)
    }).pipe(Effect.scoped)
  )

  it.effect("go where a rule or a local answer names them, and names above those are there", () =>
    Effect.gen(function* () {
      const site = answering("192.0.2.77")
      const { ask, asked } = yield* serverWith(
        {
          DNS_SERVER_GROUPS: `site=${address(1)}`,
          DNS_SERVER_RULES:
            "lab.home.arpa !x.lab.home.arpa -> site, 168.192.in-addr.arpa -> site, tor.onion client:10.0.0.0/8 -> site, client:127.0.0.0/8 -> site",
          DNS_SERVER_LOCAL_ANSWERS: "5.1.2.10.in-addr.arpa PTR nas.home, app.localhost A 192.0.2.9"
        },
        site
      )
      assert.deepStrictEqual(addressesOf(yield* ask("a.lab.home.arpa")), ["192.0.2.77"])
      assert.deepStrictEqual(addressesOf(yield* ask("1.1.168.192.in-addr.arpa")), ["192.0.2.77"])
      assert.strictEqual(site.queries, 2)
      // A rule for all names of a client names none of them; one for others, or with this exception, is not for it.
      for (const name of ["x.home.arpa", "x.lab.home.arpa", "tor.onion", "1.2.3.10.in-addr.arpa"]) {
        const rcode = rcodeOf(yield* ask(name))
        assert.strictEqual(rcode, name === "tor.onion" ? "NOERROR" : "NXDOMAIN", name)
      }
      // The zone above has the DS: here that is the special one, in which the rule's name is there.
      const ds = yield* ask("lab.home.arpa", "DS")
      assert.deepStrictEqual([rcodeOf(ds), soaOf(ds)?.zone], ["NOERROR", "home.arpa"])
      assert.strictEqual((yield* ask("5.1.2.10.in-addr.arpa", "PTR")).answers!.length, 1)
      assert.strictEqual(rcodeOf(yield* ask("2.10.in-addr.arpa", "PTR")), "NOERROR")
      assert.deepStrictEqual(addressesOf(yield* ask("app.localhost")), ["192.0.2.9"])
      assert.strictEqual(site.queries, 2)
      assert.strictEqual(asked(), 0)
    }).pipe(Effect.scoped)
  )

  it.effect("go by a rule for names above them", () =>
    Effect.gen(function* () {
      const site = answering("192.0.2.77")
      const { ask } = yield* serverWith(
        { DNS_SERVER_GROUPS: `site=${address(1)}`, DNS_SERVER_RULES: "in-addr.arpa -> site" },
        site
      )
      assert.deepStrictEqual(addressesOf(yield* ask("1.2.3.10.in-addr.arpa")), ["192.0.2.77"])
    }).pipe(Effect.scoped)
  )

  it.effect("are those that the setting lists", () =>
    Effect.gen(function* () {
      const some = yield* serverWith({ DNS_SERVER_SPECIAL_NAMES: "onion, test,local" })
      for (const name of ["a.onion", "a.test", "a.local"]) {
        assert.strictEqual(rcodeOf(yield* some.ask(name)), "NXDOMAIN", name)
      }
      assert.strictEqual(some.asked(), 0)
      assert.deepStrictEqual(addressesOf(yield* some.ask("1.2.3.10.in-addr.arpa")), [UPSTREAM])
      const none = yield* serverWith({ DNS_SERVER_SPECIAL_NAMES: "none" })
      assert.deepStrictEqual(addressesOf(yield* none.ask("a.onion")), [UPSTREAM])
    }).pipe(Effect.scoped)
  )

  it.effect("that a CNAME of an upstream's leads to are answered here too, unless a rule names them", () =>
    Effect.gen(function* () {
      const links: Readonly<Record<string, string>> = {
        "a.example": "hidden.onion",
        "b.example": "app.localhost",
        "c.example": "7.1.168.192.in-addr.arpa",
        "d.example": "tor.onion"
      }
      const upstream: MemoryUpstream = {
        behaviour: (wire) => {
          const query = packet.decode(wire)
          const name = nameOf(query)
          const target = links[name]
          return [
            {
              reply: reply(query, {
                answers: [
                  target === undefined
                    ? { name, type: "A", ttl: 60, data: UPSTREAM }
                    : { name, type: "CNAME", ttl: 60, data: target }
                ]
              })
            }
          ]
        },
        queries: 0
      }
      const server = yield* memoryServer(
        {
          DNS_SERVER_UPSTREAMS: address(0),
          DNS_SERVER_GROUPS: `site=${address(0)}`,
          DNS_SERVER_RULES: "tor.onion client:10.0.0.0/8 -> site"
        },
        [upstream]
      )
      const ask = (name: string) => Effect.map(server.ask({ name }), ({ answer }) => answer)
      for (let times = 0; times < 2; times++) {
        for (const name of ["a.example", "c.example"]) {
          const answer = yield* ask(name)
          assert.strictEqual(rcodeOf(answer), "NXDOMAIN", name)
          assert.deepStrictEqual(
            answer.answers!.map((record) => ("data" in record ? record.data : "")),
            [links[name]!]
          )
        }
        assert.strictEqual(soaOf(yield* ask("a.example"))?.zone, "onion")
        const loopback = yield* ask("b.example")
        assert.deepStrictEqual(addressesOf(loopback), ["127.0.0.1"])
        assert.strictEqual(loopback.answers!.at(-1)!.name, "app.localhost")
      }
      assert.strictEqual(upstream.queries, 3)
      assert.deepStrictEqual(addressesOf(yield* ask("d.example")), [UPSTREAM])
      assert.strictEqual(upstream.queries, 5)
    }).pipe(Effect.scoped)
  )

  it.effect("are answered alike to clients that speak for a network, and with DO", () =>
    Effect.gen(function* () {
      const { asked, server } = yield* serverWith({
        DNS_SERVER_GROUPS: `told=${address(0)}`,
        DNS_SERVER_RULES: ". -> told ecs",
        DNS_SERVER_ECS_TRUST: "127.0.0.0/8"
      })
      const told = yield* server.ask({ name: "x.onion", edns: telling("198.51.100.7", 24) })
      assert.strictEqual(rcodeOf(told.answer), "NXDOMAIN")
      const signed = yield* server.ask({ name: "x.onion", edns: { flags: packet.DNSSEC_OK } })
      assert.strictEqual(rcodeOf(signed.answer), "NXDOMAIN")
      const opt = signed.answer.additionals![0]!
      assert.isTrue(opt.type === "OPT" && opt.flag_do)
      assert.strictEqual(asked(), 0)
    }).pipe(Effect.scoped)
  )

  it.live("are answered alike by UDP and TCP", () =>
    Effect.gen(function* () {
      const upstream = yield* fakeUpstream(addressRecord(UPSTREAM))
      const server = yield* startServer({ DNS_SERVER_UPSTREAMS: upstream.address })
      for (const tcp of [false, true]) {
        for (const name of ["x.onion", "1.2.3.10.in-addr.arpa"]) {
          assert.strictEqual(rcodeOf(yield* server.ask({ name, tcp })), "NXDOMAIN")
        }
        assert.deepStrictEqual(addressesOf(yield* server.ask({ name: "localhost", tcp })), ["127.0.0.1"])
      }
      assert.strictEqual(upstream.queries(), 0)
      assert.strictEqual(server.counters.read("answers.local"), 6)
    })
  )
})
