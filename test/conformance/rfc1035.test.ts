/**
 * RFC 1035: Domain names – implementation and specification. What of it concerns a forwarder: headers, questions and
 * names in messages, sizes by UDP, framing by TCP, and how long records may be kept (§3.2.1, §4). Malformed names are in
 * RFC 9267, what RFC 2181 made clearer is there.
 */
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { openTcp } from "../support/clients/tcp-client.ts"
import { MemoryNetwork } from "../support/servers/memory-network.ts"
import { anAddress, memoryServer, pass, upstreamAt } from "../support/servers/memory-server.ts"
import { askPipelined } from "../support/servers/server.ts"
import { framed } from "../support/upstreams/fake-upstream.ts"
import { questionEnd } from "../support/upstreams/mirror.ts"
import { octets, pointer, query, question, record, wireName, withPointer, word } from "../support/wire/messages.ts"
import { readReply } from "../support/wire/reply-reader.ts"
import {
  address,
  always,
  asking,
  askRead,
  here,
  NOERROR,
  NXDOMAIN,
  oneAddress,
  respond,
  roomFor,
  textOf,
  ttlsOf
} from "./responses.ts"
import { clientOf, EVERYWHERE, serve, ways } from "./ways.ts"

const WWW = "www.example.test"
const NAME = wireName(WWW)
/** Where the labels of `WWW` stand in a message about it. */
const EXAMPLE_AT = 16
const [CNAME, MX, NS, TXT] = [5, 15, 2, 16]
const [AA, TC, RD, RA, Z] = [0x400, 0x200, 0x100, 0x80, 0x40]
const SECOND = 1_000

