/** Datagrams that are larger than anybody asked for: both ways of moving datagrams do alike. */
import { createSocket } from "node:dgram"
import { assert, describe, it } from "@effect/vitest"
import packet from "dns-packet"
import { Effect } from "effect"
import { onReply } from "../support/clients/udp-client.ts"
import { encodeQuestion, rcodeOf, startServer } from "../support/servers/server.ts"
import { type Behaviour, fakeUpstream, nameOf, reply } from "../support/upstreams/fake-upstream.ts"

/** An answer of so many octets and a little, whatever the question's OPT says; TC is not set. */
const ofSize =
  (size: number): Behaviour =>
  (query) => [
    {
      reply: reply(query, {
        answers: Array.from({ length: Math.ceil(size / 212) }, (_, i) => ({
          name: nameOf(query),
          type: "TXT",
          ttl: 60,
          data: `${i}-`.padEnd(199, "x")
        }))
      })
    }
  ]

const padded = (name: string, id: number, size: number): Buffer => {
  const plain = encodeQuestion({ name, edns: {} }, id)
  const whole = Buffer.concat([plain, Buffer.alloc(size - plain.length)])
  whole.writeUInt16BE(size - plain.length, plain.length - 2)
  whole.writeUInt16BE(12, plain.length)
  whole.writeUInt16BE(size - plain.length - 4, plain.length + 2)
  return whole
}

for (const datagrams of ["auto", "portable"]) {
  describe(`by UDP (${datagrams})`, () => {
    for (const size of [4_097, 8_192, 30_000, 60_000]) {
      it.live(`an upstream's answer of ${size} octets is taken`, () =>
        Effect.gen(function* () {
          const upstream = yield* fakeUpstream(ofSize(size))
          const server = yield* startServer({
            DNS_SERVER_UPSTREAMS: upstream.address,
            DNS_SERVER_DATAGRAMS: datagrams
          })
          const answer = yield* server.ask({ name: "large.example.test", type: "TXT", tcp: true })
          assert.strictEqual(rcodeOf(answer), "NOERROR")
          assert.strictEqual(answer.answers!.length, Math.ceil(size / 212))
        })
      )
    }

    it.live("many large answers at once are all taken, by TCP where there is no room", () =>
      Effect.gen(function* () {
        const upstream = yield* fakeUpstream(ofSize(6_000))
        const server = yield* startServer({ DNS_SERVER_UPSTREAMS: upstream.address, DNS_SERVER_DATAGRAMS: datagrams })
        const answers = yield* Effect.forEach(
          Array.from({ length: 40 }, (_, i) => `n${i}.example.test`),
          (name) => server.ask({ name, type: "TXT", tcp: true }),
          { concurrency: "unbounded" }
        )
        for (const answer of answers) assert.strictEqual(answer.answers!.length, Math.ceil(6_000 / 212))
        assert.strictEqual(server.counters.read("upstream.rejected"), 0)
      })
    )

    for (const size of [4_096, 4_097, 65_000]) {
      it.live(`a query of ${size} octets is answered`, () =>
        Effect.gen(function* () {
          const upstream = yield* fakeUpstream(ofSize(200))
          const server = yield* startServer({ DNS_SERVER_UPSTREAMS: upstream.address, DNS_SERVER_DATAGRAMS: datagrams })
          const client = yield* Effect.acquireRelease(
            Effect.sync(() => createSocket("udp4")),
            (socket) => Effect.sync(() => socket.close())
          )
          const answer = yield* Effect.callback<Buffer>((resume) => {
            onReply(client, server.port, (octets) => resume(Effect.succeed(octets)))
            client.send(padded("large.example.test", 7, size), server.port, "127.0.0.1")
          })
          assert.strictEqual(rcodeOf(packet.decode(answer)), "NOERROR")
          assert.strictEqual(server.counters.read("queries.dropped"), 0)
        })
      )
    }
  })
}
