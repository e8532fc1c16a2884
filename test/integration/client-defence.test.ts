/** What keeps clients from using the server against others: cookies, rates, short answers to who may be somebody else. */
import { connect } from "node:net"
import { assert, describe, it } from "@effect/vitest"
import packet from "dns-packet"
import { Effect } from "effect"
import { askDig, dig } from "../support/clients/dig.ts"
import { exchange, exchangeWithin, socketAt } from "../support/clients/udp-client.ts"
import { until } from "../support/machine/until.ts"
import { startListening } from "../support/servers/process.ts"
import { startServer } from "../support/servers/server.ts"
import { address, fakeUpstream, reply } from "../support/upstreams/fake-upstream.ts"
import { message, type Octets, octets, opt, option, question, word } from "../support/wire/messages.ts"

const COOKIE = 10
const CLIENT_COOKIE = [1, 2, 3, 4, 5, 6, 7, 8]
const CLIENT = "127.0.0.9"
const BADCOOKIE = 23

const queryWith = (cookie: Octets | undefined, name = "www.example.com", type = 1): Uint8Array =>
  message({
    questions: [question(name, type)],
    additionals: [opt({ size: 4096, options: cookie === undefined ? [] : option(COOKIE, cookie) })]
  })

interface Reply {
  readonly rcode: number
  readonly isTruncated: boolean
  readonly answers: number
  readonly length: number
  readonly cookie: Buffer | undefined
}

const readReply = (octetsOf: Buffer): Reply => {
  const { additionals = [], answers = [] } = packet.decode(octetsOf)
  const edns = additionals.find(({ type }) => type === "OPT") as
    | {
        readonly extendedRcode: number
        readonly options: ReadonlyArray<{ readonly code: number; readonly data: Buffer }>
      }
    | undefined
  return {
    rcode: (octetsOf[3]! & 15) | ((edns?.extendedRcode ?? 0) << 4),
    isTruncated: (octetsOf[2]! & 2) !== 0,
    answers: answers.length,
    length: octetsOf.length,
    cookie: edns?.options.find(({ code }) => code === COOKIE)?.data
  }
}

const manyAddresses = fakeUpstream((asked) => [
  {
    reply: reply(asked, {
      answers: Array.from({ length: 40 }, (_, i) => ({
        name: asked.questions![0]!.name,
        type: "A" as const,
        ttl: 300,
        data: `192.0.2.${i}`
      }))
    })
  }
])

const serverWith = (settings: Record<string, string>) =>
  Effect.gen(function* () {
    const upstream = yield* manyAddresses
    return yield* startServer({ DNS_SERVER_UPSTREAMS: upstream.address, ...settings })
  })

const byTcp = (port: number, query: Uint8Array, from = CLIENT): Effect.Effect<Buffer> =>
  Effect.callback((resume) => {
    const socket = connect({ port, host: "127.0.0.1", localAddress: from })
    const chunks: Array<Buffer> = []
    socket.on("error", (error) => resume(Effect.die(error)))
    socket.on("data", (chunk: Buffer) => {
      chunks.push(chunk)
      const all = Buffer.concat(chunks)
      if (all.length < 2 || all.length < 2 + all.readUInt16BE(0)) return
      socket.destroy()
      resume(Effect.succeed(all.subarray(2)))
    })
    socket.write(octets(word(query.length), query))
  })

