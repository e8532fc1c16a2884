/**
 * RFC 9267: Common implementation anti-patterns related to Domain Name System (DNS) resource record (RR) processing.
 * What upstreams and clients send is read by these rules: nothing that breaks them is taken for an answer or a question,
 * and nothing makes the server wait, loop or fall.
 */
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { startServer } from "../support/servers/server.ts"
import { wireUpstream } from "../support/upstreams/fake-upstream.ts"
import { long, octets, pointer, query, question, record, wireName, word } from "../support/wire/messages.ts"
import { readReply } from "../support/wire/reply-reader.ts"
import { address, asking, askRead, here, oneAddress, respond, SERVFAIL } from "./responses.ts"
import { clientOf, EVERYWHERE, serve, ways } from "./ways.ts"

const WWW = "www.example.test"
/** Where the first record's owner, and its data, begin. */
const OWNER_AT = 12 + 18 + 4
const DATA_AT = OWNER_AT + 12
const CNAME = 5
const label = (length: number): Uint8Array => octets([length], new Uint8Array(length).fill(0x61))

type Broken = (asked: Buffer) => Buffer

/** An answer with this owner, or with a CNAME of this data. */
const withOwner =
  (owner: Uint8Array): Broken =>
  (asked) =>
    respond(asked, { answers: [record(owner, 1, 300, [192, 0, 2, 66])] })
const withData =
  (data: Uint8Array): Broken =>
  (asked) =>
    respond(asked, { answers: [record(here, CNAME, 300, data), address(300, 66)] })
const withCount =
  (at: number, count: number): Broken =>
  (asked) => {
    const reply = respond(asked, { answers: [address(300, 66)] })
    reply.writeUInt16BE(count, at)
    return reply
  }
const withLength =
  (type: number, data: Uint8Array, length: number): Broken =>
  (asked) =>
    respond(asked, { answers: [octets(here, word(type), word(1), long(300), word(length), data)] })

const broken: Readonly<Record<string, Broken>> = {
  "§2: an owner that points to itself": withOwner(pointer(OWNER_AT)),
  "§2: an owner that points forwards": withOwner(pointer(DATA_AT)),
  "§2: an owner that points past the end": withOwner(pointer(0x3fff)),
  "§2: an owner that points to the beginning of the header": withOwner(pointer(0)),
  "§2: an owner that points into the header": withOwner(pointer(4)),
  "§2: an owner that points to the end of the header": withOwner(pointer(11)),
  "§2: data that points into the header": withData(pointer(4)),
  "§2: a label, and a pointer back to it": withOwner(octets(label(3), pointer(OWNER_AT))),
  "§2: data that points to itself": withData(pointer(DATA_AT)),
  "§2: data that points forwards": withData(pointer(DATA_AT + 2)),
  "§2: data with a label, and a pointer back to it": withData(octets(label(3), pointer(DATA_AT))),
  "§2: two names that point to each other": (asked) =>
    respond(asked, {
      answers: [record(here, CNAME, 300, pointer(DATA_AT + 14)), record(here, CNAME, 300, pointer(DATA_AT))]
    }),
  "§2: a pointer that is cut in two": (asked) => respond(asked, { answers: [octets([0xc0])] }),
  "§3: a label of 64 octets": withOwner(octets([64], new Uint8Array(64).fill(0x61), [0])),
  "§3: a label whose two highest bits are 10": withOwner(octets([0x81], new Uint8Array(129).fill(0x61), [0])),
  "§3: a name of 256 octets": withOwner(octets(label(63), label(63), label(63), label(62), [0])),
  "§3: one that is too long by what it points to": withOwner(octets(label(63), label(63), label(63), label(47), here)),
  "§3: data that is too long by what it points to": withData(octets(label(63), label(63), label(63), label(47), here)),
  "§4: a name without its end": (asked) => respond(asked, { answers: [octets(label(3), label(3))] }),
  "§4: data whose name has no end": withLength(CNAME, octets(label(3)), 4),
  "§4: data whose name ends behind it": withLength(CNAME, wireName("other.example.test"), 8),
  "§5: data that is longer than the message": withLength(1, octets([192, 0, 2, 66]), 5),
  "§5: data of 65,535 octets that are not there": withLength(1, octets([192, 0, 2, 66]), 65_535),
  "§5: data that is longer than its name": withLength(CNAME, octets(wireName("other.example.test"), [0]), 21),
  "§5: no data where a name belongs": withLength(CNAME, octets([]), 0),
  "§6: two answers where there is one": withCount(6, 2),
  "§6: 65,535 answers where there is one": withCount(6, 65_535),
  "§6: an authority that is not there": withCount(8, 1),
  "§6: additional data that is not there": withCount(10, 9)
}

