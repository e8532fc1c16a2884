import { assert, describe, it } from "@effect/vitest"
import packet, { type DecodedPacket } from "dns-packet"
import { Effect, Result } from "effect"
import { readLocalAnswer } from "../../src/config/local-answers.ts"
import { localAnswerTexts } from "../../src/config/routes.ts"
import { subnetIn, telling } from "../support/client-subnet.ts"
import { address as addressRecord } from "../support/fake-upstream.ts"
import { continentOf, countryOf, geoLiteFile, publicAddress } from "../support/geolite.ts"
import { seeded } from "../support/messages.ts"
import { addressesOf, rcodeOf } from "../support/server.ts"
import { address, memoryServer } from "../support/timed-server.ts"

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
      assert.deepStrictEqual(both.answers!.map((record) => ("ttl" in record ? record.ttl : 0)).sort(), [300, 60])
      assert.deepStrictEqual(dataOf(yield* ask("nas.home", "AAAA")), ['"fd00::7"'])
      assert.deepStrictEqual(dataOf(yield* ask("home", "MX")), ['{"preference":10,"exchange":"mail.home"}'])
      assert.deepStrictEqual(dataOf(yield* ask("7.1.168.192.in-addr.arpa", "PTR")), ['"nas.home"'])
      assert.deepStrictEqual(dataOf(yield* ask("_dns._udp.home", "SRV")), [
        '{"priority":0,"weight":5,"port":53,"target":"nas.home"}'
      ])
      const none = yield* ask("nas.home", "MX")
      assert.strictEqual(rcodeOf(none), "NOERROR")
      assert.strictEqual(none.answers!.length, 0)
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

describe("readLocalAnswer", () => {
  it("says what it expects", () => {
    const wrong = (text: string): string => Result.getOrThrow(Result.flip(readLocalAnswer(text)))
    for (const text of [
      "",
      "nas.home",
      "nas.home A",
      "nas.home A 1.2.3",
      "nas.home A ::1",
      "nas.home CNAME other.home"
    ]) {
      assert.notStrictEqual(wrong(text), "", text)
    }
    assert.include(wrong("nas.home CNAME other.home"), "a type of A, AAAA, PTR, MX, SRV, TXT")
    assert.include(wrong("nas.home A 192.0.2.1 country:Germany"), "ISO 3166")
    assert.include(wrong("nas.home 99999999 A 192.0.2.1"), "TTL")
  })

  it("takes maps of a file", () => {
    assert.deepStrictEqual(
      localAnswerTexts([
        { name: "nas.home", data: "192.0.2.1" },
        { name: "nas.home", type: "TXT", ttl: 60, data: "a, b", country: ["DE", "AT"] }
      ]),
      ["nas.home  A 192.0.2.1", "nas.home 60 TXT a, b country:DE|AT"]
    )
    assert.isUndefined(localAnswerTexts([{ name: "nas.home", value: "192.0.2.1" }]))
  })
})
