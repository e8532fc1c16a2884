import { assert, describe, it } from "@effect/vitest"
import packet from "dns-packet"
import { Effect, type Scope } from "effect"
import { openTcp } from "../support/clients/tcp-client.ts"
import { until } from "../support/machine/until.ts"
import { addressesOf, encodeQuestion, type RunningServer, startServer } from "../support/servers/server.ts"
import {
  address,
  type Behaviour,
  fakeUpstream,
  framed,
  nameOf,
  reply,
  slow,
  wireUpstream
} from "../support/upstreams/fake-upstream.ts"
import { deservedData, mirror } from "../support/upstreams/mirror.ts"
import { seeded } from "../support/wire/messages.ts"

const one = address("192.0.2.1")

/** Text of more than 40,000 octets, whatever is asked. */
const large: Behaviour = (query, transport) => [
  {
    reply:
      transport === "udp"
        ? reply(query, { flags: packet.TRUNCATED_RESPONSE })
        : reply(query, {
            answers: Array.from({ length: 150 }, () => ({
              name: nameOf(query),
              type: "TXT",
              ttl: 60,
              data: "x".repeat(255)
            }))
          })
  }
]

const serve = (
  behaviour: Behaviour,
  settings: Record<string, string> = {}
): Effect.Effect<RunningServer, never, Scope.Scope> =>
  Effect.flatMap(fakeUpstream(behaviour), (upstream) =>
    startServer({ DNS_SERVER_UPSTREAMS: upstream.address, ...settings })
  )

const asked = (name: string, id = 1): Buffer => framed(encodeQuestion({ name }, id))

describe("a TCP connection's time", () => {
  it.live("is over when it has been idle", () =>
    Effect.gen(function* () {
      const server = yield* serve(one, { DNS_SERVER_TCP_IDLE_TIMEOUT_SECS: "0.3" })
      const mute = yield* openTcp(server.port)
      const client = yield* openTcp(server.port)
      client.socket.write(asked("www.example.test"))
      yield* client.awaitAnswers(1)
      assert.strictEqual(client.answers.length, 1)
      yield* mute.awaitClose
      yield* client.awaitClose
      assert.strictEqual(server.counters.read("tcp.expired"), 2)
    })
  )

  it.live("is not over while an answer is awaited", () =>
    Effect.gen(function* () {
      const server = yield* serve(slow(1200, one), { DNS_SERVER_TCP_IDLE_TIMEOUT_SECS: "0.3" })
      const client = yield* openTcp(server.port)
      client.socket.write(asked("www.example.test"))
      yield* client.awaitAnswers(1)
      assert.strictEqual(client.answers.length, 1)
    })
  )

  it.live("is over when a query that has begun does not end", () =>
    Effect.gen(function* () {
      const server = yield* serve(one, { DNS_SERVER_TCP_RECEIVE_TIMEOUT_SECS: "0.3" })
      const prefix = yield* openTcp(server.port)
      prefix.socket.write(Buffer.from([0]))
      const half = yield* openTcp(server.port)
      half.socket.write(Buffer.concat([asked("www.example.test", 1), asked("www.example.test", 2).subarray(0, 20)]))
      yield* prefix.awaitClose
      yield* half.awaitClose
      assert.deepStrictEqual(
        half.answers.map((octets) => octets.readUInt16BE(0)),
        [1]
      )
    })
  )

  it.live("is not over for one who never stops asking, however the pieces fall", () =>
    Effect.gen(function* () {
      const server = yield* serve(one, { DNS_SERVER_TCP_RECEIVE_TIMEOUT_SECS: "1" })
      const client = yield* openTcp(server.port)
      // Each piece ends in the middle of a query and begins where the one before ended.
      const message = asked("www.example.test")
      const shifted = Buffer.concat([message.subarray(10), message.subarray(0, 10)])
      client.socket.write(message.subarray(0, 10))
      for (let i = 0; i < 40; i++) {
        yield* Effect.sleep(50)
        client.socket.write(shifted)
      }
      yield* client.awaitAnswers(40)
      assert.strictEqual(client.answers.length, 40)
      assert.isFalse(client.isClosed())
    })
  )

  it.live("is over when answers are left unread, and until then no more is kept for it than may be", () =>
    Effect.gen(function* () {
      const server = yield* serve(large, { DNS_SERVER_TCP_SEND_TIMEOUT_SECS: "1" })
      yield* server.ask({ name: "big.example.test", type: "TXT", tcp: true })
      const queries = 5000
      const client = yield* openTcp(server.port)
      client.socket.pause()
      client.socket.write(
        Buffer.concat(
          Array.from({ length: queries }, (_, i) =>
            framed(encodeQuestion({ name: "big.example.test", type: "TXT" }, i))
          )
        )
      )
      while (server.counters.read("tcp.expired") === 0) yield* Effect.sleep(50)
      // What the kernel takes, some megabytes, and a little more: 200 MB were asked for.
      assert.isBelow(server.counters.read("queries.tcp"), queries / 4)
      assert.deepStrictEqual(addressesOf(yield* server.ask({ name: "other.example.test" })), [])
    })
  )

  it.live("goes on behind many large answers that were asked for at once", () =>
    Effect.gen(function* () {
      const server = yield* serve(large)
      const big = (id: number) => framed(encodeQuestion({ name: "big.example.test", type: "TXT" }, id))
      yield* server.ask({ name: "big.example.test", type: "TXT", tcp: true })
      for (const count of [6, 7, 8, 13]) {
        const client = yield* openTcp(server.port)
        client.socket.write(Buffer.concat(Array.from({ length: count }, (_, i) => big(i))))
        yield* client.awaitAnswers(count)
        client.socket.write(big(count))
        yield* client.awaitAnswers(count + 1)
        assert.strictEqual(client.answers.length, count + 1)
      }
      assert.strictEqual(server.counters.read("tcp.expired"), 0)
    })
  )

  it.live("is not over for one who reads slowly but steadily", () =>
    Effect.gen(function* () {
      const server = yield* serve(large, { DNS_SERVER_TCP_SEND_TIMEOUT_SECS: "1.5" })
      const client = yield* openTcp(server.port)
      const queries = 600
      // A read of 64 KiB at most, then a rest: several seconds for all.
      client.socket.on("data", () => {
        client.socket.pause()
        setTimeout(() => client.socket.resume(), 10)
      })
      client.socket.write(
        Buffer.concat(
          Array.from({ length: queries }, (_, i) =>
            framed(encodeQuestion({ name: "big.example.test", type: "TXT" }, i))
          )
        )
      )
      yield* client.awaitAnswers(queries)
      assert.strictEqual(client.answers.length, queries)
    })
  )
})

