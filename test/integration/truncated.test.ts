/** Replies by UDP that did not fit: whatever is left of them, the upstream is asked by TCP (RFC 2181 §9). */
import { assert, describe, it } from "@effect/vitest"
import packet, { type Answer } from "dns-packet"
import { Effect } from "effect"
import { addressesOf, rcodeOf, startServer } from "../support/servers/server.ts"
import { reply, type WireBehaviour, wireUpstream } from "../support/upstreams/fake-upstream.ts"
import { questionEnd } from "../support/upstreams/mirror.ts"

const COUNT = 60
const TC = packet.TRUNCATED_RESPONSE

const addresses = (query: Buffer): Array<Answer> => {
  const { name } = packet.decode(query).questions![0]!
  return Array.from({ length: COUNT }, (_, i) => ({ name, type: "A", ttl: 60, data: `192.0.2.${i + 1}` }))
}
const whole = (query: Buffer, flags = 0): Buffer => reply(packet.decode(query), { answers: addresses(query), flags })

/** The same by UDP with TC set and cut to so many octets; all by TCP. */
const cutting =
  (cut: (query: Buffer) => Buffer): WireBehaviour =>
  (query, transport) => [{ reply: transport === "udp" ? cut(query) : whole(query) }]

const cutTo =
  (length: (query: Buffer) => number) =>
  (query: Buffer): Buffer =>
    whole(query, TC).subarray(0, length(query))

const cuts: Readonly<Record<string, (query: Buffer) => Buffer>> = {
  "inside a record's owner": cutTo((query) => questionEnd(query) + 1),
  "inside a record's header": cutTo((query) => questionEnd(query) + 16 * 5 + 7),
  "inside a record's data": cutTo(() => 511),
  "after the last whole record": (query) =>
    reply(packet.decode(query), { answers: addresses(query).slice(0, 20), flags: TC }),
  "after the question": cutTo(questionEnd),
  "inside the question's type": cutTo((query) => questionEnd(query) - 3),
  "inside the question's name": cutTo(() => 15),
  "after the header, its counts as they were": cutTo(() => 12),
  "to a header without counts": (query) => whole(query, TC).subarray(0, 12).fill(0, 4),
  "with garbage behind the question": (query) => whole(query, TC).fill(0xff, questionEnd(query))
}

for (const datagrams of ["batched", "portable"]) {
  describe(`a truncated reply (datagrams: ${datagrams})`, () => {
    for (const [what, cut] of Object.entries(cuts)) {
      it.live(`that is cut ${what} is asked for by TCP`, () =>
        Effect.gen(function* () {
          const upstream = yield* wireUpstream(cutting(cut))
          const server = yield* startServer({ DNS_SERVER_UPSTREAMS: upstream.address, DNS_SERVER_DATAGRAMS: datagrams })
          const answer = yield* server.ask({ name: "big.example.test", tcp: true })
          assert.strictEqual(rcodeOf(answer), "NOERROR")
          assert.strictEqual(addressesOf(answer).length, COUNT)
          assert.strictEqual(upstream.queries(), 2)
          assert.strictEqual(server.counters.read("upstream.truncated"), 1)
          assert.strictEqual(server.counters.read("upstream.rejected"), 0)
        })
      )
    }

    it.live("that is larger than the room for it is taken, or asked for by TCP", () =>
      Effect.gen(function* () {
        const many = (query: Buffer): Buffer => {
          const { name } = packet.decode(query).questions![0]!
          const answers = Array.from({ length: 900 }, (_, i) => ({
            name,
            type: "A" as const,
            ttl: 60,
            data: `10.0.${i >> 8}.${i & 255}`
          }))
          return reply(packet.decode(query), { answers })
        }
        const upstream = yield* wireUpstream((query) => [{ reply: many(query) }])
        const server = yield* startServer({ DNS_SERVER_UPSTREAMS: upstream.address, DNS_SERVER_DATAGRAMS: datagrams })
        const answer = yield* server.ask({ name: "big.example.test", tcp: true })
        assert.strictEqual(addressesOf(answer).length, 900)
        assert.strictEqual(server.counters.read("upstream.rejected"), 0)
      })
    )

    it.live("with another id or question is nobody's, and the right one is waited for", () =>
      Effect.gen(function* () {
        const upstream = yield* wireUpstream((query, transport) => {
          const good = { reply: whole(query), delayMs: 50 }
          if (transport === "tcp") return [good]
          const otherId = Buffer.from(whole(query, TC))
          otherId.writeUInt16BE((query.readUInt16BE(0) + 1) & 0xffff, 0)
          const otherName = Buffer.from(whole(query, TC))
          otherName[13]! ^= 1
          return [{ reply: otherId.subarray(0, 12) }, { reply: otherName.subarray(0, 20) }, good]
        })
        const server = yield* startServer({ DNS_SERVER_UPSTREAMS: upstream.address, DNS_SERVER_DATAGRAMS: datagrams })
        const answer = yield* server.ask({ name: "big.example.test", tcp: true })
        assert.strictEqual(addressesOf(answer).length, COUNT)
        assert.strictEqual(server.counters.read("upstream.truncated"), 0)
        assert.strictEqual(server.counters.read("upstream.strangers"), 2)
      })
    )
  })
}

describe("a reply that is truncated by TCP too", () => {
  it.live("is none, and the next upstream is asked", () =>
    Effect.gen(function* () {
      const first = yield* wireUpstream((query) => [{ reply: whole(query, TC).subarray(0, 300) }])
      const second = yield* wireUpstream((query) => [{ reply: whole(query) }])
      const server = yield* startServer({
        DNS_SERVER_UPSTREAMS: `${first.address},${second.address}`,
        DNS_SERVER_UPSTREAM_POLICY: "ordered"
      })
      assert.strictEqual(addressesOf(yield* server.ask({ name: "big.example.test", tcp: true })).length, COUNT)
      assert.strictEqual(first.queries(), 2)
      assert.strictEqual(second.queries(), 1)
    })
  )
})
