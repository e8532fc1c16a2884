import { connect } from "node:net"
import { assert, describe, it } from "@effect/vitest"
import packet from "dns-packet"
import { Effect } from "effect"
import { exchange, socketAt } from "../support/clients/udp-client.ts"
import { startServer } from "../support/servers/server.ts"
import { fakeUpstream, silent } from "../support/upstreams/fake-upstream.ts"
import { message, octets, opt, option, question, record, wireName, word } from "../support/wire/messages.ts"

const DENIED = "127.0.0.2"

/** Messages that somebody may send under another's address; what their answers would be otherwise is in the name. */
const messages: ReadonlyArray<readonly [what: string, message: Uint8Array]> = [
  ["a question", message({ questions: [question("www.example.com")] })],
  ["a question for the root", message({ questions: [question(".", 2)] })],
  ["a question with OPT", message({ questions: [question("www.example.com")], additionals: [opt()] })],
  [
    "a question with OPT and DO",
    message({ questions: [question("x.test", 48)], additionals: [opt({ size: 65_535, flags: 0x8000 })] })
  ],
  ["ANY", message({ questions: [question("example.com", 255)], additionals: [opt({ size: 4096 })] })],
  ["AXFR", message({ questions: [question("example.com", 252)] })],
  ["another class", message({ questions: [question("version.bind", 16, 3)] })],
  ["no recursion desired", message({ flags: 0, questions: [question("www.example.com")], additionals: [opt()] })],
  ["a special name", message({ questions: [question("x.onion")], additionals: [opt()] })],
  ["a name of the server's own", message({ questions: [question("nas.home", 16)], additionals: [opt()] })],
  ["a header alone", message({})],
  ["an opcode that is not served", message({ flags: 0x7900 })],
  ["an update", message({ flags: 0x2800, questions: [question("example.com", 6)] })],
  ["two questions", message({ questions: [question("a.test"), question("b.test")] })],
  ["no question but OPT", message({ additionals: [opt()] })],
  ["half a question", octets(message({ questions: [wireName("a.test")] }))],
  ["a pointer in the question", message({ questions: [octets(word(0xc00c), word(1), word(1))] })],
  ["a version of EDNS to come", message({ questions: [question("a.test")], additionals: [opt({ version: 7 })] })],
  ["two OPT", message({ questions: [question("a.test")], additionals: [opt(), opt()] })],
  ["OPT and half a record behind it", octets(message({ questions: [question("a.test")], additionals: [opt(), [0]] }))],
  [
    "an option that ends past its OPT",
    message({ questions: [question("a.test")], additionals: [opt({ options: option(10, [1], 9) })] })
  ],
  [
    "an empty option, too short for a reason",
    message({ questions: [question("a.test")], additionals: [opt({ options: option(65_001, []) })] })
  ],
  [
    "a client subnet",
    message({ questions: [question("a.test")], additionals: [opt({ options: option(8, [0, 1, 24, 0, 192, 0, 2]) })] })
  ],
  ["QTYPE OPT", message({ questions: [question("a.test", 41)] })],
  [
    "a record with it",
    message({ questions: [question("a.test")], answers: [record(wireName("a.test"), 1, 60, [192, 0, 2, 1])] })
  ]
]

/** Of those, what clients that may ask are answered: from here, or by an upstream. */
const isServed: ReadonlySet<string> = new Set([
  "a question",
  "a question for the root",
  "a question with OPT",
  "a question with OPT and DO",
  "ANY",
  "a special name",
  "a name of the server's own",
  "an empty option, too short for a reason",
  "a client subnet",
  "a record with it"
])

const reasonsIn = (answer: Uint8Array): ReadonlyArray<string> => {
  const { additionals = [] } = packet.decode(Buffer.from(answer))
  return additionals.flatMap((each) =>
    each.type === "OPT"
      ? (each.options as ReadonlyArray<{ code: number; data: Buffer }>)
          .filter(({ code }) => code === 15)
          .map(({ data }) => `${data.readUInt16BE(0)} ${data.toString("utf8", 2)}`.trim())
      : []
  )
}

const byTcp = (port: number, query: Uint8Array): Effect.Effect<Buffer> =>
  Effect.callback<Buffer>((resume) => {
    const socket = connect({ port, host: "127.0.0.1", localAddress: DENIED })
    socket.on("error", (error) => resume(Effect.die(error)))
    socket.on("data", (answer: Buffer) => {
      socket.destroy()
      resume(Effect.succeed(answer.subarray(2)))
    })
    socket.write(octets(word(query.length), query))
  }).pipe(Effect.timeout(60_000), Effect.orDie)

const server = Effect.gen(function* () {
  const upstream = yield* fakeUpstream(silent)
  const running = yield* startServer({
    DNS_SERVER_UPSTREAMS: upstream.address,
    DNS_SERVER_ALLOW: "127.0.0.1",
    DNS_SERVER_LOCAL_ANSWERS: `nas.home TXT "${"x".repeat(250)}"`
  })
  return { ...running, upstream }
})

describe("clients that may not ask", () => {
  it.live("get REFUSED by UDP, never longer than what came under their address, whatever came", () =>
    Effect.gen(function* () {
      const { counters, port, upstream } = yield* server
      const socket = yield* socketAt(DENIED)
      for (const [what, query] of messages) {
        const answer = yield* exchange(socket, port, query)
        assert.isAtMost(answer.length, query.length, what)
        assert.strictEqual(answer.readUInt16BE(0), 0x1234, what)
        assert.strictEqual(answer[3]! & 15, 5, what)
        assert.strictEqual(answer.readUInt16BE(6) + answer.readUInt16BE(8), 0, what)
        assert.deepStrictEqual(reasonsIn(answer), ["a client subnet", "two OPT"].includes(what) ? ["18"] : [], what)
      }
      assert.strictEqual(counters.read("queries.denied"), messages.length)
      assert.strictEqual(upstream.queries(), 0)
    })
  )

  it.live("get the reason by code where a query's own options took its room, in words by TCP", () =>
    Effect.gen(function* () {
      const { port } = yield* server
      const socket = yield* socketAt(DENIED)
      for (const [length, expected] of [
        [0, []],
        [1, []],
        [2, ["18"]],
        [8, ["18"]],
        [200, ["18"]]
      ] as const) {
        const options = option(10, new Uint8Array(length))
        const query = message({ questions: [question("a.test")], additionals: [opt({ options })] })
        const answer = yield* exchange(socket, port, query)
        assert.isAtMost(answer.length, query.length)
        assert.deepStrictEqual(reasonsIn(answer), expected, String(length))
      }
      const spoken = yield* byTcp(port, message({ questions: [question("a.test")], additionals: [opt()] }))
      assert.match(reasonsIn(spoken)[0]!, /^18 .*network/)
    })
  )

  it.live("and those that may: what is refused for what it is, is never longer than itself", () =>
    Effect.gen(function* () {
      const { port } = yield* server
      const socket = yield* socketAt("127.0.0.1")
      for (const [what, query] of messages) {
        if (isServed.has(what)) continue
        const answer = yield* exchange(socket, port, query)
        assert.isAtMost(answer.length, query.length, what)
        assert.include([1, 4, 5, 0], answer[3]! & 15, what)
        assert.deepStrictEqual(reasonsIn(answer), [], what)
      }
    })
  )
})
