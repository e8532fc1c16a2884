import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { EdnsLevel, EdnsSupport, lowerLevel } from "../../../src/upstream/transport/edns-support.ts"
import { rcodeOf } from "../../support/servers/server.ts"
import { memoryServer } from "../../support/servers/timed-server.ts"
import type { WireBehaviour } from "../../support/upstreams/fake-upstream.ts"
import { mirrorReply, nameIn, questionEnd } from "../../support/upstreams/mirror.ts"
import { octets, opt } from "../../support/wire/messages.ts"

const { Options, NoOptions, None } = EdnsLevel

describe("what is known of an upstream's EDNS", () => {
  it("is a lower level once a question was answered there that was refused above, for longer each time", () => {
    const edns = new EdnsSupport()
    let nowMs = 1_000
    for (const forMs of [10_000, 20_000, 40_000, 80_000, 160_000, 320_000, 600_000, 600_000]) {
      edns.onAnswer(NoOptions, "refused", nowMs)
      assert.strictEqual(edns.isConfirmed, forMs > 20_000)
      assert.strictEqual(edns.level(nowMs + forMs - 1), NoOptions)
      nowMs += forMs
      assert.strictEqual(edns.level(nowMs), Options)
    }
    edns.onAnswer(Options, "not-tried", nowMs)
    for (let i = 0; i < 20; i++) edns.onAnswer(None, "refused", nowMs)
    assert.isFalse(edns.isConfirmed)
    assert.strictEqual(edns.level(nowMs + 9_999), None)
    assert.strictEqual(edns.level(nowMs + 10_000), Options)
  })

  it("is not changed by a few names that are refused where others are answered", () => {
    const edns = new EdnsSupport()
    for (let i = 0; i < 500; i++) {
      edns.onAnswer(i % 15 === 0 ? Options : None, i % 15 === 0 ? "not-tried" : "refused", i)
    }
    assert.strictEqual(edns.level(1_000), Options)
    for (let i = 0; i < 20; i++) edns.onAnswer(None, "refused", 1_000 + i)
    assert.strictEqual(edns.level(1_100), None)
  })

  it("takes two questions where the level above was met with silence: a datagram may have been lost", () => {
    const edns = new EdnsSupport()
    assert.deepStrictEqual(
      [0, 1, 2, 3].map((failures) => edns.levelAfter(failures, true, 0)),
      [Options, NoOptions, None, None]
    )
    edns.onAnswer(None, "silent", 10)
    assert.strictEqual(edns.level(11), Options)
    edns.onAnswer(None, "silent", 20)
    assert.strictEqual(edns.level(21), None)
  })

  it("keeps all attempts at a level that has worked, but the third where nothing is lost without it", () => {
    const edns = new EdnsSupport()
    edns.onAnswer(Options, "not-tried", 0)
    assert.deepStrictEqual(
      [0, 1, 2].map((failures) => edns.levelAfter(failures, true, 1)),
      [Options, Options, Options]
    )
    assert.deepStrictEqual(
      [0, 1, 2].map((failures) => edns.levelAfter(failures, false, 1)),
      [Options, Options, None]
    )
  })

  it("goes down by one step, past options where there were none", () => {
    assert.strictEqual(lowerLevel(Options, true), NoOptions)
    assert.strictEqual(lowerLevel(Options, false), None)
    assert.strictEqual(lowerLevel(NoOptions, false), None)
    assert.isUndefined(lowerLevel(None, false))
  })
})

type Seen = "options" | "opt" | "plain"

const seenIn = (query: Buffer): Seen => {
  if (query[11] === 0) return "plain"
  return query.readUInt16BE(questionEnd(query) + 9) > 0 ? "options" : "opt"
}

const withRcode = (query: Buffer, rcode: number, echoes: boolean): Buffer => {
  const end = questionEnd(query)
  const head = octets(query.subarray(0, 2), [0x81, 0x80 | rcode, 0, 1, 0, 0, 0, 0, 0, echoes ? 1 : 0])
  return Buffer.from(octets(head, query.subarray(12, end), echoes ? opt() : []))
}

/** BADVERS: 16, of which the OPT has the upper bits (RFC 6891 §6.1.3). */
const badVersion = (query: Buffer): Buffer => {
  const reply = withRcode(query, 0, true)
  reply[questionEnd(query) + 5] = 1
  return reply
}

