import { X509Certificate } from "node:crypto"
import { createServer, type Socket } from "node:net"
import type { TLSSocket } from "node:tls"
import { assert, describe, it } from "@effect/vitest"
import { Effect, type Scope } from "effect"
import { digestOfSigned, pinOf } from "../../src/io/server-identity.ts"
import { askMany } from "../support/clients/bulk-client.ts"
import { goodAnswers, isGood } from "../support/clients/fresh-names.ts"
import { until } from "../support/machine/until.ts"
import { encodeQuestion, rcodeOf } from "../support/servers/server.ts"
import { serverTrusting } from "../support/servers/trusting-server.ts"
import { framed } from "../support/upstreams/fake-upstream.ts"
import { httpsUpstream } from "../support/upstreams/https-upstream.ts"
import { mirrorReply } from "../support/upstreams/mirror.ts"
import { answer, listening, type OnQuery, reset, stop, streamUpstream } from "../support/upstreams/stream-upstream.ts"
import { authority } from "../support/wire/certificates.ts"
import { stampOf } from "../support/wire/stamps.ts"

const trusted = authority()
const certificate = trusted.issue({ names: ["dns.test", "127.0.0.1"] })
const pin = pinOf(certificate.cert)
const digestOf = (cert: string): Buffer => Buffer.from(digestOfSigned(new X509Certificate(cert).raw), "base64")
const otherPin = pinOf(authority().cert)

const serverFor = serverTrusting(trusted)

describe("an upstream over TLS", () => {
  const ways = {
    "the name in its certificate": "#dns.test",
    "the address in its certificate": "",
    "a pin of its key": `#pin-sha256=${pin}`,
    "name and pin together": `#dns.test&pin-sha256=${pin}`,
    "one of several pins": `#pin-sha256=${otherPin}&pin-sha256=${pin}`
  }
  for (const [way, fragment] of Object.entries(ways)) {
    it.live(`is known by ${way} (RFC 8310 §5, RFC 7858 §4.2)`, () =>
      Effect.gen(function* () {
        const upstream = yield* streamUpstream({ certificate })
        const server = yield* serverFor([`tls://127.0.0.1:${upstream.port}${fragment}`])
        assert.strictEqual(yield* goodAnswers(server, 3), 3)
      })
    )
  }

  const stamps = {
    "its name": [],
    "its certificate": [digestOf(certificate.cert)],
    "the authority that signed it": [digestOf(trusted.cert)],
    "one of several": [digestOf(authority().cert), digestOf(trusted.cert)]
  }
  for (const [what, digests] of Object.entries(stamps)) {
    it.live(`may be given by a stamp that says ${what}`, () =>
      Effect.gen(function* () {
        const upstream = yield* streamUpstream({ certificate })
        const server = yield* serverFor([stampOf(0x03, [`127.0.0.1:${upstream.port}`, digests, "dns.test"])])
        assert.strictEqual(yield* goodAnswers(server, 3), 3)
      })
    )
  }

  it.live("that is given by a stamp has to be what the stamp says", () =>
    Effect.gen(function* () {
      const upstream = yield* streamUpstream({ certificate })
      const stamp = stampOf(0x03, [`127.0.0.1:${upstream.port}`, [digestOf(authority().cert)], "dns.test"])
      const server = yield* serverFor([stamp])
      assert.strictEqual(yield* goodAnswers(server, 3), 0)
      assert.strictEqual(upstream.queries.length, 0)
    })
  )

  it.live("is asked by its name in the handshake (RFC 6066 §3)", () =>
    Effect.gen(function* () {
      const upstream = yield* streamUpstream({ certificate })
      const server = yield* serverFor([`tls://127.0.0.1:${upstream.port}#dns.test`])
      yield* goodAnswers(server, 1)
      assert.strictEqual(
        (upstream.connections[0]!.socket as TLSSocket & { servername: unknown }).servername,
        "dns.test"
      )
    })
  )

  it.live("sees queries whose length is a multiple of 128 octets (RFC 8467 §4.1)", () =>
    Effect.gen(function* () {
      const upstream = yield* streamUpstream({ certificate })
      const server = yield* serverFor([`tls://127.0.0.1:${upstream.port}`])
      yield* goodAnswers(server, 20)
      assert.strictEqual(upstream.queries.length, 20)
      for (const query of upstream.queries) assert.strictEqual(query.length % 128, 0)
    })
  )

  it.live("finds its session resumed when it is connected to again (RFC 7858 §3.4)", () =>
    Effect.gen(function* () {
      const resumed: Array<boolean> = []
      const upstream = yield* streamUpstream({
        certificate,
        onQuery: (query, { socket }) => {
          resumed.push((socket as TLSSocket).isSessionReused())
          socket.end(framed(mirrorReply(query)))
        }
      })
      const server = yield* serverFor([`tls://127.0.0.1:${upstream.port}`])
      for (let i = 0; i < 4; i++) assert.strictEqual(yield* goodAnswers(server, 1), 1)
      assert.deepStrictEqual(resumed, [false, true, true, true])
    })
  )
})