describe("DNS cookies (RFC 7873, RFC 9018)", () => {
  it.live("are given to who sends one, and known when they come back: by UDP, by TCP, on answers and errors", () =>
    Effect.gen(function* () {
      const { counters, port } = yield* serverWith({})
      const socket = yield* socketAt(CLIENT)
      const first = readReply(yield* exchange(socket, port, queryWith(CLIENT_COOKIE)))
      assert.strictEqual(first.cookie?.length, 24)
      assert.deepStrictEqual([...first.cookie!.subarray(0, 8)], CLIENT_COOKIE)
      assert.strictEqual(counters.read("cookies.new"), 1)
      // From the cache, too, and by TCP; the young cookie is given again.
      for (const ask of [exchange(socket, port, queryWith(first.cookie!)), byTcp(port, queryWith(first.cookie!))]) {
        assert.deepStrictEqual(readReply(yield* ask).cookie, first.cookie)
      }
      assert.strictEqual(counters.read("cookies.valid"), 2)
      const refused = readReply(yield* exchange(socket, port, queryWith(first.cookie!, "x.example.com", 252)))
      assert.strictEqual(refused.rcode, 5)
      assert.deepStrictEqual(refused.cookie, first.cookie)
      const without = readReply(yield* exchange(socket, port, queryWith(undefined)))
      assert.isUndefined(without.cookie)
    })
  )

  it.live("of another client, or of nobody, are replaced, and the question is answered all the same", () =>
    Effect.gen(function* () {
      const { counters, port } = yield* serverWith({})
      const own = readReply(yield* exchange(yield* socketAt(CLIENT), port, queryWith(CLIENT_COOKIE))).cookie!
      const elsewhere = yield* socketAt("127.0.0.10")
      for (const cookie of [own, octets(CLIENT_COOKIE, new Uint8Array(8)), octets(CLIENT_COOKIE, new Uint8Array(32))]) {
        const { answers, cookie: given } = readReply(yield* exchange(elsewhere, port, queryWith(cookie)))
        assert.isAbove(answers, 0)
        assert.strictEqual(given?.length, 24)
        assert.notDeepEqual(given, own)
      }
      assert.strictEqual(counters.read("cookies.invalid"), 3)
    })
  )

  it.live("of a size that none has are FORMERR (RFC 7873 §5.2.2), and of two the first counts", () =>
    Effect.gen(function* () {
      const { port } = yield* serverWith({})
      const socket = yield* socketAt(CLIENT)
      for (const size of [0, 1, 7, 9, 15, 41, 200]) {
        const { rcode } = readReply(yield* exchange(socket, port, queryWith(new Uint8Array(size))))
        assert.strictEqual(rcode, 1, `${size} octets`)
      }
      const two = message({
        questions: [question("www.example.com")],
        additionals: [opt({ options: octets(option(COOKIE, CLIENT_COOKIE), option(COOKIE, [1])) })]
      })
      const { cookie, rcode } = readReply(yield* exchange(socket, port, two))
      assert.strictEqual(rcode, 0)
      assert.deepStrictEqual([...cookie!.subarray(0, 8)], CLIENT_COOKIE)
    })
  )

  it.live("are asked for without a question (RFC 7873 §5.4); without a cookie such a query is FORMERR", () =>
    Effect.gen(function* () {
      const { port } = yield* serverWith({})
      const socket = yield* socketAt(CLIENT)
      const query = message({ additionals: [opt({ options: option(COOKIE, CLIENT_COOKIE) })] })
      const told = yield* exchange(socket, port, query)
      assert.strictEqual(told.readUInt16BE(4), 0)
      const { cookie, rcode } = readReply(told)
      assert.strictEqual(rcode, 0)
      assert.strictEqual(cookie?.length, 24)
      assert.strictEqual(readReply(yield* exchange(socket, port, message({ additionals: [opt()] }))).rcode, 1)
      const forged = message({
        additionals: [opt({ options: option(COOKIE, octets(CLIENT_COOKIE, new Uint8Array(16))) })]
      })
      const bad = readReply(yield* exchange(socket, port, forged))
      assert.deepStrictEqual([bad.rcode, bad.cookie?.length], [BADCOOKIE, 24])
    })
  )

  it.live("are not given, nor looked at, where they are switched off", () =>
    Effect.gen(function* () {
      const { port } = yield* serverWith({ DNS_SERVER_COOKIES: "false" })
      const socket = yield* socketAt(CLIENT)
      for (const cookie of [CLIENT_COOKIE, [1]]) {
        const told = readReply(yield* exchange(socket, port, queryWith(cookie)))
        assert.deepStrictEqual([told.rcode, told.cookie], [0, undefined])
      }
      const query = message({ additionals: [opt({ options: option(COOKIE, CLIENT_COOKIE) })] })
      assert.strictEqual(readReply(yield* exchange(socket, port, query)).rcode, 1)
    })
  )

  it.live("of one server are good at another with the same secret, and at one to which the old secret is left", () =>
    Effect.gen(function* () {
      const [old, fresh] = ["e5e973e5a6b2a43f48e7dc849e37bfcf", "445536bcd2513298075A5D379663C962"]
      const cookieAt = (port: number, cookie: Octets) =>
        Effect.flatMap(socketAt(CLIENT), (socket) =>
          Effect.map(exchange(socket, port, queryWith(cookie)), (octetsOf) => readReply(octetsOf).cookie!)
        )
      const first = yield* serverWith({ DNS_SERVER_COOKIE_SECRETS: old })
      const given = yield* cookieAt(first.port, CLIENT_COOKIE)
      const second = yield* serverWith({ DNS_SERVER_COOKIE_SECRETS: `${fresh},${old}` })
      const renewed = yield* cookieAt(second.port, given)
      assert.strictEqual(second.counters.read("cookies.valid"), 1)
      assert.notDeepEqual(renewed, given)
      const third = yield* serverWith({ DNS_SERVER_COOKIE_SECRETS: fresh })
      assert.deepStrictEqual(yield* cookieAt(third.port, renewed), renewed)
      yield* cookieAt(third.port, given)
      assert.strictEqual(third.counters.read("cookies.invalid"), 1)
    })
  )

  it.live("are the same in all threads of a server", () =>
    Effect.gen(function* () {
      const upstream = yield* fakeUpstream(address("192.0.2.1"))
      const { port } = yield* startListening({ DNS_SERVER_UPSTREAMS: upstream.address, DNS_SERVER_WORKERS: "2" })
      const cookies = new Set<string>()
      let cookie: Octets = CLIENT_COOKIE
      for (let i = 0; i < 16; i++) {
        const given: Buffer = readReply(yield* exchange(yield* socketAt(CLIENT), port, queryWith(cookie))).cookie!
        cookie = given
        cookies.add(given.toString("hex"))
      }
      assert.strictEqual(cookies.size, 1)
    })
  )

  it.live.skipIf(dig === undefined)("are taken by dig", () =>
    Effect.gen(function* () {
      const { port } = yield* serverWith({})
      const output = yield* askDig(port, ["+cookie", "+tries=1", "www.example.com"])
      assert.match(output, /COOKIE: [0-9a-f]{48} \(good\)/)
    })
  )
})