/** A server that answers what it can read, and meets the rest with this rcode, or with silence. */
const reading = (
  readable: ReadonlyArray<Seen>,
  otherwise: number | undefined,
  echoes = false
): { readonly behaviour: WireBehaviour; readonly seen: Array<Seen>; queries: number } => {
  const seen: Array<Seen> = []
  return {
    seen,
    queries: 0,
    behaviour: (query) => {
      const kind = seenIn(query)
      seen.push(kind)
      if (readable.includes(kind)) return [{ reply: mirrorReply(query) }]
      return otherwise === undefined ? [] : [{ reply: withRcode(query, otherwise, echoes) }]
    }
  }
}

const FORMERR = 1
const NOTIMP = 4
const plainSettings = { DNS_SERVER_ENABLE_CACHING: "false" }

describe("an upstream", () => {
  for (const [what, upstream, first, later] of [
    ["refuses options, its OPT echoed", reading(["opt", "plain"], FORMERR, true), ["options", "opt"], "opt"],
    ["refuses options, without an OPT", reading(["opt", "plain"], NOTIMP), ["options", "opt"], "opt"],
    ["refuses every OPT", reading(["plain"], FORMERR), ["options", "opt", "plain"], "plain"],
    ["refuses every OPT and echoes it", reading(["plain"], NOTIMP, true), ["options", "opt", "plain"], "plain"]
  ] as const) {
    it.effect(`that ${what} is asked again at once, and as it likes it from then on`, () =>
      Effect.gen(function* () {
        const server = yield* memoryServer(plainSettings, [upstream])
        const { answer, tookMs } = yield* server.ask({ name: "a.example.test" })
        assert.strictEqual(rcodeOf(answer), "NOERROR")
        assert.isAtMost(tookMs, 10)
        assert.deepStrictEqual<ReadonlyArray<Seen>>(upstream.seen, first)
        upstream.seen.length = 0
        for (let i = 0; i < 20; i++) yield* server.ask({ name: `n${i}.example.test` })
        assert.deepStrictEqual(new Set(upstream.seen), new Set([later]))
        assert.strictEqual(upstream.seen.length, 20)
      }).pipe(Effect.scoped)
    )
  }

  for (const rcode of [2, 5]) {
    it.effect(`that answers rcode ${rcode} to every OPT is found out by the attempts of one question`, () =>
      Effect.gen(function* () {
        const upstream = reading(["plain"], rcode)
        const server = yield* memoryServer(plainSettings, [upstream])
        for (let i = 0; i < 10; i++) {
          const { answer, tookMs } = yield* server.ask({ name: `n${i}.example.test` })
          assert.strictEqual(rcodeOf(answer), "NOERROR")
          assert.isAtMost(tookMs, 10)
        }
        assert.isAtMost(upstream.seen.length, 10 + 4)
      }).pipe(Effect.scoped)
    )
  }

  it.effect("that is asked twice at most, and drops every OPT, is found out all the same", () =>
    Effect.gen(function* () {
      const upstream = reading(["plain"], undefined)
      const server = yield* memoryServer({ ...plainSettings, DNS_SERVER_RETRIES: "1" }, [upstream])
      const answers: Array<string | undefined> = []
      for (let i = 0; i < 6; i++) answers.push(rcodeOf((yield* server.ask({ name: `n${i}.example.test` })).answer))
      assert.deepStrictEqual(
        answers.slice(1),
        Array.from({ length: 5 }, () => "NOERROR")
      )
    }).pipe(Effect.scoped)
  )

  it.effect("that was odd about the first question is asked with EDNS again soon, and nothing unsigned is kept", () =>
    Effect.gen(function* () {
      const seen: Array<Seen> = []
      const behaviour: WireBehaviour = (query) => {
        const kind = seenIn(query)
        seen.push(kind)
        const isOdd = nameIn(query).startsWith("odd") && kind !== "plain"
        return [{ reply: isOdd ? withRcode(query, NOTIMP, false) : mirrorReply(query) }]
      }
      const server = yield* memoryServer({}, [{ behaviour, queries: 0 }])
      const secure = (name: string) => server.ask({ name, edns: { flags: 0x8000 } })
      yield* server.ask({ name: "odd.example.test" })
      for (let i = 0; i < 2; i++) assert.strictEqual(rcodeOf((yield* secure("b.example.test")).answer), "NOERROR")
      assert.deepStrictEqual(seen.slice(-2), ["plain", "plain"])
      yield* server.pass(10_000)
      yield* secure("b.example.test")
      assert.strictEqual(seen.at(-1), "options")
      yield* server.ask({ name: "odd2.example.test" })
      yield* secure("c.example.test")
      assert.strictEqual(seen.at(-1), "options")
    }).pipe(Effect.scoped)
  )

  for (const [what, meet] of [
    ["is silent about some names with an OPT", () => []],
    ["says BADVERS to some names", (query: Buffer) => [{ reply: badVersion(query) }]]
  ] as const) {
    it.effect(`that ${what} has them asked without, though others work`, () =>
      Effect.gen(function* () {
        const behaviour: WireBehaviour = (query) =>
          nameIn(query).startsWith("odd") && seenIn(query) !== "plain" ? meet(query) : [{ reply: mirrorReply(query) }]
        const server = yield* memoryServer(plainSettings, [{ behaviour, queries: 0 }])
        yield* server.ask({ name: "a.example.test" })
        for (let i = 0; i < 3; i++) {
          assert.strictEqual(rcodeOf((yield* server.ask({ name: `odd${i}.example.test` })).answer), "NOERROR")
        }
      }).pipe(Effect.scoped)
    )
  }

  for (const readable of [["opt", "plain"], ["plain"]] as const) {
    it.effect(`that is silent about all but ${readable.join(" and ")} is found out within three questions`, () =>
      Effect.gen(function* () {
        const upstream = reading(readable, undefined)
        const server = yield* memoryServer(plainSettings, [upstream])
        for (let i = 0; i < 3; i++) {
          assert.strictEqual(rcodeOf((yield* server.ask({ name: `n${i}.example.test` })).answer), "NOERROR")
        }
        upstream.seen.length = 0
        for (let i = 0; i < 20; i++) {
          assert.isAtMost((yield* server.ask({ name: `m${i}.example.test` })).tookMs, 10)
        }
        assert.deepStrictEqual(new Set(upstream.seen), new Set([readable[0]]))
      }).pipe(Effect.scoped)
    )
  }

  for (const [what, rcode, echoes] of [
    ["NOTIMP", NOTIMP, false],
    ["FORMERR with an OPT", FORMERR, true]
  ] as const) {
    it.effect(`that answers some names with ${what}, however they are asked, keeps its EDNS`, () =>
      Effect.gen(function* () {
        const seen: Array<Seen> = []
        const behaviour: WireBehaviour = (query) => {
          seen.push(seenIn(query))
          return [{ reply: nameIn(query).startsWith("odd") ? withRcode(query, rcode, echoes) : mirrorReply(query) }]
        }
        const server = yield* memoryServer(plainSettings, [{ behaviour, queries: 0 }])
        yield* server.ask({ name: "a.example.test" })
        for (let i = 0; i < 30; i++) yield* server.ask({ name: `odd${i}.example.test` })
        seen.length = 0
        yield* server.ask({ name: "b.example.test", edns: { flags: 0x8000 } })
        assert.deepStrictEqual(seen, ["options"])
      }).pipe(Effect.scoped)
    )
  }

  it.effect("gives answers that are not kept for DO where one name alone was asked without EDNS", () =>
    Effect.gen(function* () {
      const seen: Array<Seen> = []
      const behaviour: WireBehaviour = (query) => {
        const kind = seenIn(query)
        seen.push(kind)
        const isOdd = nameIn(query).startsWith("odd") && kind !== "plain"
        return [{ reply: isOdd ? withRcode(query, FORMERR, false) : mirrorReply(query) }]
      }
      const server = yield* memoryServer({}, [{ behaviour, queries: 0 }])
      yield* server.ask({ name: "a.example.test" })
      const secure = { name: "odd.example.test", edns: { flags: 0x8000 } }
      for (let i = 0; i < 2; i++) assert.strictEqual(rcodeOf((yield* server.ask(secure)).answer), "NOERROR")
      assert.strictEqual(seen.filter((kind) => kind === "plain").length, 2)
      const plain = { name: "odd.example.test" }
      for (let i = 0; i < 2; i++) yield* server.ask(plain)
      assert.strictEqual(seen.filter((kind) => kind === "plain").length, 3)
    }).pipe(Effect.scoped)
  )
})
