/**
 * RFC 2181: Clarifications to the DNS specification. What of it concerns a forwarder: by which address it answers
 * (§4), RRsets as a whole (§5.1) and what may be answered from which section (§5.4), TTLs (§8), truncation (§9), names of any
 * octets (§11).
 */
import { createSocket } from "node:dgram"
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { datagramsOfRun, encodeQuestion, startServer } from "../support/servers/server.ts"
import { wireUpstream } from "../support/upstreams/fake-upstream.ts"
import { octets, record, soaData, wireName, word } from "../support/wire/messages.ts"
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
  typeIn
} from "./responses.ts"
import { serve } from "./ways.ts"

const WWW = "www.example.test"
const [NS, SOA, MX, TXT] = [2, 6, 15, 16]
const TC = 0x200
const HIGH_BIT = 0x8000_0000
const mail = octets([4, 0x6d, 0x61, 0x69, 0x6c], here)

describe("RFC 2181: clarifications to the DNS specification", () => {
  // Not the portable way: it could not answer from the address that was asked.
  it.live.skipIf(datagramsOfRun["DNS_SERVER_DATAGRAMS"] === "portable")(
    "§4.1: a reply comes from the address that was asked, though the server listens on all of them",
    () =>
      Effect.gen(function* () {
        const { server } = yield* serve(oneAddress, { DNS_SERVER_LISTEN: "udp://0.0.0.0:0" })
        for (const host of ["127.0.0.1", "127.0.0.53", "127.77.0.1"]) {
          // Connected: what comes from elsewhere is not heard.
          const reply = yield* Effect.callback<Buffer>((resume) => {
            const socket = createSocket("udp4")
            socket.once("message", (message) => resume(Effect.succeed(message)))
            socket.connect(server.port, host, () => socket.send(asking(WWW)))
            return Effect.sync(() => socket.close())
          })
          assert.strictEqual(readReply(reply).answers.length, 1)
        }
      })
  )

  it.live("§4.2: a reply goes to the port from which the query was sent, whichever that is", () =>
    Effect.gen(function* () {
      const { server } = yield* serve(oneAddress)
      const sockets = yield* Effect.acquireRelease(
        Effect.sync(() => Array.from({ length: 20 }, () => createSocket("udp4"))),
        (opened) =>
          Effect.sync(() => {
            for (const socket of opened) socket.close()
          })
      )
      const heard = yield* Effect.forEach(
        sockets,
        (socket, id) =>
          Effect.callback<number>((resume) => {
            socket.once("message", (message) => resume(Effect.succeed(message.readUInt16BE(0))))
            socket.send(encodeQuestion({ name: WWW }, id), server.port, "127.0.0.1")
          }),
        { concurrency: "unbounded" }
      )
      assert.deepStrictEqual(
        heard,
        sockets.map((_, id) => id)
      )
    })
  )

  it.live("§5.1, §9: an RRset goes out whole or not at all, and its absence is said by TC", () =>
    Effect.gen(function* () {
      const texts = Array.from({ length: 3 }, (_, i) =>
        record(here, TXT, 60, octets(textOf(199), [i, ...new Array(i).fill(0x79)]))
      )
      const { server } = yield* serve(always({ answers: texts }))
      const cut = yield* askRead(server, asking(WWW, TXT))
      assert.deepStrictEqual([cut.flags, cut.answers.length], ["QR TC RD RA", 0])
      const whole = yield* askRead(server, asking(WWW, TXT, {}))
      assert.deepStrictEqual([whole.flags, whole.answers.length], ["QR RD RA", 3])
    })
  )

  it.live("§5.2: the records of an RRset are given one TTL, the smallest that the upstream gave any of them", () =>
    Effect.gen(function* () {
      const { server } = yield* serve(always({ answers: [address(300, 1), address(60, 2), address(120, 3)] }))
      for (const _ of ["asked for", "from the cache"]) {
        const { answers } = yield* askRead(server, asking(WWW))
        const ttls = answers.map(({ ttl }) => ttl)
        assert.strictEqual(new Set(ttls).size, 1, String(ttls))
        assert.isAtMost(ttls[0]!, 60)
      }
    })
  )

  it.live("§5.4.1: what came as additional data, or as authority, is never given as an answer", () =>
    Effect.gen(function* () {
      const { server, upstream } = yield* serve((asked) => [
        {
          reply:
            typeIn(asked) === MX
              ? respond(asked, {
                  answers: [record(here, MX, 300, octets(word(10), mail))],
                  authorities: [record(here, NS, 300, mail)],
                  additionals: [address(300, 66, mail)]
                })
              : respond(asked, { answers: [address(300, 1)] })
        }
      ])
      assert.strictEqual((yield* askRead(server, asking(WWW, MX))).additionals.length, 1)
      const { answers } = yield* askRead(server, asking(`mail.${WWW}`))
      assert.deepStrictEqual(
        answers.map(({ data }) => data),
        ["c0000201"]
      )
      yield* askRead(server, asking(WWW, NS))
      assert.strictEqual(upstream.queries(), 3)
    })
  )

  it.live("§5.4.1: records that have nothing to do with the question are not passed on", () =>
    Effect.gen(function* () {
      const elsewhere = wireName("bank.example")
      const { server } = yield* serve(
        always({
          answers: [address(300, 1), address(300, 66, elsewhere)],
          authorities: [record(elsewhere, NS, 300, mail), record(here, NS, 300, mail)],
          additionals: [address(300, 66, elsewhere), address(300, 2, mail)]
        })
      )
      const reply = yield* askRead(server, asking(WWW))
      const owners = [reply.answers, reply.authorities, reply.additionals].map((section) =>
        section.map(({ owner }) => owner)
      )
      assert.deepStrictEqual(owners, [[`${WWW}.`], [`${WWW}.`], [`mail.${WWW}.`]])
    })
  )

  it.live("§8: a TTL with its highest bit set is 0: it goes out as 0, and the answer is not kept", () =>
    Effect.gen(function* () {
      const { server, upstream } = yield* serve(always({ answers: [address(HIGH_BIT + 300)] }))
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

  it.live("§8: so is an SOA's, and its MINIMUM", () =>
    Effect.gen(function* () {
      for (const [ttl, minimum] of [
        [HIGH_BIT + 300, 300],
        [300, HIGH_BIT + 300]
      ] as const) {
        const { server, upstream } = yield* serve(
          always({ flags: NXDOMAIN, authorities: [record(here, SOA, ttl, soaData(minimum))] })
        )
        for (const times of [1, 2]) {
          const { authorities, rcode } = yield* askRead(server, asking(WWW))
          assert.deepStrictEqual([rcode, ...authorities.map((each) => each.ttl)], [3, 0])
          assert.strictEqual(upstream.queries(), times)
        }
      }
    })
  )

  it.live("§8: the largest TTL there is, 2^31 - 1, is none that is wrong", () =>
    Effect.gen(function* () {
      const { server, upstream } = yield* serve(always({ answers: [address(HIGH_BIT - 1)] }))
      for (const _ of ["asked for", "from the cache"]) {
        const { answers } = yield* askRead(server, asking(WWW))
        assert.isAbove(answers[0]!.ttl, 80_000)
      }
      assert.strictEqual(upstream.queries(), 1)
    })
  )

  it.live("§9: additional data that does not fit is left out without TC", () =>
    Effect.gen(function* () {
      const { server } = yield* serve(
        always({
          answers: [record(here, MX, 60, octets(word(10), mail))],
          additionals: Array.from({ length: 40 }, (_, i) => address(60, i, mail))
        })
      )
      const reply = yield* askRead(server, asking(WWW, MX))
      assert.deepStrictEqual([reply.flags, reply.answers.length, reply.additionals.length], ["QR RD RA", 1, 0])
      assert.isAtMost(reply.length, 512)
    })
  )

  it.live("§9: an answer of which a needed RRset does not fit is truncated, whatever came before that set", () =>
    Effect.gen(function* () {
      const alias = octets([1, 0x61], here)
      const { server } = yield* serve((asked) => [
        {
          reply: respond(asked, {
            answers: [record(here, 5, 60, alias), record(alias, TXT, 60, textOf(roomFor(asked, 600)))]
          })
        }
      ])
      const reply = yield* askRead(server, asking(WWW, TXT))
      assert.strictEqual(reply.flags, "QR TC RD RA")
      assert.isAtMost(reply.length, 512)
    })
  )

  it.live("§9: what an upstream sent with TC is not used and not kept: it is asked again by TCP", () =>
    Effect.gen(function* () {
      const { server, upstream } = yield* serve((asked, transport) => [
        {
          reply: respond(asked, {
            flags: transport === "udp" ? NOERROR | TC : NOERROR,
            answers: [address(300, transport === "udp" ? 66 : 1)]
          })
        }
      ])
      for (const _ of ["asked for", "from the cache"]) {
        const { answers, flags } = yield* askRead(server, asking(WWW))
        assert.deepStrictEqual([flags, ...answers.map(({ data }) => data)], ["QR RD RA", "c0000201"])
      }
      assert.strictEqual(upstream.queries(), 2)
    })
  )

  it.live("§9: where no upstream gives more than what has TC, there is no answer", () =>
    Effect.gen(function* () {
      const { server } = yield* serve(always({ flags: NOERROR | TC, answers: [address(300, 66)] }))
      const reply = yield* askRead(server, asking(WWW))
      assert.deepStrictEqual([reply.rcode, reply.answers.length], [2, 0])
    })
  )

  it.live("§11: labels of any octets are asked for, and answered, as they are", () =>
    Effect.gen(function* () {
      const odd = octets([5, 0, 0x2e, 0xff, 0x5c, 0x20], [4, 0x74, 0x65, 0x73, 0x74], [0])
      const asked: Array<string> = []
      const upstream = yield* wireUpstream((query) => {
        asked.push(query.toString("latin1", 12, 12 + odd.length).toLowerCase())
        return [
          { reply: respond(query, { answers: [record(here, 5, 60, odd.slice(6)), address(60, 1, odd.slice(6))] }) }
        ]
      })
      const server = yield* startServer({ DNS_SERVER_UPSTREAMS: upstream.address, DNS_SERVER_SPECIAL_NAMES: "none" })
      const query = Buffer.from(octets([0, 1, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0], odd, [0, 1, 0, 1]))
      const reply = yield* askRead(server, query)
      assert.deepStrictEqual(asked, [Buffer.from(odd).toString("latin1").toLowerCase()])
      assert.strictEqual(reply.question, query.toString("hex", 12))
      assert.deepStrictEqual(
        reply.answers.map(({ owner }) => owner),
        ["\\000\\046\\255\\092\\032.test.", "test."]
      )
    })
  )
})
