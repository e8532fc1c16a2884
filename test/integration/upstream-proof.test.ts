/** What shows that a datagram is of the upstream that was asked: letters, cookies, ids; and what is done where it does not. */
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { until } from "../support/machine/until.ts"
import { type AskOptions, addressesOf, rcodeOf, startServer } from "../support/servers/server.ts"
import { type FakeUpstream, inSmallLetters, wireUpstream } from "../support/upstreams/fake-upstream.ts"
import { long, message, octets, opt, option, pointer, QUESTION_NAME, record } from "../support/wire/messages.ts"

const COOKIE = 10
const BADCOOKIE = 23
const GOOD = [192, 0, 2, 1]
const EVIL = [203, 0, 113, 66]

const questionIn = (query: Buffer): Buffer => {
  let at = 12
  while (query[at] !== 0) at += query[at]! + 1
  return query.subarray(12, at + 5)
}

const optionIn = (query: Buffer, code: number): Buffer | undefined => {
  let at = 12 + questionIn(query).length + 11
  while (at + 4 <= query.length) {
    const length = query.readUInt16BE(at + 2)
    if (query.readUInt16BE(at) === code) return query.subarray(at + 4, at + 4 + length)
    at += 4 + length
  }
  return undefined
}

interface Told {
  readonly address?: ReadonlyArray<number>
  readonly question?: Uint8Array
  readonly id?: number
  readonly cookie?: Uint8Array | undefined
  readonly rcode?: number
  readonly isTruncated?: boolean
}

const replyTo = (query: Buffer, { address = GOOD, cookie, id, isTruncated, question, rcode = 0 }: Told = {}): Buffer =>
  Buffer.from(
    message({
      id: id ?? query.readUInt16BE(0),
      flags: 0x8180 | (isTruncated === true ? 0x0200 : 0) | (rcode & 15),
      questions: [question ?? questionIn(query)],
      answers: rcode === 0 && isTruncated !== true ? [record(pointer(QUESTION_NAME), 1, 60, address)] : [],
      additionals: [opt({ upperRcode: rcode >> 4, options: cookie === undefined ? [] : option(COOKIE, cookie) })]
    })
  )

const inCapitals = (name: Buffer): boolean => [...name].some((octet) => octet >= 0x41 && octet <= 0x5a)

const serverFor = (upstream: FakeUpstream, settings: Record<string, string> = {}) =>
  startServer({ DNS_SERVER_UPSTREAMS: upstream.address, DNS_SERVER_MIX_CASE: "on", ...settings })

const LONG_NAME = "the-quick-brown-fox-jumps-over-the-lazy-dog.example.test"
let names = 0
const fresh = (): AskOptions => ({ name: `n${++names}-${LONG_NAME}`, edns: {} })