describe("the number of TCP connections", () => {
  it.live("is limited in all: the one idle longest makes room, whosever it is", () =>
    Effect.gen(function* () {
      const server = yield* serve(one, { DNS_SERVER_MAX_TCP_CONNECTIONS: "3" })
      const clients = []
      for (const from of ["127.0.0.1", "127.0.0.2", "127.0.0.3"]) {
        clients.push(yield* openTcp(server.port, from))
        yield* until("it is accepted", () => server.counters.read("tcp.accepted") === clients.length)
        // Clocks tell them apart.
        yield* Effect.sleep(20)
      }
      // The first does something, so that the second is idle longest.
      clients[0]!.socket.write(asked("www.example.test"))
      yield* clients[0]!.awaitAnswers(1)
      const newest = yield* openTcp(server.port, "127.0.0.4")
      newest.socket.write(asked("www.example.test"))
      yield* newest.awaitAnswers(1)
      yield* clients[1]!.awaitClose
      assert.deepStrictEqual(
        clients.map((client) => client.isClosed()),
        [false, true, false]
      )
      assert.strictEqual(newest.answers.length, 1)
    })
  )

  it.live("is limited by client: one client's connections make room for its own, not another's", () =>
    Effect.gen(function* () {
      const server = yield* serve(one, { DNS_SERVER_MAX_TCP_CONNECTIONS_PER_CLIENT: "2" })
      const accepted = (count: number) => until("it is accepted", () => server.counters.read("tcp.accepted") === count)
      const other = yield* openTcp(server.port, "127.0.0.2")
      yield* accepted(1)
      const first = yield* openTcp(server.port)
      yield* accepted(2)
      yield* Effect.sleep(20)
      const second = yield* openTcp(server.port)
      const third = yield* openTcp(server.port)
      third.socket.write(asked("www.example.test"))
      yield* third.awaitAnswers(1)
      yield* first.awaitClose
      assert.deepStrictEqual(
        [other, second, third].map((client) => client.isClosed()),
        [false, false, false]
      )
    })
  )

  it.live("makes the newest go where none is idle", () =>
    Effect.gen(function* () {
      const server = yield* serve(slow(600, one), { DNS_SERVER_MAX_TCP_CONNECTIONS: "2" })
      const busy = [yield* openTcp(server.port), yield* openTcp(server.port)]
      for (const client of busy) client.socket.write(asked("www.example.test"))
      while (server.counters.read("queries.tcp") < 2) yield* Effect.sleep(5)
      const newest = yield* openTcp(server.port)
      yield* newest.awaitClose
      for (const client of busy) yield* client.awaitAnswers(1)
      assert.deepStrictEqual(
        busy.map((client) => client.answers.length),
        [1, 1]
      )
    })
  )
})

