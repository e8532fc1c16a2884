/** The whole server under broken messages, from clients and from upstreams, the same in every run: it goes on. */
import { createSocket } from "node:dgram"
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { askMany } from "../support/clients/bulk-client.ts"
import { openTcp } from "../support/clients/tcp-client.ts"
import { onReply } from "../support/clients/udp-client.ts"
import { addressesOf, encodeQuestion, startServer } from "../support/servers/server.ts"
import { wireUpstream } from "../support/upstreams/fake-upstream.ts"
import { mirror, mirrorReply, nameIn, questionEnd } from "../support/upstreams/mirror.ts"
import { octets, opt, record, seeded, withPointer } from "../support/wire/messages.ts"
import { readReply } from "../support/wire/reply-reader.ts"
import { broken, rounds, sample, seed } from "./mutations.ts"

const PACKETS = rounds(15_000)

describe("the server", () => {
  it.live("goes on under broken datagrams, and every reply that it sends is well-formed", () =>
    Effect.gen(function* () {
      const upstream = yield* wireUpstream(mirror)
      const server = yield* startServer({ DNS_SERVER_UPSTREAMS: upstream.address })
      const random = seeded(seed)
      let replies = 0
      const wrong: Array<string> = []
      const socket = yield* Effect.acquireRelease(
        Effect.sync(() => createSocket({ type: "udp4", recvBufferSize: 4 << 20 })),
        (open) => Effect.sync(() => open.close())
      )
      onReply(socket, server.port, (reply) => {
        replies++
        try {
          readReply(reply)
          if (reply.length > 1232) wrong.push(`${reply.length} octets`)
        } catch (error) {
          wrong.push(`${reply.toString("hex")}: ${String(error)}`)
        }
      })
      for (let sent = 0; sent < PACKETS; sent++) {
        socket.send(broken(random, sample(random)), server.port, "127.0.0.1")
        if (sent % 50 === 0) yield* Effect.sleep(1)
      }
      assert.deepStrictEqual(addressesOf(yield* server.ask({ name: "fine.example.test" })).length, 1)
      assert.deepStrictEqual(wrong, [])
      assert.isAbove(replies, PACKETS / 3)
      assert.strictEqual(server.counters.read("defects"), 0)
    })
  )

  it.live("goes on under broken streams", () =>
    Effect.gen(function* () {
      const upstream = yield* wireUpstream(mirror)
      const server = yield* startServer({ DNS_SERVER_UPSTREAMS: upstream.address })
      const random = seeded(seed + 1)
      for (let i = 0; i < rounds(60); i++) {
        const client = yield* openTcp(server.port)
        for (let n = 0; n < 20; n++) {
          const message = broken(random, sample(random))
          // Now and then the length lies, and everything behind it is read at the wrong place.
          const length = random(10) === 0 ? random(0x10000) : message.length
          client.socket.write(octets([length >> 8, length & 255], message))
        }
        if (i % 3 === 0) client.socket.resetAndDestroy()
        else client.socket.end()
      }
      assert.strictEqual(addressesOf(yield* server.ask({ name: "fine.example.test", tcp: true })).length, 1)
      assert.strictEqual(server.counters.read("defects"), 0)
    })
  )

  it.live("goes on when upstreams send broken replies: no client gets one", () =>
    Effect.gen(function* () {
      const random = seeded(seed + 2)
      const rich = (wire: Buffer): Uint8Array => {
        const reply = Buffer.from(octets(mirrorReply(wire), ...extras))
        reply.writeUInt16BE(2, 6)
        reply.writeUInt16BE(1, 8)
        reply.writeUInt16BE(1, 10)
        return reply
      }
      const extras = [
        record(octets([1, 97], [0xc0, 12]), 5, 60, withPointer("x", 12)),
        record([0xc0, 12], 6, 60, octets([0xc0, 12], [0xc0, 12], new Uint8Array(20))),
        opt()
      ]
      const upstream = yield* wireUpstream((wire) => {
        if (nameIn(wire) === "fine") return [{ reply: mirrorReply(wire) }]
        const reply = broken(random, rich(wire))
        // The head is right, so that it is looked at and not passed over as a stranger's.
        const end = Math.min(questionEnd(wire), reply.length)
        if (random(4) > 0) wire.copy(reply, 12, 12, end)
        if (random(4) > 0) wire.copy(reply, 0, 0, Math.min(2, reply.length))
        return [{ reply }]
      })
      const server = yield* startServer({
        DNS_SERVER_UPSTREAMS: `${upstream.address},tcp://${upstream.address}`,
        DNS_SERVER_ATTEMPT_TIMEOUT_MS: "20",
        DNS_SERVER_QUERY_TIMEOUT_SECS: "1"
      })
      for (let round = 0; round < rounds(1); round++) {
        const questions = Array.from({ length: 4000 }, (_, i) => ({
          wire: encodeQuestion({ name: `n${i}.round${round}.example.test`, edns: {} }, i),
          transport: "udp" as const
        }))
        const answers = yield* askMany(server.port, questions, 300)
        let given = 0
        for (const answer of answers) {
          if (answer === undefined) continue
          given++
          assert.strictEqual(readReply(answer).rest, 0)
        }
        assert.strictEqual(given, questions.length)
      }
      assert.strictEqual(server.counters.read("defects"), 0)
    })
  )
})
