/**
 * RFC 7858: Specification for DNS over Transport Layer Security (TLS). The listener for it speaks nothing in the clear
 * (§3.1), and under TLS as DNS by TCP does: framed, many at once, for as long as it is used (§3.3, §3.4). Upstreams by
 * TLS are told nothing before they have proved who they are (§4).
 */
import { createHash, X509Certificate } from "node:crypto"
import type { TLSSocket } from "node:tls"
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { openTcp } from "../support/clients/tcp-client.ts"
import { startServer } from "../support/servers/server.ts"
import { clientByTls } from "../support/servers/stream-server.ts"
import { serverTrusting } from "../support/servers/trusting-server.ts"
import { framed } from "../support/upstreams/fake-upstream.ts"
import { heldUpstream } from "../support/upstreams/held-upstream.ts"
import { mirror, mirrorReply } from "../support/upstreams/mirror.ts"
import { streamUpstream } from "../support/upstreams/stream-upstream.ts"
import { authority } from "../support/wire/certificates.ts"
import { query, question, seeded } from "../support/wire/messages.ts"
import { asking, oneAddress } from "./responses.ts"
import { clientOf, EVERYWHERE, openTls, PATIENT, portOf, serve, ways } from "./ways.ts"

const numbered = (id: number, name = `n${id}.example.test`): Buffer =>
  framed(query({ id, questions: [question(name)] }))
const idsOf = (answers: ReadonlyArray<Buffer>): ReadonlyArray<number> => answers.map((answer) => answer.readUInt16BE(0))

const pinOf = (certificate: string): string =>
  createHash("sha256")
    .update(new X509Certificate(certificate).publicKey.export({ type: "spki", format: "der" }))
    .digest("base64")

