import { assert, describe, it } from "@effect/vitest"
import packet, { type DecodedPacket, type Question } from "dns-packet"
import { Effect, Result } from "effect"
import { namesWithTooMuch, readLocalAnswer } from "../../src/config/codec/local-answer.ts"
import { continentOf, countryOf, geoLiteFile, publicAddress } from "../support/external/geolite.ts"
import { addressesOf, rcodeOf, startServer } from "../support/servers/server.ts"
import { address, type MemoryServer, memoryServer } from "../support/servers/timed-server.ts"
import { address as addressRecord } from "../support/upstreams/fake-upstream.ts"
import { subnetIn, telling } from "../support/wire/client-subnet.ts"
import { seeded } from "../support/wire/messages.ts"

const UPSTREAM = "192.0.2.200"

const serverWith = (answers: ReadonlyArray<string>, settings: Record<string, string> = {}) =>
  memoryServer(
    {
      DNS_SERVER_ALLOW: "0.0.0.0/0,::/0",
      DNS_SERVER_LOCAL_ANSWERS: answers.join(","),
      DNS_SERVER_UPSTREAMS: address(0),
      ...settings
    },
    [
      {
        behaviour: (asked, transport, count) => addressRecord(UPSTREAM)(packet.decode(asked), transport, count),
        queries: 0
      }
    ]
  )

const dataOf = (answer: DecodedPacket): ReadonlyArray<string> =>
  (answer.answers ?? []).map((record) => JSON.stringify("data" in record ? record.data : ""))

describe("local answers", () => {
  it.effect("go before all others: the records of the type, none for other types, the name as it was asked", () =>
    Effect.gen(function* () {
      const server = yield* serverWith([
        "nas.home A 192.168.1.7",
        "nas.home 60 A 192.168.1.8",
        "NAS.home. AAAA fd00::7",
        "home MX 10 mail.home",
        "home TXT v=1 of it",
        "_dns._udp.home SRV 0 5 53 nas.home",
        "7.1.168.192.in-addr.arpa PTR nas.home"
      ])
      const ask = (name: string, type: "A" | "AAAA" | "MX" | "TXT" | "SRV" | "PTR") =>
        Effect.map(server.ask({ name, type, edns: {} }), ({ answer }) => answer)
      const both = yield* ask("Nas.HOME", "A")
      assert.deepStrictEqual([...addressesOf(both)].sort(), ["192.168.1.7", "192.168.1.8"])
      assert.strictEqual(both.questions![0]!.name, "Nas.HOME")
      assert.isFalse(both.flag_aa)
      // One set, one TTL (RFC 2181 §5.2).
      assert.deepStrictEqual(
        both.answers!.map((record) => ("ttl" in record ? record.ttl : 0)),
        [60, 60]
      )
      assert.deepStrictEqual(dataOf(yield* ask("nas.home", "AAAA")), ['"fd00::7"'])
      assert.deepStrictEqual(dataOf(yield* ask("home", "MX")), ['{"preference":10,"exchange":"mail.home"}'])
      assert.deepStrictEqual(dataOf(yield* ask("7.1.168.192.in-addr.arpa", "PTR")), ['"nas.home"'])
      assert.deepStrictEqual(dataOf(yield* ask("_dns._udp.home", "SRV")), [
        '{"priority":0,"weight":5,"port":53,"target":"nas.home"}'
      ])
      const none = yield* ask("nas.home", "MX")
      assert.strictEqual(rcodeOf(none), "NOERROR")
      assert.strictEqual(none.answers!.length, 0)
      // So that it may be kept (RFC 2308 §5).
      const [soa] = none.authorities!
      assert.deepStrictEqual(soa?.type === "SOA" ? [soa.name, soa.ttl, soa.data.minimum] : [], ["nas.home", 60, 60])
      // What is below, or beside, is asked for.
      assert.deepStrictEqual(addressesOf(yield* ask("www.nas.home", "A")), [UPSTREAM])
      assert.strictEqual(server.counters.read("answers.local"), 6)
    }).pipe(Effect.scoped)
  )

  it.effect("differ by place as the database says, and for those who speak for others by their network", () =>
    Effect.gen(function* () {
      const server = yield* serverWith(
        [
          "www.example A 192.0.2.1 continent:EU",
          "www.example A 192.0.2.2 country:DE|AT",
          "www.example A 192.0.2.3 country:US",
          "www.example A 192.0.2.4 client:10.0.0.0/8",
          "www.example A 192.0.2.5"
        ],
        { DNS_SERVER_GEO_DATABASE: geoLiteFile(), DNS_SERVER_ECS_TRUST: "127.0.0.0/8" }
      )
      const expected = (client: string): string => {
        const country = countryOf(client)
        if (country === "DE" || country === "AT") return "192.0.2.2"
        if (country === "US") return "192.0.2.3"
        return continentOf(client) === "EU" ? "192.0.2.1" : "192.0.2.5"
      }
      const random = seeded(7)
      for (let i = 0; i < 150; i++) {
        const client = publicAddress(random)
        const direct = yield* server.ask({ name: "www.example", from: client })
        assert.deepStrictEqual(addressesOf(direct.answer), [expected(client)], client)
        const told = yield* server.ask({ name: "www.example", edns: telling(client, 32) })
        assert.deepStrictEqual(addressesOf(told.answer), [expected(client)], client)
        assert.strictEqual(subnetIn(told.answer)?.scope, 32)
      }
      const { answer } = yield* server.ask({ name: "www.example", from: "10.9.9.9" })
      assert.deepStrictEqual(addressesOf(answer), ["192.0.2.4"])
    }).pipe(Effect.scoped)
  )

  it.effect("for others are none: the name is asked for", () =>
    Effect.gen(function* () {
      const server = yield* serverWith(["www.example A 192.0.2.4 client:10.0.0.0/8"])
      const { answer } = yield* server.ask({ name: "www.example", from: "9.9.9.9" })
      assert.deepStrictEqual(addressesOf(answer), [UPSTREAM])
    }).pipe(Effect.scoped)
  )
})