describe("replies to addresses that may be forged", () => {
  it.live("are no longer than so many times the query, without a good cookie", () =>
    Effect.gen(function* () {
      const { port } = yield* serverWith({ DNS_SERVER_MAX_AMPLIFICATION: "3" })
      const socket = yield* socketAt(CLIENT)
      const query = queryWith(CLIENT_COOKIE)
      const cut = readReply(yield* exchange(socket, port, query))
      assert.isTrue(cut.isTruncated)
      assert.isAtMost(cut.length, 3 * query.length)
      const whole = readReply(yield* exchange(socket, port, queryWith(cut.cookie!)))
      assert.deepStrictEqual([whole.isTruncated, whole.answers], [false, 40])
      const byStream = readReply(yield* byTcp(port, query))
      assert.deepStrictEqual([byStream.isTruncated, byStream.answers], [false, 40])
      // Errors keep to it too: they say less.
      const silent = yield* fakeUpstream(() => [])
      const failing = yield* startServer({
        DNS_SERVER_UPSTREAMS: silent.address,
        DNS_SERVER_MAX_AMPLIFICATION: "1",
        DNS_SERVER_QUERY_TIMEOUT_SECS: "0.2"
      })
      const plainEdns = queryWith(undefined)
      const failed = readReply(yield* exchange(socket, failing.port, plainEdns))
      assert.deepStrictEqual([failed.rcode, failed.length], [2, plainEdns.length])
      // What there is no room to shorten is sent: header, question, OPT.
      const plain = message({ questions: [question("www.example.com")] })
      const short = readReply(yield* exchange(socket, port, plain))
      assert.isTrue(short.isTruncated)
      assert.isAtMost(short.length, 3 * plain.length)
    })
  )

  it.live("of one kind are so many a second for a network; of the rest each other one is sent truncated", () =>
    Effect.gen(function* () {
      const { counters, port } = yield* serverWith({
        DNS_SERVER_RESPONSE_RATE_LIMIT: "5",
        DNS_SERVER_RATE_LIMIT_EXEMPT: "127.0.0.77",
        DNS_SERVER_RATE_LIMIT_IPV4_PREFIX: "29"
      })
      const socket = yield* socketAt(CLIENT)
      const neighbour = yield* socketAt("127.0.0.10")
      const seen = { whole: 0, truncated: 0, none: 0 }
      for (let i = 0; i < 25; i++) {
        const before = counters.read("answers.limited")
        const isDropped = until("it is dropped", () => counters.read("answers.limited") > before)
        const answer = yield* Effect.raceFirst(
          exchange(i % 2 === 0 ? socket : neighbour, port, queryWith(undefined)),
          Effect.as(isDropped, undefined)
        )
        if (answer === undefined) seen.none++
        else if (readReply(answer).isTruncated) seen.truncated++
        else seen.whole++
      }
      assert.isAtLeast(seen.whole, 5)
      // Half of the rest, however long all of it took.
      assert.isAtLeast(seen.truncated, 3)
      assert.isAtMost(Math.abs(seen.truncated - seen.none), 1)
      assert.strictEqual(counters.read("answers.slipped"), seen.truncated)
      assert.strictEqual(counters.read("answers.limited"), seen.none)
      // Another name, another network, one that is exempt, a good cookie, TCP: none of them are limited.
      const other = readReply(yield* exchange(socket, port, queryWith(undefined, "other.example.com")))
      assert.strictEqual(other.answers, 40)
      const far = yield* socketAt("127.0.0.20")
      const exempt = yield* socketAt("127.0.0.77")
      const { cookie } = readReply(yield* exchange(far, port, queryWith(CLIENT_COOKIE)))
      for (let i = 0; i < 12; i++) {
        assert.strictEqual(readReply(yield* exchange(exempt, port, queryWith(undefined))).answers, 40)
        assert.strictEqual(readReply(yield* exchange(far, port, queryWith(cookie!))).answers, 40)
        assert.strictEqual(readReply(yield* byTcp(port, queryWith(undefined))).answers, 40)
      }
    })
  )
})