describe("queries on one TCP connection", () => {
  it.live("are answered however their octets are cut", () =>
    Effect.gen(function* () {
      const upstream = yield* wireUpstream(mirror)
      const server = yield* startServer({ DNS_SERVER_UPSTREAMS: upstream.address })
      const random = seeded(3)
      const client = yield* openTcp(server.port)
      const queries = Array.from({ length: 200 }, (_, i) => encodeQuestion({ name: `n${i}.example.test` }, i))
      const octets = Buffer.concat(queries.map(framed))
      for (let at = 0; at < octets.length; ) {
        const size = random(4) === 0 ? 1 + random(3) : 1 + random(200)
        client.socket.write(octets.subarray(at, at + size))
        at += size
        yield* Effect.promise(() => new Promise((resolve) => setImmediate(resolve)))
      }
      yield* client.awaitAnswers(200)
      assert.strictEqual(client.answers.length, 200)
      for (const answer of client.answers) assert.deepStrictEqual(answer.subarray(-4), deservedData(answer))
    })
  )

  it.live("that come together and can be answered at once are answered by few writes", () =>
    Effect.gen(function* () {
      const server = yield* serve(one)
      yield* server.ask({ name: "www.example.test" })
      const client = yield* openTcp(server.port)
      client.socket.write(Buffer.concat(Array.from({ length: 300 }, (_, i) => asked("www.example.test", i))))
      yield* client.awaitAnswers(300)
      assert.deepStrictEqual(
        client.answers.map((octets) => octets.readUInt16BE(0)),
        Array.from({ length: 300 }, (_, i) => i)
      )
      assert.isAtMost(client.reads(), 10)
    })
  )

  it.live("may be ten thousand, asked without waiting, cached or not", () =>
    Effect.gen(function* () {
      const upstream = yield* wireUpstream(mirror)
      const server = yield* startServer({ DNS_SERVER_UPSTREAMS: upstream.address })
      const client = yield* openTcp(server.port)
      const count = 10_000
      const queries = Array.from({ length: count }, (_, i) => encodeQuestion({ name: `n${i % 3000}.example.test` }, i))
      client.socket.write(Buffer.concat(queries.map(framed)))
      yield* client.awaitAnswers(count)
      assert.strictEqual(new Set(client.answers.map((octets) => octets.readUInt16BE(0))).size, count)
      for (const answer of client.answers) {
        assert.strictEqual(
          answer.toString("latin1", 12, 30),
          queries[answer.readUInt16BE(0)]!.toString("latin1", 12, 30)
        )
        assert.deepStrictEqual(answer.subarray(-4), deservedData(answer))
      }
    })
  )

  it.live("do not wait for each other: the slow one comes last", () =>
    Effect.gen(function* () {
      const server = yield* serve((query, transport, count) =>
        (nameOf(query) === "slow.test" ? slow(800, one) : one)(query, transport, count)
      )
      const client = yield* openTcp(server.port)
      client.socket.write(
        Buffer.concat([asked("slow.test", 0), ...Array.from({ length: 50 }, (_, i) => asked(`n${i}.test`, i + 1))])
      )
      yield* client.awaitAnswers(51)
      assert.strictEqual(client.answers.at(-1)?.readUInt16BE(0), 0)
    })
  )

  it.live("are all answered when the client shuts its side behind them, and then the connection ends", () =>
    Effect.gen(function* () {
      const server = yield* serve(slow(200, one))
      const client = yield* openTcp(server.port)
      client.socket.end(Buffer.concat(Array.from({ length: 700 }, (_, i) => asked(`n${i}.test`, i))))
      yield* client.awaitClose
      assert.strictEqual(new Set(client.answers.map((octets) => octets.readUInt16BE(0))).size, 700)
    })
  )

  it.live("that are too short to be any are passed over", () =>
    Effect.gen(function* () {
      const server = yield* serve(one)
      const client = yield* openTcp(server.port)
      client.socket.write(
        Buffer.concat([framed(Buffer.alloc(0)), framed(Buffer.alloc(5)), asked("www.example.test", 7)])
      )
      yield* client.awaitAnswers(1)
      assert.deepStrictEqual(
        client.answers.map((octets) => octets.readUInt16BE(0)),
        [7]
      )
    })
  )

  it.live("are forgotten when the client resets the connection, and nobody else notices", () =>
    Effect.gen(function* () {
      const server = yield* serve((query, transport, count) =>
        (nameOf(query) === "quick.test" ? one : slow(300, one))(query, transport, count)
      )
      const client = yield* openTcp(server.port)
      client.socket.write(Buffer.concat(Array.from({ length: 100 }, (_, i) => asked(`n${i}.test`, i))))
      while (server.counters.read("queries.tcp") < 100) yield* Effect.sleep(5)
      client.socket.resetAndDestroy()
      assert.deepStrictEqual(addressesOf(yield* server.ask({ name: "quick.test", tcp: true })), ["192.0.2.1"])
      yield* Effect.sleep(400)
      assert.deepStrictEqual(addressesOf(yield* server.ask({ name: "n1.test" })), ["192.0.2.1"])
    })
  )
})
