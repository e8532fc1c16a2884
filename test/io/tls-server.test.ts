/** Clients' connections by TLS: what is shown to whom, what is chosen, who may come back without a whole handshake. */
import { randomBytes } from "node:crypto"
import { connect } from "node:net"
import type { TLSSocket } from "node:tls"
import { Worker } from "node:worker_threads"
import { assert, describe, it } from "@effect/vitest"
import { Effect, type Scope } from "effect"
import * as Batched from "../../src/io/linux/batched.ts"
import { libc } from "../../src/io/linux/libc.ts"
import { openSsl } from "../../src/io/linux/tls-context.ts"
import * as Portable from "../../src/io/portable/streams.ts"
import { StreamTransport } from "../../src/io/stream-transport.ts"
import { TICKET_SECRET_OCTETS } from "../../src/io/tls-server.ts"
import { clientByTls, Server } from "../support/servers/stream-server.ts"
import { certificateFor, rsaCertificateFor, termsOf, testAuthority } from "../support/servers/tls-terms.ts"

const LOOPBACK = { address: "127.0.0.1", port: 0 }

const ways = [
  ...(libc === undefined ? [] : [{ name: "batched", layer: Batched.layer }]),
  { name: "portable", layer: Portable.layer }
]

const nameShown = (socket: TLSSocket): string | undefined => socket.getPeerCertificate().subjectaltname

/** A session by which the client may come back, once the server has given one: before 1.3, in the handshake. */
const sessionOf = (socket: TLSSocket): Effect.Effect<Buffer> =>
  Effect.callback((resume) => {
    if (socket.getProtocol() === "TLSv1.2") return resume(Effect.succeed(socket.getSession()!))
    socket.once("session", (session: Buffer) => resume(Effect.succeed(session)))
    socket.resume()
  })

