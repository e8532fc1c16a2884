/**
 * RFC 7766: DNS transport over TCP – implementation requirements. Both sides of a forwarder: connections of clients
 * (§6.2), which are there for many queries at once, answered as they are ready (§6.2.1.1), and those to upstreams (§5,
 * §7). Framing (§8) is in any pieces.
 */
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { openTcp } from "../support/clients/tcp-client.ts"
import { askPipelined, startServer } from "../support/servers/server.ts"
import { framed } from "../support/upstreams/fake-upstream.ts"
import { heldUpstream } from "../support/upstreams/held-upstream.ts"
import { mirror, mirrorReply } from "../support/upstreams/mirror.ts"
import { streamUpstream } from "../support/upstreams/stream-upstream.ts"
import { query, question, seeded } from "../support/wire/messages.ts"
import { readReply } from "../support/wire/reply-reader.ts"
import { address, asking, NOERROR, oneAddress, respond } from "./responses.ts"
import { clientOf, EVERYWHERE, PATIENT, serve } from "./ways.ts"

const TC = 0x200
const SLOW = "slow.example.test"

/** A framed query with this id. */
const numbered = (id: number, name = `n${id}.example.test`): Buffer =>
  framed(query({ id, questions: [question(name)] }))

const idsOf = (answers: ReadonlyArray<Buffer>): ReadonlyArray<number> => answers.map((answer) => answer.readUInt16BE(0))
const idsUpTo = (count: number): ReadonlyArray<number> => Array.from({ length: count }, (_, i) => i + 1)