describe("the letters of a question by UDP (0x20)", () => {
  it.live("are mixed anew for each, and those of the client come back to it", () =>
    Effect.gen(function* () {
      const seen = new Set<string>()
      const upstream = yield* wireUpstream(
        (query) => {
          seen.add(questionIn(query).toString("latin1"))
          return [{ reply: replyTo(query) }]
        },
        0,
        true
      )
      const server = yield* serverFor(upstream, { DNS_SERVER_ENABLE_CACHING: "false" })
      const name = `WwW.${LONG_NAME}`
      for (let i = 0; i < 20; i++) {
        const answer = yield* server.ask({ name })
        assert.strictEqual(answer.questions?.[0]?.name, name)
        assert.deepStrictEqual(addressesOf(answer), ["192.0.2.1"])
      }
      assert.strictEqual(seen.size, 20)
      assert.strictEqual(server.counters.read("upstream.unproven"), 0)
    })
  )

  it.live("come back changed from a forger: nothing of that is believed, and TCP has the answer", () =>
    Effect.gen(function* () {
      const upstream = yield* wireUpstream(
        (query, transport) => {
          if (transport === "tcp") return [{ reply: replyTo(query) }]
          // A forger who sees the port and the id, and does not see the name.
          return [
            { reply: replyTo(query, { address: EVIL, question: questionIn(inSmallLetters(query)) }) },
            { reply: replyTo(query), delayMs: 20 }
          ]
        },
        0,
        true
      )
      const server = yield* serverFor(upstream)
      const question = fresh()
      assert.deepStrictEqual(addressesOf(yield* server.ask(question)), ["192.0.2.1"])
      assert.deepStrictEqual(addressesOf(yield* server.ask(question)), ["192.0.2.1"])
      assert.strictEqual(server.counters.read("upstream.unproven"), 1)
    })
  )

  it.live("are small for a while where an upstream never keeps them: three questions by TCP, the rest by UDP", () =>
    Effect.gen(function* () {
      const by = { udp: 0, tcp: 0 }
      let mixed = 0
      const upstream = yield* wireUpstream(
        (query, transport) => {
          by[transport]++
          if (inCapitals(questionIn(query))) mixed++
          return [{ reply: replyTo(query, { question: questionIn(inSmallLetters(query)) }) }]
        },
        0,
        true
      )
      const server = yield* serverFor(upstream)
      for (let i = 0; i < 12; i++) assert.deepStrictEqual(addressesOf(yield* server.ask(fresh())), ["192.0.2.1"])
      assert.deepStrictEqual(by, { udp: 12, tcp: 3 })
      assert.strictEqual(mixed, 3)
    })
  )

  it.live("cost no client its answer where the upstream neither keeps them nor knows TCP", () =>
    Effect.gen(function* () {
      const upstream = yield* wireUpstream(
        (query, transport) =>
          transport === "tcp"
            ? [{ resetAfter: 0, reply: Buffer.alloc(2) }]
            : [{ reply: replyTo(query, { question: questionIn(inSmallLetters(query)) }) }],
        0,
        true
      )
      const server = yield* serverFor(upstream)
      for (let i = 0; i < 8; i++) assert.deepStrictEqual(addressesOf(yield* server.ask(fresh())), ["192.0.2.1"])
    })
  )

  it.live("are given up soon where the upstream does not keep them and is silent by TCP", () =>
    Effect.gen(function* () {
      const upstream = yield* wireUpstream(
        (query, transport) =>
          transport === "tcp" ? [] : [{ reply: replyTo(query, { question: questionIn(inSmallLetters(query)) }) }],
        0,
        true
      )
      const server = yield* serverFor(upstream, { DNS_SERVER_ATTEMPT_TIMEOUT_MS: "200" })
      for (let i = 0; i < 8; i++) assert.deepStrictEqual(addressesOf(yield* server.ask(fresh())), ["192.0.2.1"])
      assert.isAtMost(server.counters.read("upstream.unproven"), 3)
    })
  )

  it.live("are small where that is configured, for an upstream on loopback, and over TCP", () =>
    Effect.gen(function* () {
      let mixed = 0
      const upstream = yield* wireUpstream(
        (query, transport) => {
          if (inCapitals(questionIn(query))) mixed++
          return [{ reply: replyTo(query, { isTruncated: transport === "udp" }) }]
        },
        0,
        true
      )
      const off = yield* serverFor(upstream, { DNS_SERVER_MIX_CASE: "off" })
      for (let i = 0; i < 5; i++) yield* off.ask(fresh())
      const onLoopback = yield* serverFor(upstream, { DNS_SERVER_MIX_CASE: "auto" })
      for (let i = 0; i < 5; i++) yield* onLoopback.ask(fresh())
      const tcp = yield* serverFor(upstream, { DNS_SERVER_UPSTREAMS: `tcp://${upstream.address}` })
      for (let i = 0; i < 5; i++) assert.deepStrictEqual(addressesOf(yield* tcp.ask(fresh())), ["192.0.2.1"])
      assert.strictEqual(mixed, 0)
    })
  )
})