const typed = (server: MemoryServer, name: string, type = "A", edns: object = {}) =>
  Effect.map(server.ask({ name, type: type as Question["type"], edns }), ({ answer }) => answer)

const first = (server: MemoryServer, name: string) =>
  Effect.map(typed(server, name), (answer) => addressesOf(answer)[0] ?? rcodeOf(answer))

describe("wildcards among local answers", () => {
  it.effect("are for names below that are not there themselves, not for their own; any type (RFC 4592 §2.2.1)", () =>
    Effect.gen(function* () {
      const server = yield* serverWith([
        "*.example A 192.0.2.1",
        "*.example MX 10 host1.example",
        "sub.*.example TXT this is not a wildcard",
        "host1.example A 192.0.2.4",
        "_ssh._tcp.host1.example SRV 0 0 22 host1.example"
      ])
      assert.strictEqual(yield* first(server, "host3.example"), "192.0.2.1")
      assert.strictEqual(yield* first(server, "Foo.Bar.EXAMPLE"), "192.0.2.1")
      const synthesised = yield* typed(server, "Foo.Bar.EXAMPLE", "MX")
      assert.deepStrictEqual(
        [synthesised.answers![0]!.name, dataOf(synthesised)[0]],
        ["Foo.Bar.EXAMPLE", '{"preference":10,"exchange":"host1.example"}']
      )
      // No such type: no records, but the name is there.
      const none = yield* typed(server, "host3.example", "TXT")
      assert.deepStrictEqual(
        [rcodeOf(none), none.answers!.length, none.authorities![0]?.name],
        ["NOERROR", 0, "example"]
      )
      // Names that are there, by records or by what is below them, are no wildcard's.
      assert.strictEqual((yield* typed(server, "host1.example", "MX")).answers!.length, 0)
      assert.strictEqual(yield* first(server, "_tcp.host1.example"), "NOERROR")
      assert.strictEqual(yield* first(server, "_telnet._tcp.host1.example"), "NXDOMAIN")
      assert.strictEqual(yield* first(server, "ghost.*.example"), "NXDOMAIN")
      // The wildcard can be asked for by its own name.
      assert.strictEqual(yield* first(server, "*.example"), "192.0.2.1")
      // Its parent is not below itself, nor is a neighbour.
      assert.strictEqual(yield* first(server, "example"), UPSTREAM)
      assert.strictEqual(yield* first(server, "xexample"), UPSTREAM)
    }).pipe(Effect.scoped)
  )

  it.effect("of more labels hide those of fewer, for all that is below their parent", () =>
    Effect.gen(function* () {
      const server = yield* serverWith(["*.home A 192.0.2.1", "*.lab.home A 192.0.2.2", "pc.lab.home TXT here"])
      assert.strictEqual(yield* first(server, "x.home"), "192.0.2.1")
      assert.strictEqual(yield* first(server, "x.lab.home"), "192.0.2.2")
      assert.strictEqual(yield* first(server, "a.x.lab.home"), "192.0.2.2")
      assert.strictEqual(yield* first(server, "pc.lab.home"), "NOERROR")
      assert.strictEqual(yield* first(server, "below.pc.lab.home"), "NXDOMAIN")
      // An empty non-terminal (RFC 4592 §2.2.2).
      assert.strictEqual(yield* first(server, "lab.home"), "NOERROR")
    }).pipe(Effect.scoped)
  )

  it.effect("are for those whom they are for; for others there is what else there is", () =>
    Effect.gen(function* () {
      const server = yield* serverWith([
        "*.home A 192.0.2.1",
        "*.home A 192.0.2.2 client:10.0.0.0/8",
        "pc.home A 192.0.2.3 client:10.0.0.0/8",
        "*.work A 192.0.2.4 client:10.0.0.0/8"
      ])
      const from = (name: string, client: string) =>
        Effect.map(server.ask({ name, from: client }), ({ answer }) => addressesOf(answer)[0])
      assert.strictEqual(yield* from("x.home", "192.0.2.99"), "192.0.2.1")
      assert.strictEqual(yield* from("x.home", "10.1.2.3"), "192.0.2.2")
      assert.strictEqual(yield* from("pc.home", "10.1.2.3"), "192.0.2.3")
      assert.strictEqual(yield* from("pc.home", "192.0.2.99"), "192.0.2.1")
      assert.strictEqual(yield* from("x.work", "192.0.2.99"), UPSTREAM)
    }).pipe(Effect.scoped)
  )

  it.effect("leave to a rule what is below its longer suffix, and nothing to a rule for their own parent", () =>
    Effect.gen(function* () {
      const server = yield* serverWith(["*.home A 192.0.2.1"], {
        DNS_SERVER_GROUPS: `common=${address(0)}`,
        DNS_SERVER_RULES: "lab.home -> common, home -> common"
      })
      assert.strictEqual(yield* first(server, "x.home"), "192.0.2.1")
      assert.strictEqual(yield* first(server, "x.lab.home"), UPSTREAM)
      assert.strictEqual(yield* first(server, "lab.home"), UPSTREAM)
    }).pipe(Effect.scoped)
  )

  it.effect("of the root are for all names", () =>
    Effect.gen(function* () {
      const server = yield* serverWith(["* A 192.0.2.1"])
      assert.strictEqual(yield* first(server, "www.example.com"), "192.0.2.1")
      assert.strictEqual(yield* first(server, "com"), "192.0.2.1")
    }).pipe(Effect.scoped)
  )
})

