import { assert, describe, it } from "@effect/vitest"
import { ConfigProvider, Effect, Result, Schema } from "effect"
import { type LocalAnswer, readLocalAnswer } from "../../src/config/codec/local-answer.ts"
import { readWords, splitList, unescaped } from "../../src/config/codec/words.ts"
import { load } from "../../src/config/configuration.ts"
import { localAnswerMap } from "../../src/config/maps/local-answer-map.ts"
import { DEFAULT_SPECIAL_NAMES } from "../../src/config/schema/special-names.ts"
import { formatName } from "../../src/dns/name.ts"
import { fileWith } from "../support/machine/files.ts"
import { seeded, wireName } from "../support/wire/messages.ts"

const right = (text: string): LocalAnswer => Result.getOrThrow(readLocalAnswer(text))
const wrong = (text: string): string => Result.getOrThrow(Result.flip(readLocalAnswer(text)))

const strings = ({ data }: LocalAnswer): ReadonlyArray<string> => {
  const all: Array<string> = []
  for (let at = 0; at < data.length; at += data[at]! + 1) {
    all.push(Buffer.from(data.subarray(at + 1, at + 1 + data[at]!)).toString("latin1"))
  }
  return all
}

describe("readLocalAnswer", () => {
  it("reads each type's data as it stands in a message", () => {
    assert.deepStrictEqual([...right("nas.home A 192.0.2.7").data], [192, 0, 2, 7])
    assert.deepStrictEqual(right("nas.home 60 AAAA fd00::7").data.length, 16)
    assert.deepStrictEqual([...right("home MX 10 Mail.home.").data], [0, 10, ...wireName("Mail.home")])
    assert.deepStrictEqual(
      [...right("_dns._udp.home SRV 1 2 853 nas.home").data],
      [0, 1, 0, 2, 3, 85, ...wireName("nas.home")]
    )
    assert.strictEqual(formatName(right(String.raw`Odd\.Label.home PTR x.home`).name), String.raw`odd\.label.home`)
    assert.strictEqual(formatName(right("*.HOME A 192.0.2.7").name), "*.home")
  })

  it("says what it expects", () => {
    for (const text of [
      "",
      "nas.home",
      "nas.home A",
      "nas.home A 1.2.3",
      "nas.home A ::1",
      "nas.home AAAA fe80::1%eth0"
    ]) {
      assert.notStrictEqual(wrong(text), "", text)
    }
    assert.include(wrong("nas.home CNAME other.home"), "a type of A, AAAA, PTR, MX, SRV, TXT")
    assert.include(wrong("nas.home A 192.0.2.1 192.0.2.2"), "an IPv4 address behind A, not 192.0.2.1 192.0.2.2")
    assert.include(wrong("nas.home A 192.0.2.1 country:Germany"), "ISO 3166")
    assert.include(wrong("nas.home 99999999 A 192.0.2.1"), "TTL")
    assert.include(wrong("nas.home MX mail.home"), "a preference and a name behind MX")
    assert.include(wrong("nas.home MX 70000 mail.home"), "a preference and a name")
    assert.include(wrong("nas.home SRV 0 0 53"), "a priority, a weight, a port and a name")
    assert.include(wrong('nas.home TXT "open'), "a quote")
    assert.include(wrong('nas.home TXT "a"b'), "a quote")
    assert.include(wrong(`nas.home TXT "${"x".repeat(256)}"`), "at most 255 octets")
    assert.include(wrong(String.raw`nas.home TXT "\256"`), "three digits")
    assert.include(wrong("nas.home TXT hello client:portal"), "in quotes it is data")
    assert.include(wrong("nas.home TXT"), "a text behind TXT")
  })

  it("takes what is in quotes for data, and what looks like a condition within a text too", () => {
    assert.deepStrictEqual(strings(right('t.home TXT "country:DE"')), ["country:DE"])
    assert.deepStrictEqual(right('t.home TXT "country:DE"').countries, [])
    const both = right('country:AT t.home TXT "country:DE" continent:EU')
    assert.deepStrictEqual([both.countries, both.continents, strings(both)], [["AT"], ["EU"], ["country:DE"]])
    assert.deepStrictEqual(strings(right("t.home TXT a country:DE  b country:AT")), ["a country:DE  b"])
    // A text that looks like a TTL or a type.
    assert.deepStrictEqual(strings(right("t.home TXT 300 A 192.0.2.1")), ["300 A 192.0.2.1"])
  })
})

const readMap = (map: unknown) =>
  Schema.decodeUnknownResult(localAnswerMap)(map, { errors: "all", onExcessProperty: "error" })
const mapped = (map: unknown): ReadonlyArray<LocalAnswer> => Result.getOrThrow(readMap(map))