describe("the rate of queries", () => {
  const limited = (more: Record<string, string>) =>
    serverWith({
      DNS_SERVER_RATE_LIMIT: "0.01",
      DNS_SERVER_RATE_LIMIT_BURST: "4",
      DNS_SERVER_RATE_LIMIT_EXEMPT: "127.0.0.77",
      ...more
    })

  it.live("is kept by network; what is beyond is REFUSED, never longer than it was", () =>
    Effect.gen(function* () {
      const { counters, port } = yield* limited({ DNS_SERVER_SERVER_ID: "a-name-of-its-own" })
      const socket = yield* socketAt(CLIENT)
      const query = message({
        questions: [question("www.example.com")],
        additionals: [opt({ options: octets(option(COOKIE, CLIENT_COOKIE), option(3, [])) })]
      })
      for (let i = 0; i < 4; i++) assert.strictEqual(readReply(yield* exchange(socket, port, query)).rcode, 0)
      const refused = readReply(yield* exchange(socket, port, query))
      assert.deepStrictEqual([refused.rcode, refused.length <= query.length], [5, true])
      assert.strictEqual(counters.read("queries.limited"), 1)
      // Who shows that he is there has a rate of his own: a flood under his address shuts him out of nothing.
      const { cookie } = readReply(yield* byTcp(port, query))
      const proven = queryWith(cookie!)
      assert.strictEqual(readReply(yield* exchange(socket, port, proven)).rcode, 0)
      for (let i = 0; i < 2; i++) assert.strictEqual(readReply(yield* byTcp(port, query)).rcode, 0)
      assert.strictEqual(readReply(yield* byTcp(port, query)).rcode, 5)
      assert.strictEqual(readReply(yield* exchange(socket, port, proven)).rcode, 5)
      const others = [yield* socketAt("127.0.0.10"), yield* socketAt("127.0.0.77")]
      for (const other of others) assert.strictEqual(readReply(yield* exchange(other, port, query)).rcode, 0)
      // Who is exempt has no limit at all.
      for (let i = 0; i < 10; i++) assert.strictEqual(readReply(yield* exchange(others[1]!, port, query)).rcode, 0)
    })
  )

  it.live("drops what is beyond, or sends it to TCP, as configured", () =>
    Effect.gen(function* () {
      const query = queryWith(undefined)
      const dropping = yield* limited({ DNS_SERVER_RATE_LIMIT_ACTION: "drop" })
      const truncating = yield* limited({ DNS_SERVER_RATE_LIMIT_ACTION: "truncate" })
      const socket = yield* socketAt(CLIENT)
      for (const { port } of [dropping, truncating]) for (let i = 0; i < 4; i++) yield* exchange(socket, port, query)
      const truncated = readReply(yield* exchange(socket, truncating.port, query))
      assert.deepStrictEqual([truncated.rcode, truncated.isTruncated, truncated.answers], [0, true, 0])
      assert.strictEqual(readReply(yield* byTcp(truncating.port, query)).answers, 40)
      assert.isUndefined(yield* exchangeWithin(socket, dropping.port, query, 300))
      assert.strictEqual(dropping.counters.read("queries.limited"), 1)
    })
  )

  it.live("is one for all threads of a server", () =>
    Effect.gen(function* () {
      const upstream = yield* fakeUpstream(address("192.0.2.1"))
      const { port } = yield* startListening({
        DNS_SERVER_UPSTREAMS: upstream.address,
        DNS_SERVER_WORKERS: "2",
        DNS_SERVER_RATE_LIMIT: "0.01",
        DNS_SERVER_RATE_LIMIT_BURST: "10",
        DNS_SERVER_RATE_LIMIT_EXEMPT: "127.0.0.77"
      })
      let answered = 0
      // A port each: the kernel spreads them over the threads.
      for (let i = 0; i < 30; i++) {
        const { rcode } = readReply(yield* exchange(yield* socketAt(CLIENT), port, queryWith(undefined)))
        if (rcode === 0) answered++
      }
      assert.strictEqual(answered, 10)
    })
  )
})