describe("upstreams at one address that have to prove to be different servers", () => {
  const ports = { tls: () => streamUpstream({ certificate }), https: () => httpsUpstream({ certificate }) }
  for (const protocol of ["tls", "https"] as const) {
    it.live(`are several, over ${protocol.toUpperCase()}: a wrong pin is refused whatever another's pin was`, () =>
      Effect.gen(function* () {
        const { port } = yield* ports[protocol]()
        const at = `${protocol}://127.0.0.1:${port}${protocol === "https" ? "/dns-query" : ""}#`
        const server = yield* serverFor([`${at}pin-sha256=${pin}`], {
          DNS_SERVER_GROUPS: `bad=${at}pin-sha256=${otherPin}, worse=${at}other.test&pin-sha256=${pin}, named=${at}dns.test`,
          DNS_SERVER_RULES: "bad.test -> bad, worse.test -> worse, named.test -> named"
        })
        // More than once, so that there is a session to resume.
        for (let i = 0; i < 3; i++) assert.strictEqual(yield* goodAnswers(server, 1), 1)
        for (const [name, rcode] of [
          ["a.bad.test", "SERVFAIL"],
          ["a.named.test", "NOERROR"],
          ["a.worse.test", "SERVFAIL"],
          ["b.bad.test", "SERVFAIL"],
          ["b.named.test", "NOERROR"]
        ] as const) {
          assert.strictEqual(rcodeOf(yield* server.ask({ name })), rcode, name)
        }
      })
    )
  }

  it.live("are not resumed by each other's sessions: each is known by its own handshake", () =>
    Effect.gen(function* () {
      const resumed: Array<boolean> = []
      const { port } = yield* streamUpstream({
        certificate,
        onQuery: (query, { socket }) => {
          resumed.push((socket as TLSSocket).isSessionReused())
          socket.end(framed(mirrorReply(query)))
        }
      })
      const at = `tls://127.0.0.1:${port}#`
      const server = yield* serverFor([`${at}pin-sha256=${pin}`], {
        DNS_SERVER_GROUPS: `named=${at}dns.test`,
        DNS_SERVER_RULES: "named.test -> named"
      })
      for (const name of ["a.test", "b.test", "a.named.test", "b.named.test"]) {
        assert.strictEqual(rcodeOf(yield* server.ask({ name })), "NOERROR")
      }
      assert.deepStrictEqual(resumed, [false, true, false, true])
    })
  )
})

/** A server that accepts and does this with the connection. */
const bareServer = (onConnection: (socket: Socket) => void): Effect.Effect<number, never, Scope.Scope> =>
  Effect.acquireRelease(
    Effect.promise(async () => {
      const server = createServer(onConnection)
      const sockets = new Set<Socket>()
      return { port: await listening(server, sockets), server, sockets }
    }),
    ({ server, sockets }) => Effect.sync(() => stop(server, sockets))
  ).pipe(Effect.map(({ port }) => port))