describe("cookies for upstreams (RFC 7873 §5)", () => {
  /** Gives a cookie of its own behind the client's. */
  const own = octets(long(0x01020304), long(0x05060708))

  it.live("are sent from the first question on, with the server's part once it is known", () =>
    Effect.gen(function* () {
      const seen: Array<Buffer> = []
      const upstream = yield* wireUpstream((query) => {
        const cookie = Buffer.from(optionIn(query, COOKIE)!)
        seen.push(cookie)
        return [{ reply: replyTo(query, { cookie: octets(cookie.subarray(0, 8), own) }) }]
      })
      const server = yield* serverFor(upstream)
      for (let i = 0; i < 4; i++) yield* server.ask(fresh())
      assert.deepStrictEqual(
        seen.map(({ length }) => length),
        [8, 16, 16, 16]
      )
      assert.deepStrictEqual(new Set(seen.map((cookie) => cookie.toString("hex", 0, 8))).size, 1)
      assert.deepStrictEqual([...seen[1]!.subarray(8)], [...own])
    })
  )

  it.live("that are not ours are a forger's, and the wait goes on (§5.3)", () =>
    Effect.gen(function* () {
      const upstream = yield* wireUpstream((query) => {
        const cookie = Buffer.from(optionIn(query, COOKIE)!)
        const other = Buffer.from(cookie)
        other[3]! ^= 1
        return [
          { reply: replyTo(query, { address: EVIL, cookie: other }) },
          { reply: replyTo(query, { address: EVIL, cookie: octets([1, 2, 3]) }) },
          { reply: replyTo(query, { cookie: octets(cookie.subarray(0, 8), own) }), delayMs: 20 }
        ]
      })
      const server = yield* serverFor(upstream)
      for (let i = 0; i < 3; i++) assert.deepStrictEqual(addressesOf(yield* server.ask(fresh())), ["192.0.2.1"])
      assert.strictEqual(server.counters.read("upstream.unproven"), 0)
    })
  )

  it.live("that are missing where the upstream has given some are asked for again by TCP", () =>
    Effect.gen(function* () {
      let isForged = false
      let isGone = false
      const by = { udp: 0, tcp: 0 }
      const upstream = yield* wireUpstream((query, transport) => {
        by[transport]++
        const sent = optionIn(query, COOKIE)
        if (transport === "tcp" || isGone || sent === undefined) return [{ reply: replyTo(query) }]
        const cookie = octets(sent.subarray(0, 8), own)
        return isForged
          ? [{ reply: replyTo(query, { address: EVIL }) }, { reply: replyTo(query, { cookie }), delayMs: 20 }]
          : [{ reply: replyTo(query, { cookie }) }]
      })
      const server = yield* serverFor(upstream)
      yield* server.ask(fresh())
      isForged = true
      assert.deepStrictEqual(addressesOf(yield* server.ask(fresh())), ["192.0.2.1"])
      assert.deepStrictEqual(by, { udp: 2, tcp: 1 })
      // One that has given them up is believed at once.
      isForged = false
      yield* server.ask(fresh())
      isGone = true
      for (let i = 0; i < 5; i++) assert.deepStrictEqual(addressesOf(yield* server.ask(fresh())), ["192.0.2.1"])
      assert.deepStrictEqual(by, { udp: 8, tcp: 2 })
    })
  )

  it.live("that the server does not know any more (BADCOOKIE) are shown anew; where that is not enough, TCP", () =>
    Effect.gen(function* () {
      let secret = 1
      const by = { udp: 0, tcp: 0 }
      const upstream = yield* wireUpstream((query, transport) => {
        by[transport]++
        if (transport === "tcp") return [{ reply: replyTo(query) }]
        const sent = Buffer.from(optionIn(query, COOKIE)!)
        const right = Buffer.from(octets(sent.subarray(0, 8), long(0), long(secret)))
        if (secret < 0) secret--
        return [{ reply: replyTo(query, { cookie: right, rcode: sent.equals(right) ? 0 : BADCOOKIE }) }]
      })
      const server = yield* serverFor(upstream)
      yield* server.ask(fresh())
      assert.deepStrictEqual(by, { udp: 2, tcp: 0 })
      yield* server.ask(fresh())
      assert.deepStrictEqual(by, { udp: 3, tcp: 0 })
      secret = 2
      assert.deepStrictEqual(addressesOf(yield* server.ask(fresh())), ["192.0.2.1"])
      assert.deepStrictEqual(by, { udp: 5, tcp: 0 })
      // Several servers at one address, with a secret each.
      secret = -1
      assert.deepStrictEqual(addressesOf(yield* server.ask(fresh())), ["192.0.2.1"])
      assert.deepStrictEqual(by, { udp: 7, tcp: 1 })
    })
  )

  it.live("are left out for who answers FORMERR to them, and where that is configured", () =>
    Effect.gen(function* () {
      let withCookie = 0
      const upstream = yield* wireUpstream((query) => {
        const has = optionIn(query, COOKIE) !== undefined
        if (has) withCookie++
        return [{ reply: replyTo(query, { rcode: has ? 1 : 0 }) }]
      })
      const server = yield* serverFor(upstream)
      for (let i = 0; i < 12; i++) assert.deepStrictEqual(addressesOf(yield* server.ask(fresh())), ["192.0.2.1"])
      assert.isBelow(withCookie, 12)
      withCookie = 0
      const off = yield* serverFor(upstream, { DNS_SERVER_UPSTREAM_COOKIES: "false" })
      for (let i = 0; i < 5; i++) yield* off.ask(fresh())
      assert.strictEqual(withCookie, 0)
    })
  )
})

