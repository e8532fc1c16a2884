import { connect, type Socket } from "node:net"
import { networkInterfaces } from "node:os"
import { assert, describe, it } from "@effect/vitest"
import { Effect, Fiber, type Layer, type Scope } from "effect"
import type { Endpoint } from "../../src/io/endpoint.ts"
import * as Batched from "../../src/io/linux/batched.ts"
import { libc } from "../../src/io/linux/libc.ts"
import * as Portable from "../../src/io/portable/streams.ts"
import { StreamTransport } from "../../src/io/stream-transport.ts"
import type { TlsTerms } from "../../src/io/tls-server.ts"
import { payload } from "../support/clients/inbox.ts"
import { client, clientByTls, reset, type Seen, Server } from "../support/servers/stream-server.ts"
import { certificateFor, termsOf } from "../support/servers/tls-terms.ts"

const LOOPBACK = { address: "127.0.0.1", port: 0 }
/** More than the buffers of both ends hold. */
const LARGE = 16 << 20

interface Way {
  readonly name: string
  readonly layer: Layer.Layer<StreamTransport, Batched.BatchedUnavailable>
  readonly terms: TlsTerms | undefined
}

const transports = [
  ...(libc === undefined ? [] : [{ name: "batched", layer: Batched.layer }]),
  { name: "portable", layer: Portable.layer }
]

const ways: ReadonlyArray<Way> = transports.flatMap(({ layer, name }) => [
  { name, layer, terms: undefined },
  { name: `${name}, by TLS`, layer, terms: termsOf([certificateFor("localhost")]) }
])

const hasIPv6 = Object.values(networkInterfaces()).some((all) => all?.some(({ address }) => address === "::1"))
const loopbacks = [LOOPBACK, ...(hasIPv6 ? [{ address: "::1", port: 0 }] : [])]

/** All that comes until the server shuts its side; read from now on. */
const everything = (socket: Socket): Effect.Effect<Fiber.Fiber<Buffer>> =>
  Effect.forkChild(
    Effect.callback<Buffer>((resume) => {
      const chunks: Array<Buffer> = []
      socket.on("data", (chunk: Buffer) => chunks.push(chunk))
      socket.once("end", () => resume(Effect.succeed(Buffer.concat(chunks))))
    }),
    { startImmediately: true }
  )

/** Waits until the server has left, in whatever manner. */
const left = (socket: Socket): Effect.Effect<void> =>
  Effect.callback((resume) => {
    const done = (): void => resume(Effect.void)
    if (socket.closed || socket.readableEnded) return done()
    for (const event of ["end", "close"]) socket.once(event, done)
    return void socket.resume()
  })

/** Writes all of it, each piece when the one before was taken. */
const writeAll = (server: Server, seen: Seen, pieces: ReadonlyArray<Uint8Array>): Effect.Effect<void> =>
  Effect.forEach(
    pieces,
    (piece) =>
      Effect.suspend(() => {
        const before = seen.events.length
        return seen.socket.write(piece) ? Effect.void : server.until(() => seen.events.length > before)
      }),
    { discard: true }
  )

const clientOf = ({ terms }: Way, endpoint: Endpoint): Effect.Effect<Socket, never, Scope.Scope> =>
  terms === undefined ? client(endpoint) : clientByTls(endpoint)

const through = (
  way: Way,
  name: string,
  use: (transport: StreamTransport["Service"]) => Effect.Effect<void, unknown, Scope.Scope>
): void => it.live(name, () => Effect.flatMap(StreamTransport, use).pipe(Effect.provide(way.layer)))