for (const { layer, name } of ways) {
  const through = (
    what: string,
    use: (transport: StreamTransport["Service"]) => Effect.Effect<void, unknown, Scope.Scope>
  ): void => it.live(what, () => Effect.flatMap(StreamTransport, use).pipe(Effect.provide(layer)))

  describe(`a server by TLS, ${name}`, () => {
    through("shows the certificate that is for the name, and the first where none is", (transport) =>
      Effect.gen(function* () {
        const terms = termsOf([certificateFor("one.example"), certificateFor("two.example", "three.example")])
        const server = yield* Server.at(transport, LOOPBACK, terms)
        const shownFor = (servername?: string) =>
          Effect.map(clientByTls(server.endpoint, servername === undefined ? {} : { servername }), nameShown)
        assert.strictEqual(yield* shownFor("one.example"), "DNS:one.example")
        assert.strictEqual(yield* shownFor("three.example"), "DNS:two.example, DNS:three.example")
        assert.strictEqual(yield* shownFor("other.example"), "DNS:one.example")
        assert.strictEqual(yield* shownFor(), "DNS:one.example")
      })
    )

    const byRsa = "rsa_pss_rsae_sha256:rsa_pkcs1_sha256"
    const byEcdsa = "ecdsa_secp256r1_sha256"
    for (const maxVersion of ["TLSv1.2", "TLSv1.3"] as const) {
      const shownFor = (server: Server, servername: string, sigalgs: string) =>
        Effect.map(clientByTls(server.endpoint, { servername, sigalgs, maxVersion }), (socket) => {
          const { asymmetricKeyType } = socket.getPeerX509Certificate()?.publicKey ?? {}
          return socket.destroyed ? "refused" : `${asymmetricKeyType} ${nameShown(socket)}`
        })

      through(`shows of two certificates the one whose key the client can check (${maxVersion})`, (transport) =>
        Effect.gen(function* () {
          const [ecdsa, rsa] = [certificateFor("one.example"), rsaCertificateFor("one.example")]
          for (const keyPairs of [[ecdsa, rsa] as const, [rsa, ecdsa] as const]) {
            const server = yield* Server.at(transport, LOOPBACK, termsOf(keyPairs))
            for (const servername of ["one.example", "other.example", ""]) {
              assert.strictEqual(yield* shownFor(server, servername, byEcdsa), "ec DNS:one.example")
              assert.strictEqual(yield* shownFor(server, servername, byRsa), "rsa DNS:one.example")
            }
          }
        })
      )

      // Of a certificate that is not the first, Node takes no other kind with it.
      if (name === "portable") continue
      through(`and, of those for several names, only one for the name that is asked for (${maxVersion})`, (transport) =>
        Effect.gen(function* () {
          const [one, two] = [certificateFor("one.example"), certificateFor("two.example", "more.example")]
          const [rsaOne, rsaTwo] = [rsaCertificateFor("one.example", "other.example"), rsaCertificateFor("two.example")]
          for (const keyPairs of [[one, rsaOne, two, rsaTwo] as const, [rsaTwo, two, rsaOne, one] as const]) {
            const terms = termsOf([certificateFor("before.example")])
            const server = yield* Server.at(transport, LOOPBACK, terms)
            terms.show(keyPairs)
            assert.strictEqual(yield* shownFor(server, "one.example", byEcdsa), "ec DNS:one.example")
            assert.strictEqual(yield* shownFor(server, "one.example", byRsa), "rsa DNS:one.example, DNS:other.example")
            assert.strictEqual(yield* shownFor(server, "two.example", byRsa), "rsa DNS:two.example")
            assert.strictEqual(yield* shownFor(server, "two.example", byEcdsa), "ec DNS:two.example, DNS:more.example")
            // For these there is one only.
            assert.strictEqual(yield* shownFor(server, "other.example", byEcdsa), "refused")
            assert.strictEqual(yield* shownFor(server, "more.example", byRsa), "refused")
          }
        })
      )
    }

    through("is believed by whoever trusts its authority", (transport) =>
      Effect.gen(function* () {
        const server = yield* Server.at(transport, LOOPBACK, termsOf([certificateFor("dns.example")]))
        const trusting = { rejectUnauthorized: true, ca: testAuthority.cert }
        const socket = yield* clientByTls(server.endpoint, { ...trusting, servername: "dns.example" })
        assert.isTrue(socket.authorized)
        const wrong = yield* clientByTls(server.endpoint, { ...trusting, servername: "other.example" })
        assert.isTrue(wrong.destroyed)
      })
    )

    through("shows another certificate when it changes, to those who connect then", (transport) =>
      Effect.gen(function* () {
        const terms = termsOf([certificateFor("before.example")])
        const server = yield* Server.at(transport, LOOPBACK, terms)
        const before = yield* clientByTls(server.endpoint)
        for (let i = 0; i < 20; i++) {
          terms.show([certificateFor(`then${i}.example`)])
          const then = yield* clientByTls(server.endpoint)
          assert.strictEqual(nameShown(then), `DNS:then${i}.example`)
        }
        before.write("still there")
        yield* server.until(() => server.connections[0]?.octets.toString() === "still there")
      })
    )

    through(
      "takes the protocol that it wants most of those that are offered, and refuses who offers none",
      (transport) =>
        Effect.gen(function* () {
          const terms = termsOf([certificateFor("dns.example")], ["h2", "http/1.1"])
          const server = yield* Server.at(transport, LOOPBACK, terms)
          const chosenOf = (...ALPNProtocols: Array<string>) =>
            Effect.gen(function* () {
              const before = server.connections.length
              const socket = yield* clientByTls(server.endpoint, { ALPNProtocols })
              if (socket.destroyed) return "refused"
              socket.write("x")
              yield* server.until(() => server.connections[before]?.octets.length === 1)
              assert.strictEqual(server.connections[before]!.socket.protocol, socket.alpnProtocol || "")
              return socket.alpnProtocol
            })
          assert.strictEqual(yield* chosenOf("http/1.1", "h2"), "h2")
          assert.strictEqual(yield* chosenOf("dot", "http/1.1"), "http/1.1")
          assert.strictEqual(yield* chosenOf("dot"), "refused")
          assert.strictEqual(yield* chosenOf(), false)
        })
    )

    for (const maxVersion of ["TLSv1.2", "TLSv1.3"] as const) {
      through(
        `takes a client back without a whole handshake, until its secret is another (${maxVersion})`,
        (transport) =>
          Effect.gen(function* () {
            const pair = certificateFor("dns.example")
            const terms = termsOf([pair])
            const server = yield* Server.at(transport, LOOPBACK, terms)
            // Another thread of the same server.
            const other = yield* Server.at(transport, LOOPBACK, { ...terms, keyPairs: () => [pair] })
            const first = yield* clientByTls(server.endpoint, { maxVersion })
            const session = yield* sessionOf(first)
            for (const { endpoint } of [server, other]) {
              assert.isTrue((yield* clientByTls(endpoint, { maxVersion, session })).isSessionReused())
            }
            terms.makeTicketsOf(randomBytes(TICKET_SECRET_OCTETS))
            const last = yield* clientByTls(server.endpoint, { maxVersion, session })
            assert.isFalse(last.isSessionReused())
            assert.isFalse(last.destroyed)
          })
      )
    }

    through("refuses versions before 1.2", (transport) =>
      Effect.gen(function* () {
        const server = yield* Server.at(transport, LOOPBACK, termsOf([certificateFor("dns.example")]))
        const old = yield* clientByTls(server.endpoint, { minVersion: "TLSv1.1", maxVersion: "TLSv1.1" })
        assert.isTrue(old.destroyed)
      })
    )

    through("ends what is no TLS, and goes on", (transport) =>
      Effect.gen(function* () {
        const server = yield* Server.at(transport, LOOPBACK, termsOf([certificateFor("dns.example")]))
        for (const text of ["GET / HTTP/1.1\r\n\r\n", "\x16\x03\x01\xff\xff\x01".padEnd(100, "x")]) {
          yield* Effect.callback<void>((resume) => {
            const socket = connect(server.endpoint.port, server.endpoint.address, () => socket.end(text, "latin1"))
            socket.on("error", () => {})
            socket.on("close", () => resume(Effect.void))
            socket.resume()
          })
        }
        const socket = yield* clientByTls(server.endpoint)
        assert.isFalse(socket.destroyed)
      })
    )

    through("cannot be begun with a key that is another's, or with what is none", (transport) =>
      Effect.gen(function* () {
        const [one, two] = [certificateFor("one.example"), certificateFor("two.example")]
        for (const pair of [
          { certificate: one.certificate, key: two.key },
          { certificate: "nothing", key: one.key },
          { certificate: one.certificate, key: "nothing" }
        ]) {
          const error = yield* Effect.flip(Server.at(transport, LOOPBACK, termsOf([pair])))
          assert.propertyVal(error, "_tag", "SocketError")
        }
      })
    )
  })
}