describe("RFC 9267: anti-patterns of record processing", () => {
  for (const [what, make] of Object.entries(broken)) {
    it.live(`${what}: no answer, and the next upstream is asked`, () =>
      Effect.gen(function* () {
        const bad = yield* wireUpstream((asked) => [{ reply: make(asked) }])
        const good = yield* wireUpstream(oneAddress)
        const server = yield* startServer({
          DNS_SERVER_UPSTREAMS: `${bad.address},${good.address}`,
          DNS_SERVER_UPSTREAM_POLICY: "ordered",
          DNS_SERVER_ATTEMPT_TIMEOUT_MS: "4000"
        })
        const { answers, rcode } = yield* askRead(server, asking(WWW))
        assert.deepStrictEqual([rcode, ...answers.map(({ data }) => data)], [0, "c0000201"])
        assert.strictEqual(bad.queries(), 1)
      })
    )
  }

  it.live("§2–§6: where there is nobody else all of that is SERVFAIL, soon, by UDP and by TCP", () =>
    Effect.gen(function* () {
      const wrong = Object.values(broken)
      const upstream = yield* wireUpstream((asked) => {
        const make = wrong[Number.parseInt(asked.toString("latin1", 14), 10)]
        // The server asks something else too, to see whether anybody is there.
        return make === undefined ? oneAddress(asked, "udp", 1) : [{ reply: make(asked) }]
      })
      for (const protocol of ["udp", "tcp"]) {
        const server = yield* startServer({
          DNS_SERVER_UPSTREAMS: `${protocol}://${upstream.address}`,
          DNS_SERVER_RETRIES: "0"
        })
        for (const [number, what] of Object.keys(broken).entries()) {
          const name = `n${String(number).padStart(2, "0")}.example.test`
          const reply = yield* askRead(server, asking(name))
          assert.deepStrictEqual([reply.rcode, reply.answers.length], [SERVFAIL & 15, 0], `${what}, by ${protocol}`)
        }
        assert.strictEqual(server.counters.read("defects"), 0)
      }
    })
  )

  const name = (octetsOfName: Uint8Array): Uint8Array => query({ questions: [question(octetsOfName)] })
  const brokenQueries: Readonly<Record<string, Uint8Array>> = {
    "§2: a name that points to itself": name(pointer(12)),
    "§2: a name that points forwards": name(pointer(18)),
    "§2: a name that points into the header": name(pointer(0)),
    "§2: a name that points past the end": name(pointer(0x3fff)),
    "§2: a label, and a pointer back to it": name(octets(label(3), pointer(12))),
    "§2: a record whose owner points to itself": query({
      questions: [question(WWW)],
      additionals: [address(60, 1, pointer(OWNER_AT))]
    }),
    "§3: a label of 64 octets": name(octets([64], new Uint8Array(64).fill(0x61), [0])),
    "§3: a label whose two highest bits are 10": name(octets([0x81], new Uint8Array(129).fill(0x61), [0])),
    "§3: a name of 256 octets": name(octets(label(63), label(63), label(63), label(62), [0])),
    "§4: a name without its end": name(octets(label(63))).slice(0, 60),
    "§5: data that is longer than the message": query({
      questions: [question(WWW)],
      additionals: [record(here, 1, 60, [192, 0, 2, 1], 5)]
    }),
    "§6: records that are not there": query({ questions: [question(WWW)] }).fill(0xff, 6, 12)
  }
  for (const way of ways) {
    it.live(`§2–§6: a query that breaks the rules is a format error, and nobody is asked, by ${way}`, () =>
      Effect.gen(function* () {
        const { server, upstream } = yield* serve(oneAddress, EVERYWHERE)
        const client = yield* clientOf(way, server)
        for (const [what, asked] of Object.entries(brokenQueries)) {
          const reply = readReply(yield* client.ask(asked))
          assert.deepStrictEqual([reply.rcode, reply.answers.length], [1, 0], what)
        }
        assert.strictEqual(upstream.queries(), 0)
        assert.strictEqual(readReply(yield* client.ask(asking(WWW))).answers.length, 1)
      })
    )
  }

  for (const at of [0, 4, 11]) {
    it.live(`§2: a query with a record whose owner points into the header (${at}) is a format error`, () =>
      Effect.gen(function* () {
        const { server } = yield* serve(oneAddress)
        const asked = query({ questions: [question(WWW)], additionals: [address(60, 1, pointer(at))] })
        assert.strictEqual((yield* askRead(server, asked)).rcode, 1)
      })
    )
  }
})