describe("RFC 1035: domain names – implementation and specification", () => {
  it.effect("§3.2.1: a record is kept for its TTL, which counts down, and not a second longer", () =>
    Effect.gen(function* () {
      const network = new MemoryNetwork()
      const upstream = yield* upstreamAt(network, 1)
      const server = yield* memoryServer(network, [1], { DNS_SERVER_CACHE_PREFETCH: "false" })
      yield* server.ask(WWW)
      yield* upstream.asked[0]!.answer(anAddress(WWW, "192.0.2.1", 100))
      for (const seconds of [1, 59, 39]) {
        yield* pass(seconds * SECOND)
        yield* server.ask(WWW)
      }
      assert.deepStrictEqual(
        server.answers().map(({ answers }) => ttlsOf(answers)),
        [[100], [99], [40], [1]]
      )
      assert.strictEqual(upstream.asked.length, 1)
      yield* pass(SECOND)
      yield* server.ask(WWW)
      assert.strictEqual(upstream.asked.length, 2)
    })
  )

  it.live("§3.2.1: a record whose TTL is 0 is used for the question that is under way, and is not kept", () =>
    Effect.gen(function* () {
      const { server, upstream } = yield* serve(always({ answers: [address(0)] }))
      for (const times of [1, 2]) {
        const { answers } = yield* askRead(server, asking(WWW))
        assert.deepStrictEqual(
          answers.map(({ ttl }) => ttl),
          [0]
        )
        assert.strictEqual(upstream.queries(), times)
      }
    })
  )

  it.live("§4.1.1: what the upstream said of itself in the header, AA and Z, does not come through", () =>
    Effect.gen(function* () {
      const { server } = yield* serve(always({ flags: NOERROR | AA | Z, answers: [address()] }))
      for (const flags of [RD, RD | AA | TC | RA | Z]) {
        const reply = yield* askRead(server, asking(WWW, 1, undefined, flags))
        assert.strictEqual(reply.flags, "QR RD RA")
        assert.strictEqual(reply.answers.length, 1)
      }
    })
  )

  for (const way of ways) {
    it.live(`§4.1.1: id and question come back as they were, QR and RA are set, by ${way}`, () =>
      Effect.gen(function* () {
        const { server } = yield* serve(oneAddress, EVERYWHERE)
        const client = yield* clientOf(way, server)
        for (const id of [0, 1, 0x8000, 0xffff]) {
          const reply = yield* client.ask(query({ id, questions: [question(WWW)] }))
          assert.strictEqual(reply.readUInt16BE(0), id)
          assert.strictEqual(reply.readUInt16BE(2), NOERROR)
          assert.deepStrictEqual(reply.subarray(12, questionEnd(reply)), Buffer.from(question(WWW)))
        }
      })
    )
  }

  it.live("§4.1.1: the counts say what follows: records of each section, and nothing behind them", () =>
    Effect.gen(function* () {
      const host = octets([1, 0x61], here)
      const { server } = yield* serve(
        always({
          answers: [record(here, MX, 60, octets(word(10), host)), record(here, MX, 60, octets(word(20), host))],
          authorities: [record(here, NS, 60, host)],
          additionals: [address(60, 7, host)]
        })
      )
      const reply = yield* askRead(server, asking(WWW, MX))
      const counts = [reply.answers, reply.authorities, reply.additionals].map(({ length }) => length)
      assert.deepStrictEqual([...counts, reply.rest], [2, 1, 1, 0])
    })
  )

  it.live("§4.1.1: the rcode is the upstream's where it is an answer: NXDOMAIN with its aliases", () =>
    Effect.gen(function* () {
      const { server } = yield* serve(
        always({ flags: NXDOMAIN, answers: [record(here, CNAME, 60, withPointer("gone", EXAMPLE_AT))] })
      )
      const reply = yield* askRead(server, asking(WWW))
      assert.strictEqual(reply.rcode, 3)
      assert.deepStrictEqual(
        reply.answers.map(({ data }) => data),
        ["gone.example.test."]
      )
    })
  )

  it.live("§4.1.4: names that are compressed in any way are read: by labels, by pointers, by pointers to these", () =>
    Effect.gen(function* () {
      const first = withPointer("first", EXAMPLE_AT)
      const firstAt = 12 + NAME.length + 4 + 12
      const secondAt = firstAt + first.length + 12
      const { server } = yield* serve(
        always({
          answers: [
            record(here, CNAME, 60, first),
            record(pointer(firstAt), CNAME, 60, withPointer("second", EXAMPLE_AT)),
            record(pointer(secondAt), 1, 60, [192, 0, 2, 1]),
            // The owner of the record before, which is a pointer itself.
            record(pointer(secondAt + withPointer("second", EXAMPLE_AT).length), 1, 60, [192, 0, 2, 2]),
            record(wireName("second.example.test"), 1, 60, [192, 0, 2, 3])
          ]
        })
      )
      const { answers } = yield* askRead(server, asking(WWW))
      assert.deepStrictEqual(
        answers.slice(0, 2).map(({ data, owner }) => `${owner} ${data}`),
        ["www.example.test. first.example.test.", "first.example.test. second.example.test."]
      )
      assert.sameMembers(
        answers.slice(2).map(({ data, owner }) => `${owner} ${data}`),
        ["c0000201", "c0000202", "c0000203"].map((data) => `second.example.test. ${data}`)
      )
    })
  )

  it.live("§4.1.4: a pointer in a reply leads to a name that stands before it, whatever the upstream compressed", () =>
    Effect.gen(function* () {
      const mails = ["a.mail", "b.mail", "mail", "www"].map((host) => wireName(`${host}.example.test`))
      const { server } = yield* serve(
        always({
          answers: mails.map((mail, i) => record(NAME, MX, 60, octets(word(i), mail))),
          authorities: mails.map((mail) => record(wireName("example.test"), NS, 60, mail)),
          additionals: mails.map((mail, i) => address(60, i, mail))
        })
      )
      const [reply] = yield* askPipelined(server.port, [asking(WWW, MX)])
      const { labels, pointers } = namesIn(reply!)
      assert.isAbove(pointers.length, 8)
      for (const [at, to] of pointers) {
        assert.isBelow(to, at)
        assert.isTrue(labels.has(to), `a label begins at ${to}`)
      }
      assert.deepStrictEqual(
        readReply(reply!).additionals.map(({ owner }) => owner),
        ["a.mail", "b.mail", "mail", "www"].map((host) => `${host}.example.test.`)
      )
    })
  )

  it.live("§4.2.1: a reply by UDP measures at most 512 octets where the query has no OPT; what is more is cut", () =>
    Effect.gen(function* () {
      for (const [size, isCut] of [
        [511, false],
        [512, false],
        [513, true],
        [1_200, true]
      ] as const) {
        const { server } = yield* serve((asked) => [
          { reply: respond(asked, { answers: [record(here, TXT, 60, textOf(roomFor(asked, size)))] }) }
        ])
        const reply = yield* askRead(server, asking(WWW, TXT))
        assert.strictEqual(reply.flags, isCut ? "QR TC RD RA" : "QR RD RA", String(size))
        assert.strictEqual(reply.length, isCut ? 12 + NAME.length + 4 : size)
      }
    })
  )

  it.live("§4.2.1: what is lost on the way to the upstream is sent again", () =>
    Effect.gen(function* () {
      const { server, upstream } = yield* serve(
        (asked, transport, count) => (count < 3 ? [] : oneAddress(asked, transport, count)),
        { DNS_SERVER_ATTEMPT_TIMEOUT_MS: "50", DNS_SERVER_RETRIES: "2" }
      )
      const reply = yield* askRead(server, asking(WWW))
      assert.deepStrictEqual([reply.rcode, reply.answers.length], [0, 1])
      assert.strictEqual(upstream.queries(), 3)
    })
  )

  it.live("§4.2.2: a message by TCP has its length before it, of two octets, and may measure 65,535", () =>
    Effect.gen(function* () {
      const { server } = yield* serve((asked, transport) => [
        {
          reply:
            transport === "udp"
              ? respond(asked, { flags: NOERROR | TC })
              : respond(asked, { answers: [record(here, TXT, 60, textOf(roomFor(asked, 65_535)))] })
        }
      ])
      const [reply] = yield* askPipelined(server.port, [asking(WWW, TXT)])
      const read = readReply(reply!)
      assert.deepStrictEqual([read.flags, read.length, read.answers.length], ["QR RD RA", 65_535, 1])
    })
  )

  it.live("§4.2.2: a connection stays open after an answer, and carries the next query", () =>
    Effect.gen(function* () {
      const { server } = yield* serve(oneAddress)
      const client = yield* openTcp(server.port)
      for (let asked = 1; asked <= 3; asked++) {
        client.socket.write(framed(query({ id: asked, questions: [question(`n${asked}.example.test`)] })))
        yield* client.awaitAnswers(asked)
        assert.strictEqual(client.answers[asked - 1]!.readUInt16BE(0), asked)
      }
      assert.isFalse(client.isClosed())
    })
  )
})

interface Names {
  /** Where labels begin. */
  readonly labels: ReadonlySet<number>
  /** Where pointers stand, and where they lead. */
  readonly pointers: ReadonlyArray<readonly [at: number, to: number]>
}

/** The names of a message: of its question, of owners, and in the data of MX and NS. */
const namesIn = (wire: Buffer): Names => {
  const labels = new Set<number>()
  const pointers: Array<readonly [number, number]> = []
  const skip = (start: number): number => {
    let at = start
    for (; wire[at] !== 0 && wire[at]! < 0xc0; at += wire[at]! + 1) labels.add(at)
    if (wire[at] === 0) return at + 1
    pointers.push([at, wire.readUInt16BE(at) & 0x3fff])
    return at + 2
  }
  let at = skip(12) + 4
  for (let left = wire.readUInt16BE(6) + wire.readUInt16BE(8) + wire.readUInt16BE(10); left > 0; left--) {
    at = skip(at)
    const [type, data] = [wire.readUInt16BE(at), at + 10]
    if (type === MX) skip(data + 2)
    if (type === NS) skip(data)
    at = data + wire.readUInt16BE(at + 8)
  }
  return { labels, pointers }
}