/** Leaves an error in this thread's queue, as other code may. */
const leaveError = (): void => {
  const { BIO_free, BIO_new_mem_buf, PEM_read_bio_X509 } = openSsl()!
  const text = new ArrayBuffer(16)
  const bio = BIO_new_mem_buf(libc!.addressOf(text), text.byteLength)
  assert.strictEqual(PEM_read_bio_X509(bio, 0, 0, 0), 0)
  BIO_free(bio)
}

/** Asks in pieces, one answer after another, and ends; posts what it was told. In a thread, for the queue is a thread's. */
const clientThread = `
  const { parentPort, workerData } = require("node:worker_threads")
  const { connect } = require("node:tls")
  const socket = connect({ ...workerData, rejectUnauthorized: false, allowHalfOpen: true })
  let told = ""
  socket.on("secureConnect", () => socket.write("1"))
  socket.on("data", (octets) => {
    told += octets
    if (told.length < 20) setTimeout(() => socket.write(String(told.length % 10)), 5)
    else if (told.length === 20) socket.end("end")
  })
  socket.on("error", ({ message }) => { told += message })
  socket.on("close", () => parentPort.postMessage(told))
`

describe.skipIf(libc === undefined || openSsl() === undefined)("errors that other code has left", () => {
  it.live("end no connection by TLS: neither one that waits, nor one that is written to, nor one that ends", () =>
    Effect.gen(function* () {
      const transport = yield* StreamTransport
      const events: Array<string> = []
      const listener = yield* transport.listen(
        LOOPBACK,
        (socket) => ({
          onData: (chunk) => {
            events.push(chunk.toString())
            leaveError()
            if (!events.includes("end")) socket.write(chunk)
            return 1
          },
          onEnd: () => {
            events.push("client ended")
            socket.end()
          },
          onWritten: () => {},
          onClose: () => void events.push("close")
        }),
        { terms: termsOf([certificateFor("dns.example")]) }
      )
      const leaving = setInterval(leaveError, 1)
      yield* Effect.addFinalizer(() => Effect.sync(() => clearInterval(leaving)))
      const told = yield* Effect.callback<string>((resume) => {
        const { address: host, port } = listener.endpoint
        const thread = new Worker(clientThread, { eval: true, workerData: { host, port } })
        thread.once("message", (text: string) => resume(Effect.succeed(text)))
        return Effect.promise(() => thread.terminate())
      })
      assert.strictEqual(told, "11234567890123456789")
      assert.deepStrictEqual(events.slice(-3), ["end", "client ended", "close"])
    }).pipe(Effect.provide(Batched.layer))
  )
})