describe("queries for ANY (RFC 8482)", () => {
  const any = message({ questions: [question("www.example.com", 255)], additionals: [opt({ size: 4096 })] })

  it.live("get one HINFO record", () =>
    Effect.gen(function* () {
      const { port } = yield* serverWith({})
      const told = packet.decode(yield* exchange(yield* socketAt(CLIENT), port, any))
      assert.deepStrictEqual(
        told.answers?.map((answer) => [answer.type, "data" in answer ? answer.data : undefined]),
        [["HINFO", { cpu: "RFC8482", os: "" }]]
      )
    })
  )

  it.live("are forwarded where that is configured, or where they come by TCP", () =>
    Effect.gen(function* () {
      const forwarding = yield* serverWith({ DNS_SERVER_ANY_QUERIES: "forward" })
      const socket = yield* socketAt(CLIENT)
      assert.strictEqual(readReply(yield* exchange(socket, forwarding.port, any)).answers, 40)
      const toTcp = yield* serverWith({ DNS_SERVER_ANY_QUERIES: "tcp" })
      const truncated = readReply(yield* exchange(socket, toTcp.port, any))
      assert.deepStrictEqual([truncated.isTruncated, truncated.answers], [true, 0])
      assert.strictEqual(readReply(yield* byTcp(toTcp.port, any)).answers, 40)
    })
  )
})

describe("what the server says of itself", () => {
  const ask = (port: number, name: string) =>
    Effect.gen(function* () {
      const query = message({ questions: [question(name, 16, 3)], additionals: [opt({ options: option(3, []) })] })
      return yield* exchange(yield* socketAt(CLIENT), port, query)
    })
  const NAMES = ["id.server", "HOSTNAME.bind", "version.bind", "Version.Server"]
  const nsidIn = (octetsOf: Buffer): string | undefined => {
    const edns = packet.decode(octetsOf).additionals?.[0] as
      | { readonly options: ReadonlyArray<{ readonly code: number; readonly data: Buffer }> }
      | undefined
    return edns?.options.find(({ code }) => code === 3)?.data.toString()
  }

  it.live("is nothing by default", () =>
    Effect.gen(function* () {
      const { port } = yield* serverWith({})
      for (const name of NAMES) {
        const octetsOf = yield* ask(port, name)
        assert.deepStrictEqual([octetsOf[3]! & 15, nsidIn(octetsOf)], [5, undefined], name)
      }
    })
  )

  it.live("is what is configured: NSID (RFC 5001), id.server (RFC 4892), version.bind", () =>
    Effect.gen(function* () {
      const { port } = yield* serverWith({ DNS_SERVER_SERVER_ID: "ams-1", DNS_SERVER_SERVER_VERSION: "1.2 (ours)" })
      for (const [i, name] of NAMES.entries()) {
        const octetsOf = yield* ask(port, name)
        const [answer] = packet.decode(octetsOf).answers ?? []
        assert.strictEqual(answer?.type, "TXT")
        assert.strictEqual(String((answer as { readonly data: unknown }).data), i < 2 ? "ams-1" : "1.2 (ours)")
        assert.strictEqual((answer as { readonly class?: string }).class, "CH")
        assert.strictEqual(nsidIn(octetsOf), "ams-1")
      }
      // What else there is in class CH is nobody's.
      assert.strictEqual((yield* ask(port, "authors.bind"))[3]! & 15, 5)
    })
  )
})