describe("many local answers for one name", () => {
  it.effect("take turns at the head, all of them, with one TTL", () =>
    Effect.gen(function* () {
      const server = yield* serverWith(["a.home A 192.0.2.1", "a.home 60 A 192.0.2.2", "a.home A 192.0.2.3"])
      const heads = new Set<string | undefined>()
      for (let i = 0; i < 3; i++) {
        const answer = yield* typed(server, "a.home")
        heads.add(addressesOf(answer)[0])
        assert.deepStrictEqual([...addressesOf(answer)].sort(), ["192.0.2.1", "192.0.2.2", "192.0.2.3"])
        assert.isTrue(answer.answers!.every((record) => "ttl" in record && record.ttl === 60))
      }
      assert.strictEqual(heads.size, 3)
    }).pipe(Effect.scoped)
  )

  it.live("come truncated by UDP where they do not fit, without a part of the set, and whole by TCP", () =>
    Effect.gen(function* () {
      const answers = Array.from({ length: 100 }, (_, i) => `*.many.home AAAA 2001:db8::${(i + 1).toString(16)}`)
      const server = yield* startServer({
        DNS_SERVER_UPSTREAMS: "127.0.0.1:9",
        DNS_SERVER_LOCAL_ANSWERS: answers.join(",")
      })
      const question = { name: "X.Many.Home", type: "AAAA", edns: { flags: packet.DNSSEC_OK } } as const
      const cut = yield* server.ask(question)
      assert.isTrue(cut.flag_tc)
      assert.strictEqual(cut.answers!.length, 0)
      const opt = cut.additionals![0]!
      assert.isTrue(opt.type === "OPT" && opt.flag_do)
      const whole = yield* server.ask({ ...question, tcp: true })
      assert.isFalse(whole.flag_tc)
      assert.strictEqual(whole.answers!.length, 100)
      assert.isTrue(whole.answers!.every(({ name }) => name === "X.Many.Home"))
    })
  )

  it("are a mistake where no message holds them", () => {
    const answers = Array.from({ length: 4500 }, (_, i) =>
      Result.getOrThrow(readLocalAnswer(`big.home A 10.0.${i >>> 8}.${i & 255}`))
    )
    assert.deepStrictEqual(namesWithTooMuch(answers), ["big.home"])
    assert.deepStrictEqual(namesWithTooMuch(answers.slice(0, 4000)), [])
  })
})