describe("a map of the file", () => {
  it("has addresses, text, or a type and its data", () => {
    const answers = [
      { name: "nas.home", data: "192.0.2.1" },
      { name: "nas.home", ttl: "60", addresses: ["192.0.2.2", "fd00::7"], country: ["DE", "AT"] },
      { name: "home", type: "mx", data: "10 mail.home", client: "10.0.0.0/8" }
    ].flatMap(mapped)
    assert.deepStrictEqual(
      answers.map(({ name, type, ttlSeconds }) => [formatName(name), type, ttlSeconds]),
      [
        ["nas.home", 1, 300],
        ["nas.home", 1, 60],
        ["nas.home", 28, 60],
        ["home", 15, 300]
      ]
    )
    assert.deepStrictEqual(answers[2]!.countries, ["DE", "AT"])
  })

  it("keeps texts octet by octet, whatever is in them", () => {
    const texts = [
      "two  spaces",
      " at both ends ",
      "client:10.0.0.0/8",
      "a, b; country:DE",
      'quotes " within',
      String.raw`C:\000\new`,
      "",
      "ümlaut",
      "line\nbreak"
    ]
    for (const text of texts) {
      const expected = [Buffer.from(text, "utf8").toString("latin1")]
      for (const map of [{ text }, { type: "TXT", data: text }, { text: [text], type: "txt" }]) {
        const [read] = mapped({ name: "t.home", ...map, continent: "EU" })
        assert.deepStrictEqual(strings(read!), expected, JSON.stringify(map))
        assert.deepStrictEqual([read!.client, read!.countries, read!.continents], [undefined, [], ["EU"]])
      }
    }
    const [several] = mapped({ name: "t.home", text: ["v=1; ", "p=2"] })
    assert.deepStrictEqual(strings(several!), ["v=1; ", "p=2"])
    // Data copied from a zone's file.
    const [copied] = mapped({ name: "t.home", type: "TXT", data: '"v=1; " "p=2"' })
    assert.deepStrictEqual(strings(copied!), ["v=1; ", "p=2"])
  })

  it("reads nothing of a map's data as a condition", () => {
    const read = readMap({ name: "nas.home", data: "192.0.2.1 country:DE" })
    assert.include(String(Result.getOrThrow(Result.flip(read))), "an IPv4 address behind A")
  })

  it("refuses maps that say too little, too much or something else", () => {
    for (const map of [
      { name: "nas.home", value: "192.0.2.1" },
      { name: "nas.home" },
      { name: "nas.home", data: "192.0.2.1", text: "x" },
      { name: "nas.home", type: "A", addresses: ["192.0.2.1"] },
      { name: "nas.home", type: "A", text: "x" },
      { name: "nas.home", addresses: [] },
      { name: ["nas.home"], data: "192.0.2.1" },
      { data: "192.0.2.1" },
      ["nas.home"]
    ]) {
      assert.isTrue(Result.isFailure(readMap(map)), JSON.stringify(map))
    }
  })
})

describe("words", () => {
  it("come back as they were put in quotes", () => {
    const random = seeded(11)
    for (let n = 0; n < 300; n++) {
      const texts = Array.from({ length: 1 + random(3) }, () =>
        Array.from({ length: random(8) }, () => ' ",\\a0:'[random(7)]).join("")
      )
      const written = texts.map((text) => `"${text.replace(/["\\]/g, "\\$&")}"`).join(" ")
      const words = readWords(written)!
      assert.deepStrictEqual(
        words.map(({ text }) => Buffer.from(unescaped(text)!).toString()),
        texts,
        written
      )
      assert.deepStrictEqual(splitList(`x TXT ${written}, y`), [`x TXT ${written}`, "y"])
    }
  })

  it("are divided at commas outside quotes; a quote within a word is none", () => {
    assert.deepStrictEqual(splitList("a, b ,,c"), ["a", "b", "c"])
    assert.deepStrictEqual(splitList('a TXT "x, y", b TXT 5", c'), ['a TXT "x, y"', 'b TXT 5"', "c"])
    assert.deepStrictEqual(splitList('a TXT "x, y'), ['a TXT "x', "y"])
    assert.deepStrictEqual(splitList(""), [])
  })
})

describe("the settings", () => {
  const settingsOf = (env: Record<string, string>, file?: string) =>
    load(file).pipe(
      Effect.map(({ settings }) => settings),
      Effect.provideService(ConfigProvider.ConfigProvider, ConfigProvider.fromEnv({ env }))
    )

  it.effect("local_answers keeps commas and spaces in quotes, from the environment and from a file", () =>
    Effect.gen(function* () {
      const text = 't.home TXT "a,  b", u.home A 192.0.2.1'
      const env = yield* settingsOf({ DNS_SERVER_LOCAL_ANSWERS: text })
      const file = yield* fileWith(`local_answers: '${text}'\n`)
      for (const { localAnswers } of [env, yield* settingsOf({}, file)]) {
        assert.deepStrictEqual(strings(localAnswers[0]!), ["a,  b"])
        assert.strictEqual(localAnswers.length, 2)
      }
    }).pipe(Effect.scoped)
  )

  it.effect("local_answers that no message holds are a mistake, by name", () =>
    Effect.gen(function* () {
      const many = Array.from({ length: 260 }, () => `big.home TXT "${"x".repeat(250)}"`)
      const mistake = yield* Effect.flip(settingsOf({ DNS_SERVER_LOCAL_ANSWERS: many.join(",") }))
      assert.include(mistake.message, "DNS_SERVER_LOCAL_ANSWERS: big.home: expected fewer records of one type")
    })
  )

  it.effect("special_names are those of private networks too, unless the system's resolvers are asked", () =>
    Effect.gen(function* () {
      const explicit = yield* settingsOf({ DNS_SERVER_UPSTREAMS: "192.0.2.53" })
      assert.deepStrictEqual([...explicit.specialNames], [...DEFAULT_SPECIAL_NAMES])
      assert.includeMembers([...explicit.specialNames], ["private", "home.arpa", "onion", "localhost"])
      const system = yield* settingsOf({})
      assert.notInclude([...system.specialNames], "private")
      assert.notInclude([...system.specialNames], "home.arpa")
      assert.includeMembers([...system.specialNames], ["reserved", "onion", "localhost", "resolver.arpa"])
      const mistake = yield* Effect.flip(settingsOf({ DNS_SERVER_SPECIAL_NAMES: "onion, tor" }))
      assert.include(mistake.message, "DNS_SERVER_SPECIAL_NAMES: tor: expected one of localhost, invalid")
    })
  )
})