for (const way of ways) {
  describe(`clients' connections, ${way.name}`, () => {
    for (const local of loopbacks) {
      through(way, `bring octets both ways, in their order, and say who is there (${local.address})`, (transport) =>
        Effect.gen(function* () {
          const server = yield* Server.at(transport, local, way.terms)
          const asking = yield* clientOf(way, server.endpoint)
          const sent = [1, 200, 40_000].map((size) => payload(size, size))
          for (const piece of sent) asking.write(piece)
          yield* server.until(() => server.connections[0]?.octets.length === 40_201)
          const [seen] = server.connections
          assert.isTrue(seen!.octets.equals(Buffer.concat(sent)))
          assert.deepStrictEqual([seen!.socket.peer.address, seen!.socket.peer.port], [local.address, asking.localPort])
          const received = yield* everything(asking)
          yield* writeAll(server, seen!, sent)
          seen!.socket.end()
          assert.isTrue(seen!.socket.isEnded)
          assert.isTrue((yield* Fiber.join(received)).equals(Buffer.concat(sent)))
        })
      )
    }

    through(way, "say when the kernel has taken all of it, however slowly the client reads", (transport) =>
      Effect.gen(function* () {
        const server = yield* Server.at(transport, LOOPBACK, way.terms)
        const asking = yield* clientOf(way, server.endpoint)
        asking.pause()
        yield* server.until(() => server.connections.length === 1)
        const seen = server.connections[0]!
        const large = payload(LARGE, 7)
        assert.isFalse(seen.socket.write(large))
        // Nobody reads: it cannot be taken, however long that lasts.
        yield* Effect.sleep(50)
        assert.deepStrictEqual(seen.events, [])
        const received = yield* everything(asking)
        asking.resume()
        yield* server.until(() => seen.events.includes("written"))
        seen.socket.end()
        assert.isTrue((yield* Fiber.join(received)).equals(Buffer.from(large)))
      })
    )

    through(way, "serve a client that has shut its side", (transport) =>
      Effect.gen(function* () {
        const server = yield* Server.at(transport, LOOPBACK, way.terms)
        const asking = yield* clientOf(way, server.endpoint)
        asking.end(payload(10, 1))
        yield* server.until(() => server.connections[0]?.events.includes("end") === true)
        const seen = server.connections[0]!
        assert.strictEqual(seen.octets.length, 10)
        const received = yield* everything(asking)
        yield* writeAll(server, seen, [payload(20, 2)])
        seen.socket.end()
        assert.isTrue((yield* Fiber.join(received)).equals(Buffer.from(payload(20, 2))))
        yield* server.until(() => seen.events.includes("close"))
        assert.deepStrictEqual(
          seen.events.filter((event) => event !== "written"),
          ["end", "close"]
        )
      })
    )

    through(way, "read nothing while they are paused, and all of it then", (transport) =>
      Effect.gen(function* () {
        const server = yield* Server.at(transport, LOOPBACK, way.terms)
        const asking = yield* clientOf(way, server.endpoint)
        yield* server.until(() => server.connections.length === 1)
        const seen = server.connections[0]!
        seen.socket.pause()
        const large = payload(LARGE, 3)
        asking.write(large)
        yield* Effect.sleep(50)
        // What was on its way into the process by then may still come.
        const early = seen.received
        yield* Effect.sleep(50)
        assert.strictEqual(seen.received, early)
        assert.isBelow(early, LARGE)
        seen.socket.resume()
        yield* server.until(() => seen.received === LARGE)
        assert.isTrue(seen.octets.equals(Buffer.from(large)))
      })
    )

    through(way, "say once that they are closed: by us, by the client, by a reset", (transport) =>
      Effect.gen(function* () {
        const server = yield* Server.at(transport, LOOPBACK, way.terms)
        const clients = yield* Effect.replicateEffect(clientOf(way, server.endpoint), 2)
        for (const asking of clients) asking.write(payload(1, 1))
        yield* server.until(() => server.connections.filter(({ octets }) => octets.length > 0).length === 2)
        const [ours, theirs] = server.connections
        ours!.socket.destroy()
        ours!.socket.destroy()
        assert.isTrue(ours!.socket.isDestroyed)
        yield* server.until(() => ours!.events.length > 0)
        for (const asking of clients) if (!asking.destroyed) reset(asking)
        yield* server.until(() => theirs!.events.includes("close"))
        // Nothing comes behind it.
        yield* Effect.sleep(20)
        assert.deepStrictEqual(ours!.events, ["close"])
        assert.deepStrictEqual(theirs!.events, ["close"])
      })
    )

    through(way, "are refused where nobody takes them", (transport) =>
      Effect.gen(function* () {
        const server = yield* Server.at(transport, LOOPBACK, way.terms)
        server.isWelcoming = false
        yield* left(yield* clientOf(way, server.endpoint))
        server.isWelcoming = true
        yield* clientOf(way, server.endpoint)
        yield* server.until(() => server.connections.length === 1)
      })
    )

    through(way, "go on when no more are accepted", (transport) =>
      Effect.gen(function* () {
        const server = yield* Server.at(transport, LOOPBACK, way.terms)
        const asking = yield* clientOf(way, server.endpoint)
        yield* server.until(() => server.connections.length === 1)
        server.stop()
        asking.write(payload(5, 5))
        yield* server.until(() => server.connections[0]!.octets.length === 5)
        // The kernel may still let it in; nobody serves it.
        const late = connect({ host: LOOPBACK.address, port: server.endpoint.port })
        late.on("error", () => {})
        late.write(payload(5, 5))
        yield* Effect.sleep(50)
        late.destroy()
        assert.strictEqual(server.connections.length, 1)
      })
    )

    through(way, "are told apart by the hundred", (transport) =>
      Effect.gen(function* () {
        const server = yield* Server.at(transport, LOOPBACK, way.terms)
        const clients = yield* Effect.replicateEffect(clientOf(way, server.endpoint), 100)
        for (const [i, asking] of clients.entries()) asking.write(Uint8Array.of(i))
        yield* server.until(() => server.connections.filter(({ octets }) => octets.length === 1).length === 100)
        for (const { octets, socket } of server.connections) {
          assert.strictEqual(clients[octets[0]!]!.localPort, socket.peer.port)
        }
      })
    )
  })
}