describe("a forger who guesses ids", () => {
  it.live("raises an alarm: what waits, and what comes, is asked by TCP until he is gone", () =>
    Effect.gen(function* () {
      const by = { udp: 0, tcp: 0 }
      let isFlood = true
      const upstream = yield* wireUpstream((query, transport) => {
        by[transport]++
        if (transport === "tcp") return [{ reply: replyTo(query) }]
        if (!isFlood) return [{ reply: replyTo(query) }]
        const id = query.readUInt16BE(0)
        // All but the right one: the true upstream is slow.
        return Array.from({ length: 200 }, (_, i) => ({
          reply: replyTo(query, { address: EVIL, id: (id + 1 + i * 300) & 0xffff })
        }))
      })
      const lines: Array<string> = []
      const server = yield* startServer({ DNS_SERVER_UPSTREAMS: upstream.address }, lines)
      for (let i = 0; i < 3; i++) assert.deepStrictEqual(addressesOf(yield* server.ask(fresh())), ["192.0.2.1"])
      assert.deepStrictEqual(by, { udp: 1, tcp: 3 })
      assert.strictEqual(server.counters.read("upstream.spoofed"), 1)
      assert.strictEqual(lines.filter((line) => line.includes("forged replies")).length, 1)
      isFlood = false
      yield* until("it is asked by UDP again", () => by.udp > 1).pipe(
        Effect.raceFirst(
          Effect.forever(
            Effect.andThen(
              Effect.suspend(() => server.ask(fresh())),
              Effect.sleep(200)
            )
          )
        )
      )
    })
  )

  it.live("is not believed for being faster than an upstream that is slow by TCP, however often that is asked", () =>
    Effect.gen(function* () {
      const by = { udp: 0, tcp: 0 }
      const upstream = yield* wireUpstream((query, transport) => {
        by[transport]++
        if (transport === "tcp") return [{ reply: replyTo(query), delayMs: 1_200 }]
        const id = query.readUInt16BE(0)
        const wrong = Array.from({ length: 100 }, (_, i) => ({
          reply: replyTo(query, { address: EVIL, id: (id + 1 + i * 300) & 0xffff })
        }))
        // At the first question he has to guess; at a second one he would have had the time to try all ids.
        return by.udp === 1 ? wrong : [{ reply: replyTo(query, { address: EVIL }) }]
      })
      const server = yield* startServer({
        DNS_SERVER_UPSTREAMS: upstream.address,
        DNS_SERVER_ATTEMPT_TIMEOUT_MS: "300",
        DNS_SERVER_RETRIES: "3"
      })
      for (let i = 0; i < 3; i++) assert.deepStrictEqual(addressesOf(yield* server.ask(fresh())), ["192.0.2.1"])
      assert.strictEqual(by.udp, 1)
      assert.strictEqual(server.counters.read("upstream.spoofed"), 1)
    })
  )

  it.live("is not whoever answers late, or twice", () =>
    Effect.gen(function* () {
      const upstream = yield* wireUpstream((query) => {
        const reply = replyTo(query)
        return Array.from({ length: 50 }, (_, i) => ({ reply, delayMs: i }))
      })
      const server = yield* serverFor(upstream)
      for (let i = 0; i < 10; i++) assert.strictEqual(rcodeOf(yield* server.ask(fresh())), "NOERROR")
      yield* until("all have come", () => server.counters.read("upstream.strangers") >= 400)
      assert.strictEqual(server.counters.read("upstream.spoofed"), 0)
    })
  )

  it.live("costs no answer where the upstream knows no TCP", () =>
    Effect.gen(function* () {
      const upstream = yield* wireUpstream((query, transport) => {
        if (transport === "tcp") return [{ resetAfter: 0, reply: Buffer.alloc(2) }]
        const id = query.readUInt16BE(0)
        const forged = Array.from({ length: 30 }, (_, i) => ({
          reply: replyTo(query, { address: EVIL, id: (id + 1 + i) & 0xffff })
        }))
        return [...forged, { reply: replyTo(query), delayMs: 5 }]
      })
      const server = yield* serverFor(upstream)
      for (let i = 0; i < 5; i++) assert.deepStrictEqual(addressesOf(yield* server.ask(fresh())), ["192.0.2.1"])
    })
  )
})