describe("an upstream over TLS that does not prove who it is", () => {
  const expired = trusted.issue({ names: ["dns.test", "127.0.0.1"], days: -1 })
  const unknown = authority("Another").issue({ names: ["dns.test", "127.0.0.1"] })
  const elsewhere = trusted.issue({ names: ["elsewhere.test"] })
  const faults = {
    "a certificate for another name": [certificate, "#other.test"],
    "a certificate without the address": [elsewhere, ""],
    "a certificate that has run out": [expired, "#dns.test"],
    "a certificate of an authority that is not trusted": [unknown, "#dns.test"],
    "another key than the one pinned": [certificate, `#pin-sha256=${otherPin}`],
    "the right name and another key than the one pinned": [certificate, `#dns.test&pin-sha256=${otherPin}`],
    "the key pinned and another name": [certificate, `#other.test&pin-sha256=${pin}`]
  } as const
  for (const [fault, [shown, fragment]] of Object.entries(faults)) {
    it.live(`with ${fault}, is told nothing: the client has its answer from the next`, () =>
      Effect.gen(function* () {
        const bad = yield* streamUpstream({ certificate: shown })
        const good = yield* streamUpstream({ certificate })
        const server = yield* serverFor([
          `tls://127.0.0.1:${bad.port}${fragment}`,
          `tls://127.0.0.1:${good.port}#dns.test`
        ])
        assert.strictEqual(yield* goodAnswers(server, 20), 20)
        assert.strictEqual(bad.queries.length, 0)
      })
    )
  }

  it.live("is not believed either when it is the only one: SERVFAIL", () =>
    Effect.gen(function* () {
      const bad = yield* streamUpstream({ certificate: unknown })
      const server = yield* serverFor([`tls://127.0.0.1:${bad.port}`])
      assert.strictEqual(yield* goodAnswers(server, 2), 0)
      assert.strictEqual(bad.queries.length, 0)
    })
  )

  it.live("because its handshake stalls, costs an attempt's time", () =>
    Effect.gen(function* () {
      const stalled = yield* bareServer(() => {})
      const good = yield* streamUpstream({ certificate })
      const server = yield* serverFor([`tls://127.0.0.1:${stalled}`, `tls://127.0.0.1:${good.port}`])
      assert.strictEqual(yield* goodAnswers(server, 20), 20)
    })
  )

  it.live("because it speaks no TLS, costs a retry", () =>
    Effect.gen(function* () {
      const plain = yield* bareServer((socket) => socket.end("220 mail.example ESMTP\r\n"))
      const good = yield* streamUpstream({ certificate })
      const server = yield* serverFor([`tls://127.0.0.1:${plain}`, `tls://127.0.0.1:${good.port}`])
      assert.strictEqual(yield* goodAnswers(server, 20), 20)
    })
  )
})