describe("texts among local answers", () => {
  const stringsOf = (answer: DecodedPacket): ReadonlyArray<string> => {
    const [record] = answer.answers!
    return record?.type === "TXT" ? (record.data as ReadonlyArray<Buffer>).map((text) => text.toString("latin1")) : []
  }

  it.effect("are given octet by octet: spaces, commas, words like conditions, several strings, escapes", () =>
    Effect.gen(function* () {
      const server = yield* serverWith([
        'a.home TXT "two  spaces, client:10.0.0.0/8 country:DE"',
        'b.home TXT "v=DKIM1; p=" "MIGf" client:127.0.0.0/8',
        String.raw`c.home 60 TXT "say \"hi\" \\ \000\255"`,
        "d.home TXT v=spf1  ip4:192.0.2.1 -all",
        "e.home TXT see country:DE for  more client:127.0.0.0/8",
        'f.home TXT ""'
      ])
      assert.deepStrictEqual(stringsOf(yield* typed(server, "a.home", "TXT")), [
        "two  spaces, client:10.0.0.0/8 country:DE"
      ])
      assert.deepStrictEqual(stringsOf(yield* typed(server, "b.home", "TXT")), ["v=DKIM1; p=", "MIGf"])
      assert.deepStrictEqual(stringsOf(yield* typed(server, "c.home", "TXT")), ['say "hi" \\ \0\xff'])
      assert.deepStrictEqual(stringsOf(yield* typed(server, "d.home", "TXT")), ["v=spf1  ip4:192.0.2.1 -all"])
      assert.deepStrictEqual(stringsOf(yield* typed(server, "e.home", "TXT")), ["see country:DE for  more"])
      assert.deepStrictEqual(stringsOf(yield* typed(server, "f.home", "TXT")), [""])
    }).pipe(Effect.scoped)
  )
})