describe("RFC 7766: DNS transport over TCP – implementation requirements", () => {
  it.live("§5: whatever is answered by UDP is answered by TCP, without having been asked by UDP before", () =>
    Effect.gen(function* () {
      const { server } = yield* serve(oneAddress, EVERYWHERE)
      const [byTcp, byUdp] = [yield* clientOf("TCP", server), yield* clientOf("UDP", server)]
      for (const asked of [asking("www.example.test"), asking("a.invalid"), asking("www.example.test", 252)]) {
        const [first, second] = [readReply(yield* byTcp.ask(asked)), readReply(yield* byUdp.ask(asked))]
        assert.deepStrictEqual(
          [first.rcode, first.flags, first.question],
          [second.rcode, second.flags, second.question]
        )
      }
    })
  )

  it.live("§5: an upstream's truncated reply is asked for again by TCP, at the same upstream", () =>
    Effect.gen(function* () {
      const seen: Array<string> = []
      const { server } = yield* serve((asked, transport) => {
        seen.push(transport)
        return [
          {
            reply:
              transport === "udp"
                ? respond(asked, { flags: NOERROR | TC })
                : respond(asked, { answers: [address(300, 1)] })
          }
        ]
      })
      const { answers } = yield* server.ask({ name: "www.example.test" })
      assert.strictEqual(answers!.length, 1)
      assert.deepStrictEqual(seen, ["udp", "tcp"])
    })
  )

  it.live("§6.2.1: queries may follow each other without waiting, on one connection", () =>
    Effect.gen(function* () {
      const { server } = yield* serve(mirror)
      const client = yield* openTcp(server.port)
      client.socket.write(Buffer.concat(idsUpTo(300).map((id) => numbered(id))))
      yield* client.awaitAnswers(300)
      assert.sameMembers([...idsOf(client.answers)], [...idsUpTo(300)])
      assert.strictEqual(server.counters.read("tcp.accepted"), 1)
    })
  )

  it.live("§6.2.1.1: an answer goes out when it is ready, in whatever order the queries came", () =>
    Effect.gen(function* () {
      const upstream = yield* heldUpstream((name) => name.toLowerCase() === "slow")
      const server = yield* startServer({ DNS_SERVER_UPSTREAMS: upstream.address, ...PATIENT })
      const client = yield* openTcp(server.port)
      client.socket.write(Buffer.concat([numbered(1, SLOW), numbered(2), numbered(3)]))
      yield* client.awaitAnswers(2)
      assert.sameMembers([...idsOf(client.answers)], [2, 3])
      yield* upstream.release
      yield* client.awaitAnswers(3)
      assert.strictEqual(client.answers[2]!.readUInt16BE(0), 1)
    })
  )

  it.live("§6.2.2: several connections of one client are served beside each other", () =>
    Effect.gen(function* () {
      const { server } = yield* serve(oneAddress)
      const clients = yield* Effect.replicateEffect(openTcp(server.port), 20)
      for (const [i, { socket }] of clients.entries()) socket.write(numbered(i))
      for (const [i, client] of clients.entries()) {
        yield* client.awaitAnswers(1)
        assert.strictEqual(client.answers[0]!.readUInt16BE(0), i)
      }
    })
  )

  it.live("§6.2.3: a connection that is idle is closed, and one that waits for an answer is none", () =>
    Effect.gen(function* () {
      const upstream = yield* heldUpstream((name) => name.toLowerCase() === "slow")
      const server = yield* startServer({
        DNS_SERVER_UPSTREAMS: upstream.address,
        ...PATIENT,
        DNS_SERVER_TCP_IDLE_TIMEOUT_SECS: "0.5"
      })
      const [waiting, idle] = [yield* openTcp(server.port), yield* openTcp(server.port)]
      waiting.socket.write(numbered(1, SLOW))
      yield* upstream.awaitNames(1)
      yield* idle.awaitClose
      assert.isFalse(waiting.isClosed())
      yield* upstream.release
      yield* waiting.awaitAnswers(1)
      assert.deepStrictEqual(idsOf(waiting.answers), [1])
      yield* waiting.awaitClose
    })
  )

  it.live("§6.2.3: a connection on which a message has begun and does not end is closed too", () =>
    Effect.gen(function* () {
      const { server } = yield* serve(oneAddress, { DNS_SERVER_TCP_RECEIVE_TIMEOUT_SECS: "0.2" })
      const client = yield* openTcp(server.port)
      client.socket.write(numbered(1).subarray(0, 20))
      yield* client.awaitClose
      assert.strictEqual(client.answers.length, 0)
    })
  )

  it.live("§6.2.4: a client that shuts its side behind its queries gets all answers, and then the end", () =>
    Effect.gen(function* () {
      const { server } = yield* serve((asked) => [{ reply: mirrorReply(asked), delayMs: 50 }])
      const client = yield* openTcp(server.port)
      client.socket.end(Buffer.concat(idsUpTo(100).map((id) => numbered(id))))
      yield* client.awaitClose
      assert.sameMembers([...idsOf(client.answers)], [...idsUpTo(100)])
    })
  )

  it.live("§6.2.4: what is left of a message when the client shuts its side is nothing, and ends the connection", () =>
    Effect.gen(function* () {
      const { server } = yield* serve(oneAddress)
      const client = yield* openTcp(server.port)
      client.socket.end(Buffer.concat([numbered(1), numbered(2).subarray(0, 9)]))
      yield* client.awaitClose
      assert.deepStrictEqual(idsOf(client.answers), [1])
    })
  )

  it.live("§7: replies of an upstream are told from each other by id and question, in whatever order they come", () =>
    Effect.gen(function* () {
      const held: Array<() => void> = []
      const upstream = yield* streamUpstream({
        onQuery: (asked, { socket }) => {
          held.push(() => socket.write(framed(mirrorReply(asked))))
          if (held.length < 20) return
          // The last comes first.
          while (held.length > 0) held.pop()!()
        }
      })
      const server = yield* startServer({ DNS_SERVER_UPSTREAMS: `tcp://127.0.0.1:${upstream.port}`, ...PATIENT })
      const names = idsUpTo(20).map((id) => `n${id}.example.test`)
      const answers = yield* askPipelined(
        server.port,
        names.map((name, id) => Buffer.from(query({ id, questions: [question(name)] })))
      )
      assert.strictEqual(answers.length, 20)
      for (const answer of answers) {
        const asked = Buffer.from(query({ questions: [question(names[answer.readUInt16BE(0)]!)] }))
        assert.deepStrictEqual(answer.subarray(-4), mirrorReply(asked).subarray(-4))
      }
    })
  )

  it.live("§6.2.1, §6.2.2: an upstream is asked many questions on few connections", () =>
    Effect.gen(function* () {
      const upstream = yield* streamUpstream({})
      const server = yield* startServer({ DNS_SERVER_UPSTREAMS: `tcp://127.0.0.1:${upstream.port}`, ...PATIENT })
      yield* askPipelined(
        server.port,
        idsUpTo(200).map((id) => Buffer.from(numbered(id).subarray(2)))
      )
      assert.strictEqual(upstream.queries.length, 200)
      assert.isAtMost(upstream.connections.length, 8)
    })
  )

  it.live("§8: length and message are read in any pieces, and answers are whole frames in one piece", () =>
    Effect.gen(function* () {
      const { server } = yield* serve(mirror)
      const client = yield* openTcp(server.port)
      const random = seeded(7_766)
      const octets = Buffer.concat(idsUpTo(60).map((id) => numbered(id)))
      for (let at = 0; at < octets.length; ) {
        const size = 1 + random(40)
        client.socket.write(octets.subarray(at, at + size))
        at += size
        yield* Effect.promise(() => new Promise((resolve) => setImmediate(resolve)))
      }
      yield* client.awaitAnswers(60)
      assert.sameMembers([...idsOf(client.answers)], [...idsUpTo(60)])
      const before = client.reads()
      client.socket.write(numbered(1))
      yield* client.awaitAnswers(61)
      assert.strictEqual(client.reads(), before + 1)
    })
  )

  it.live("§8: messages of no octets, and of too few, are passed over: what follows is answered", () =>
    Effect.gen(function* () {
      const { server } = yield* serve(oneAddress)
      const client = yield* openTcp(server.port)
      client.socket.write(Buffer.concat([Buffer.alloc(2), framed(Buffer.alloc(11)), numbered(7)]))
      yield* client.awaitAnswers(1)
      assert.deepStrictEqual(idsOf(client.answers), [7])
    })
  )

  it.live("§6.2.1: one malformed query costs the others on its connection nothing", () =>
    Effect.gen(function* () {
      const { server } = yield* serve(oneAddress)
      const client = yield* openTcp(server.port)
      const malformed = query({ id: 9, questions: [question("www.example.test")] }).slice(0, -3)
      client.socket.write(Buffer.concat([numbered(1), framed(malformed), numbered(2)]))
      yield* client.awaitAnswers(3)
      const rcodes = client.answers.map((answer) => `${answer.readUInt16BE(0)} ${answer[3]! & 15}`)
      assert.sameMembers(rcodes, ["1 0", "9 1", "2 0"])
    })
  )
})
