/**
 * RFC 9210: DNS transport over TCP – operational requirements. TCP is no second choice (§3): whatever is asked by it is
 * answered by it, and upstreams are asked by it where they say so. Connections have limits by which none harms the
 * others (§4). How the messages go is in RFC 7766.
 */
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { openTcp } from "../support/clients/tcp-client.ts"
import { until } from "../support/machine/until.ts"
import { framed } from "../support/upstreams/fake-upstream.ts"
import { query, question, record } from "../support/wire/messages.ts"
import { readReply } from "../support/wire/reply-reader.ts"
import { asking, here, NOERROR, oneAddress, respond, roomFor, textOf } from "./responses.ts"
import { clientOf, EVERYWHERE, portOf, serve } from "./ways.ts"

const TXT = 16
const TC = 0x200
const numbered = (id: number): Buffer => framed(query({ id, questions: [question(`n${id}.example.test`)] }))

describe("RFC 9210: DNS transport over TCP – operational requirements", () => {
  it.live("§3: queries of every kind are answered by TCP alone, at a server that has nothing else", () =>
    Effect.gen(function* () {
      const { server } = yield* serve(oneAddress, { DNS_SERVER_LISTEN: "tcp://127.0.0.1:0" })
      const client = yield* clientOf("TCP", server)
      for (const type of [1, 28, 6, 2, 15, 16, 65, 65_280]) {
        const { rcode, flags } = readReply(yield* client.ask(asking("www.example.test", type)))
        assert.deepStrictEqual([rcode, flags], [0, "QR RD RA"], String(type))
      }
    })
  )

  it.live("§3: who is sent away by TC finds the whole answer by TCP, at the same port", () =>
    Effect.gen(function* () {
      const { server } = yield* serve(
        (asked, transport) => [
          {
            reply:
              transport === "udp"
                ? respond(asked, { flags: NOERROR | TC })
                : respond(asked, { answers: [record(here, TXT, 60, textOf(roomFor(asked, 20_000)))] })
          }
        ],
        EVERYWHERE
      )
      assert.strictEqual(server.port, portOf(server, "tcp"))
      const asked = asking("www.example.test", TXT, { size: 4_096 })
      const cut = readReply(yield* (yield* clientOf("UDP", server)).ask(asked))
      assert.deepStrictEqual([cut.flags, cut.answers.length], ["QR TC RD RA", 0])
      const whole = readReply(yield* (yield* clientOf("TCP", server)).ask(asked))
      assert.deepStrictEqual([whole.flags, whole.length], ["QR RD RA", 20_000 + 11])
    })
  )

  it.live("§3: an upstream may be asked by TCP only", () =>
    Effect.gen(function* () {
      const seen = new Set<string>()
      const inner = yield* serve((asked, transport, count) => {
        seen.add(transport)
        return oneAddress(asked, transport, count)
      })
      const { server } = yield* serve(oneAddress, { DNS_SERVER_UPSTREAMS: `tcp://${inner.upstream.address}` })
      for (let i = 0; i < 5; i++) assert.strictEqual((yield* server.ask({ name: `n${i}.test` })).answers!.length, 1)
      assert.deepStrictEqual([...seen], ["tcp"])
    })
  )

  it.live("§4.1: one client's connections are limited, and those beyond the limit cost others nothing", () =>
    Effect.gen(function* () {
      const { server } = yield* serve(oneAddress, { DNS_SERVER_MAX_TCP_CONNECTIONS_PER_CLIENT: "3" })
      const accepted = (count: number) => until("it is accepted", () => server.counters.read("tcp.accepted") === count)
      const other = yield* openTcp(server.port, "127.0.0.2")
      yield* accepted(1)
      const many = yield* Effect.replicateEffect(openTcp(server.port), 6)
      yield* accepted(7)
      yield* until("three are closed", () => many.filter((client) => client.isClosed()).length === 3)
      other.socket.write(numbered(1))
      yield* other.awaitAnswers(1)
      assert.strictEqual(other.answers.length, 1)
      assert.isFalse(other.isClosed())
    })
  )

  it.live("§4.2: where all connections are taken, one that is idle makes room, and none that waits for an answer", () =>
    Effect.gen(function* () {
      let release = (): void => {}
      const until = new Promise<void>((resolve) => {
        release = resolve
      })
      const { server, upstream } = yield* serve(
        (asked, ...rest) => oneAddress(asked, ...rest).map((reaction) => ({ ...reaction, until })),
        { DNS_SERVER_MAX_TCP_CONNECTIONS: "2" }
      )
      const busy = yield* openTcp(server.port, "127.0.0.2")
      busy.socket.write(numbered(1))
      while (upstream.queries() === 0) yield* Effect.sleep(2)
      const idle = yield* openTcp(server.port, "127.0.0.3")
      const newest = yield* openTcp(server.port, "127.0.0.4")
      yield* idle.awaitClose
      newest.socket.write(numbered(2))
      release()
      for (const client of [busy, newest]) {
        yield* client.awaitAnswers(1)
        assert.strictEqual(client.answers.length, 1)
      }
    })
  )

  it.live("§4.3: a connection that is reset ends nobody else's", () =>
    Effect.gen(function* () {
      const { server } = yield* serve(oneAddress)
      const [rude, polite] = [yield* openTcp(server.port), yield* openTcp(server.port)]
      rude.socket.write(numbered(1))
      rude.socket.resetAndDestroy()
      polite.socket.write(numbered(2))
      yield* polite.awaitAnswers(1)
      assert.strictEqual(polite.answers[0]!.readUInt16BE(0), 2)
    })
  )
})