for (const protocol of ["tcp", "tls"] as const) {
  const upstreamThat = (onQuery?: OnQuery) =>
    streamUpstream({
      certificate: protocol === "tls" ? certificate : undefined,
      ...(onQuery === undefined ? {} : { onQuery })
    })

  describe(`a connection to an upstream over ${protocol.toUpperCase()}`, () => {
    it.live("is kept, and carries what comes later", () =>
      Effect.gen(function* () {
        const upstream = yield* upstreamThat()
        const server = yield* serverFor([`${protocol}://127.0.0.1:${upstream.port}`])
        for (let i = 0; i < 10; i++) assert.strictEqual(yield* goodAnswers(server, 5), 5)
        assert.strictEqual(upstream.connections.length, 1)
      })
    )

    it.live("is one of a few that carry a thousand questions at once, answered in any order", () =>
      Effect.gen(function* () {
        const held: Array<() => void> = []
        const upstream = yield* upstreamThat((query, connection) => {
          held.push(() => answer(query, connection))
          if (held.length === 1000) for (const give of held.reverse()) give()
        })
        const server = yield* serverFor([`${protocol}://127.0.0.1:${upstream.port}`], {
          DNS_SERVER_ATTEMPT_TIMEOUT_MS: "10000",
          DNS_SERVER_QUERY_TIMEOUT_SECS: "20"
        })
        assert.strictEqual(yield* goodAnswers(server, 1000), 1000)
        assert.isAtMost(upstream.connections.length, 4)
        assert.strictEqual(upstream.queries.length, 1000)
      })
    )

    it.live("that is closed after each answer costs no client its answer (RFC 7766 §6.2.1)", () =>
      Effect.gen(function* () {
        const upstream = yield* upstreamThat((query, { socket, asked }) => {
          if (asked === 1) socket.end(framed(mirrorReply(query)))
        })
        const server = yield* serverFor([`${protocol}://127.0.0.1:${upstream.port}`], {
          DNS_SERVER_ATTEMPT_TIMEOUT_MS: "10000",
          DNS_SERVER_QUERY_TIMEOUT_SECS: "20"
        })
        assert.strictEqual(yield* goodAnswers(server, 1), 1)
        assert.strictEqual(yield* goodAnswers(server, 100), 100)
        assert.strictEqual(server.counters.read("upstream.retries"), 0)
      })
    )

    it.live("that the server closes while it is idle is opened again", () =>
      Effect.gen(function* () {
        const upstream = yield* upstreamThat()
        const server = yield* serverFor([`${protocol}://127.0.0.1:${upstream.port}`])
        assert.strictEqual(yield* goodAnswers(server, 1), 1)
        for (const { socket } of upstream.connections) socket.end()
        yield* until("its connections are closed", () => upstream.open() === 0)
        assert.strictEqual(yield* goodAnswers(server, 1), 1)
        assert.strictEqual(upstream.connections.length, 2)
        assert.strictEqual(server.counters.read("upstream.retries"), 0)
      })
    )

    it.live("that falls silent is left for another, probed once and closed", () =>
      Effect.gen(function* () {
        let isSilent = false
        const upstream = yield* upstreamThat((query, connection) => {
          if (!isSilent || connection.number > 1) answer(query, connection)
        })
        const server = yield* serverFor([`${protocol}://127.0.0.1:${upstream.port}`])
        assert.strictEqual(yield* goodAnswers(server, 5), 5)
        isSilent = true
        assert.strictEqual(yield* goodAnswers(server, 20), 20)
        const [first] = upstream.connections
        yield* until("its connection is closed", () => first!.socket.destroyed)
        // Five that were answered, twenty that were not, and one to find out.
        assert.strictEqual(first!.asked, 26)
        assert.isAtMost(upstream.open(), 1)
      })
    )

    it.live("that stops reading is left as well: the other upstream answers", () =>
      Effect.gen(function* () {
        let isStuck = true
        const stuck = yield* upstreamThat((_query, { socket }) => {
          if (isStuck) socket.pause()
        })
        const good = yield* upstreamThat()
        const server = yield* serverFor([stuck, good].map(({ port }) => `${protocol}://127.0.0.1:${port}`))
        assert.strictEqual(yield* goodAnswers(server, 100), 100)
        yield* Effect.sleep(1500)
        // It sees that it was left when it reads again.
        isStuck = false
        for (const { socket } of stuck.connections) socket.resume()
        yield* until("its connection is closed", () => stuck.connections[0]!.socket.destroyed)
      })
    )

    it.live("that is slow with one question is not taken for silent: it answers the probe", () =>
      Effect.gen(function* () {
        const upstream = yield* upstreamThat((query, connection) => {
          if (query.includes("slow")) setTimeout(() => answer(query, connection), 1500)
          else answer(query, connection)
        })
        const server = yield* serverFor([`${protocol}://127.0.0.1:${upstream.port}`], { DNS_SERVER_RETRIES: "0" })
        const [slow] = yield* askMany(server.port, [
          { wire: encodeQuestion({ name: "slow.example.test" }, 7), transport: "udp" }
        ])
        assert.isTrue(slow !== undefined && isGood(slow))
        assert.strictEqual(upstream.connections.length, 1)
      })
    )

    it.live("that is reset in the middle of an answer costs a retry", () =>
      Effect.gen(function* () {
        const upstream = yield* upstreamThat((query, connection) => {
          if (connection.number > 1) return answer(query, connection)
          connection.socket.write(framed(mirrorReply(query)).subarray(0, 20), () => reset(connection.socket))
        })
        const server = yield* serverFor([`${protocol}://127.0.0.1:${upstream.port}`])
        assert.strictEqual(yield* goodAnswers(server, 10), 10)
      })
    )

    it.live("on which an answer comes that nobody asked for is closed, and what waits is asked again", () =>
      Effect.gen(function* () {
        const upstream = yield* upstreamThat((query, connection) => {
          if (connection.number > 1) return answer(query, connection)
          const other = mirrorReply(query)
          other[13]! ^= 1
          connection.socket.write(framed(other))
        })
        const server = yield* serverFor([`${protocol}://127.0.0.1:${upstream.port}`])
        assert.strictEqual(yield* goodAnswers(server, 10), 10)
        yield* until("its connection is closed", () => upstream.connections[0]!.socket.destroyed)
      })
    )

    it.live("on which garbage comes is closed, and the other upstream answers", () =>
      Effect.gen(function* () {
        const bad = yield* upstreamThat((_query, { socket }) => {
          socket.write(Buffer.from("HTTP/1.1 400 Bad Request\r\n\r\n".repeat(2000)))
        })
        const good = yield* upstreamThat()
        const server = yield* serverFor([bad, good].map(({ port }) => `${protocol}://127.0.0.1:${port}`))
        assert.strictEqual(yield* goodAnswers(server, 20), 20)
        yield* until("its connections are closed", () => bad.open() === 0)
      })
    )

    it.live("that is closed between answers loses none of those that waited", () =>
      Effect.gen(function* () {
        const upstream = yield* upstreamThat((query, connection) => {
          answer(query, connection)
          if (connection.asked === 30) connection.socket.end()
        })
        const server = yield* serverFor([`${protocol}://127.0.0.1:${upstream.port}`])
        for (let i = 0; i < 5; i++) assert.strictEqual(yield* goodAnswers(server, 50), 50)
      })
    )
  })
}