describe("RFC 7858: specification for DNS over Transport Layer Security (TLS)", () => {
  it.live("§3.1: DNS in the clear gets no answer where TLS is spoken: the connection ends", () =>
    Effect.gen(function* () {
      const { server, upstream } = yield* serve(oneAddress, EVERYWHERE)
      const client = yield* openTcp(portOf(server, "tls"))
      client.socket.write(numbered(1))
      yield* client.awaitClose
      assert.strictEqual(client.answers.length, 0)
      assert.strictEqual(upstream.queries(), 0)
    })
  )

  it.live("§3.2: ALPN is `dot` where the client offers it, and not needed", () =>
    Effect.gen(function* () {
      const { server } = yield* serve(oneAddress, EVERYWHERE)
      const endpoint = { address: "127.0.0.1", port: portOf(server, "tls") }
      for (const [offered, chosen] of [
        [["dot"], "dot"],
        [["h2", "dot"], "dot"],
        [undefined, false]
      ] as const) {
        const socket = yield* clientByTls(endpoint, offered === undefined ? {} : { ALPNProtocols: [...offered] })
        assert.strictEqual(socket.alpnProtocol, chosen)
      }
    })
  )

  it.live("RFC 7301 §3.2: a client that offers other protocols by ALPN, and none that is spoken, is refused", () =>
    Effect.gen(function* () {
      const { server } = yield* serve(oneAddress, EVERYWHERE)
      for (const [protocol, offered] of [
        ["tls", "h2"],
        ["https", "dot"]
      ] as const) {
        const endpoint = { address: "127.0.0.1", port: portOf(server, protocol) }
        const socket = yield* clientByTls(endpoint, { ALPNProtocols: [offered] })
        assert.isTrue(socket.destroyed, `${offered} at ${protocol}`)
      }
    })
  )

  it.live("§3.2, RFC 9325 §3.1.1: TLS is spoken in versions 1.2 and 1.3, and in none before", () =>
    Effect.gen(function* () {
      const { server } = yield* serve(oneAddress, EVERYWHERE)
      const endpoint = { address: "127.0.0.1", port: portOf(server, "tls") }
      for (const [version, isSpoken] of [
        ["TLSv1.3", true],
        ["TLSv1.2", true],
        ["TLSv1.1", false],
        ["TLSv1", false]
      ] as const) {
        const socket = yield* clientByTls(endpoint, {
          minVersion: version,
          maxVersion: version,
          ciphers: "ALL:@SECLEVEL=0"
        })
        assert.strictEqual(isSpoken ? socket.getProtocol() : socket.destroyed, isSpoken ? version : true)
      }
    })
  )

  it.live("§3.3: messages have their length before them, in any pieces and records of TLS", () =>
    Effect.gen(function* () {
      const { server } = yield* serve(mirror, EVERYWHERE)
      const client = yield* openTls(portOf(server, "tls"))
      const random = seeded(7_858)
      const octets = Buffer.concat(Array.from({ length: 40 }, (_, id) => numbered(id)))
      for (let at = 0; at < octets.length; ) {
        const size = 1 + random(90)
        client.socket.write(octets.subarray(at, at + size))
        at += size
      }
      yield* client.awaitAnswers(40)
      assert.strictEqual(new Set(idsOf(client.answers)).size, 40)
    })
  )

  it.live("§3.3: queries follow each other without waiting, and are answered as they are ready", () =>
    Effect.gen(function* () {
      const upstream = yield* heldUpstream((name) => name.toLowerCase() === "slow")
      const server = yield* startServer({ DNS_SERVER_UPSTREAMS: upstream.address, ...PATIENT, ...EVERYWHERE })
      const client = yield* openTls(portOf(server, "tls"))
      client.socket.write(Buffer.concat([numbered(1, "slow.example.test"), numbered(2), numbered(3)]))
      yield* client.awaitAnswers(2)
      assert.sameMembers([...idsOf(client.answers)], [2, 3])
      yield* upstream.release
      yield* client.awaitAnswers(3)
      assert.strictEqual(client.answers[2]!.readUInt16BE(0), 1)
    })
  )

  it.live("§3.3: one answers by TLS as by every other way", () =>
    Effect.gen(function* () {
      const { server } = yield* serve(oneAddress, EVERYWHERE)
      const replies: Array<string> = []
      for (const way of ways) {
        const client = yield* clientOf(way, server)
        const asked = ["www.example.test", "a.invalid"].map((name) => asking(name))
        // The TTL counts down.
        for (const each of asked) replies.push((yield* client.ask(each)).toString("hex", 0, each.length))
      }
      assert.strictEqual(new Set(replies).size, 2)
    })
  )

  it.live("§3.4: a connection stays open while it is used, and is closed when it is idle", () =>
    Effect.gen(function* () {
      const { server } = yield* serve(oneAddress, { ...EVERYWHERE, DNS_SERVER_TCP_IDLE_TIMEOUT_SECS: "0.6" })
      const client = yield* openTls(portOf(server, "tls"))
      for (let id = 1; id <= 3; id++) {
        client.socket.write(numbered(id))
        yield* client.awaitAnswers(id)
      }
      assert.deepStrictEqual(idsOf(client.answers), [1, 2, 3])
      yield* client.awaitClose
    })
  )

  it.live("§3.4: a client that shuts its side behind its queries gets its answers", () =>
    Effect.gen(function* () {
      const { server } = yield* serve((asked) => [{ reply: mirrorReply(asked), delayMs: 50 }], EVERYWHERE)
      const client = yield* openTls(portOf(server, "tls"))
      client.socket.end(Buffer.concat([numbered(1), numbered(2)]))
      yield* client.awaitClose
      assert.sameMembers([...idsOf(client.answers)], [1, 2])
    })
  )

  it.live("§3.4: a client that comes back takes up its session, without a whole handshake", () =>
    Effect.gen(function* () {
      const { server } = yield* serve(oneAddress, EVERYWHERE)
      const endpoint = { address: "127.0.0.1", port: portOf(server, "tls") }
      for (const version of ["TLSv1.3", "TLSv1.2"] as const) {
        const options = { minVersion: version, maxVersion: version }
        const first = yield* clientByTls(endpoint, options)
        const session = yield* ticketOf(first)
        const second = yield* clientByTls(endpoint, { ...options, session })
        assert.isTrue(second.isSessionReused(), version)
      }
    })
  )

  it.live("§4.1: an upstream that does not prove who it is is told nothing", () =>
    Effect.gen(function* () {
      const trusted = authority()
      for (const certificate of [
        authority().issue({ names: ["127.0.0.1"] }),
        trusted.issue({ names: ["elsewhere.example"] }),
        trusted.issue({ names: ["127.0.0.1"], days: -1 })
      ]) {
        const upstream = yield* streamUpstream({ certificate })
        const server = yield* serverTrusting(trusted)([`tls://127.0.0.1:${upstream.port}`], {
          DNS_SERVER_RETRIES: "0",
          DNS_SERVER_QUERY_TIMEOUT_SECS: "1"
        })
        const { answers } = yield* server.ask({ name: "www.example.test" })
        assert.deepStrictEqual([answers!.length, upstream.queries.length], [0, 0])
      }
    })
  )

  it.live("§4.2: an upstream with a pin is known by its key, whoever vouches for it, and no other is", () =>
    Effect.gen(function* () {
      const unknown = authority()
      const [certificate, other] = [unknown.issue({ names: ["a.example"] }), unknown.issue({ names: ["a.example"] })]
      for (const [pinned, count] of [
        [certificate, 1],
        [other, 0]
      ] as const) {
        const upstream = yield* streamUpstream({ certificate })
        const address = `tls://127.0.0.1:${upstream.port}#pin-sha256=${pinOf(pinned.cert)}`
        const server = yield* startServer({
          DNS_SERVER_UPSTREAMS: address,
          DNS_SERVER_RETRIES: "0",
          DNS_SERVER_QUERY_TIMEOUT_SECS: "10"
        })
        const { answers } = yield* server.ask({ name: "www.example.test" })
        assert.deepStrictEqual([answers!.length, upstream.queries.length], [count, count])
      }
    })
  )
})

/** What the client may come back with; TLS 1.3 sends it behind the handshake. */
const ticketOf = (socket: TLSSocket): Effect.Effect<Buffer> =>
  Effect.callback((resume) => {
    socket.resume()
    const session = socket.getSession()
    if (socket.getProtocol() === "TLSv1.2" && session !== undefined) return resume(Effect.succeed(session))
    socket.once("session", (ticket: Buffer) => resume(Effect.succeed(ticket)))
  })