describe("connections", () => {
  interface Spoken {
    readonly answers: number
    /** Whether the server closed it. */
    readonly isClosed: boolean
  }

  /** Sends so many queries at once, and waits until the connection is closed, or all are answered. */
  const speak = (port: number, queries: number, from = CLIENT): Effect.Effect<Spoken> =>
    Effect.callback((resume) => {
      const socket = connect({ port, host: "127.0.0.1", localAddress: from })
      let received = Buffer.alloc(0)
      const answers = (): number => {
        let count = 0
        for (let at = 0; at + 2 <= received.length && at + 2 + received.readUInt16BE(at) <= received.length; count++)
          at += 2 + received.readUInt16BE(at)
        return count
      }
      const done = (isClosed: boolean): void => {
        socket.destroy()
        resume(Effect.succeed({ answers: answers(), isClosed }))
      }
      socket.on("error", () => {})
      socket.on("close", () => done(true))
      socket.on("end", () => done(true))
      socket.on("data", (chunk: Buffer) => {
        received = Buffer.concat([received, chunk])
        if (queries > 0 && answers() === queries) setTimeout(() => done(false), 50)
      })
      const query = queryWith(undefined)
      socket.write(Buffer.concat(Array.from({ length: queries }, () => octets(word(query.length), query))))
      return Effect.sync(() => socket.destroy())
    })

  it.live("take so many queries and no more, and answer these", () =>
    Effect.gen(function* () {
      const { counters, port } = yield* serverWith({ DNS_SERVER_TCP_MAX_QUERIES: "3" })
      assert.deepStrictEqual(yield* speak(port, 2), { answers: 2, isClosed: false })
      assert.deepStrictEqual(yield* speak(port, 3), { answers: 3, isClosed: true })
      assert.strictEqual((yield* speak(port, 9)).isClosed, true)
      assert.strictEqual(counters.read("tcp.worn"), 2)
    })
  )

  it.live("live so long and no longer", () =>
    Effect.gen(function* () {
      const { counters, port } = yield* serverWith({ DNS_SERVER_TCP_MAX_SECS: "0.2" })
      assert.deepStrictEqual(yield* speak(port, 0), { answers: 0, isClosed: true })
      assert.strictEqual(counters.read("tcp.worn"), 1)
    })
  )

  it.live("are opened at a rate by each client, others untouched", () =>
    Effect.gen(function* () {
      const { counters, port } = yield* serverWith({
        DNS_SERVER_TCP_CONNECTION_RATE: "2",
        DNS_SERVER_RATE_LIMIT_EXEMPT: "127.0.0.77"
      })
      const all = yield* Effect.all(
        Array.from({ length: 8 }, () => speak(port, 1)),
        { concurrency: 1 }
      )
      const refused = all.filter(({ answers }) => answers === 0).length
      assert.isAbove(refused, 2)
      assert.strictEqual(counters.read("tcp.limited"), refused)
      assert.deepStrictEqual(yield* speak(port, 1, "127.0.0.10"), { answers: 1, isClosed: false })
      for (let i = 0; i < 5; i++) {
        assert.deepStrictEqual(yield* speak(port, 1, "127.0.0.77"), { answers: 1, isClosed: false })
      }
    })
  )

  it.live("by HTTP answer what has begun to come, and say that it is the last", () =>
    Effect.gen(function* () {
      const { port } = yield* serverWith({ DNS_SERVER_LISTEN: "http://127.0.0.1:0", DNS_SERVER_TCP_MAX_QUERIES: "2" })
      const replies = yield* Effect.callback<string>((resume) => {
        const socket = connect({ port, host: "127.0.0.1" })
        let all = ""
        socket.on("data", (chunk: Buffer) => {
          all += chunk.toString("latin1")
        })
        socket.on("close", () => resume(Effect.succeed(all)))
        const dns = Buffer.from(queryWith(undefined)).toString("base64url")
        const get = `GET /dns-query?dns=${dns} HTTP/1.1\r\nhost: dns.example\r\n\r\n`
        socket.write(get + get)
      })
      assert.strictEqual(replies.split("HTTP/1.1 200").length, 3)
      assert.strictEqual(replies.split("connection: close").length, 2)
    })
  )
})
