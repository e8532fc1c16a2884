/**
 * Sockets of which the kernel says without end that they are broken: what is polled is counted, so that a loop that
 * spins is seen on a machine of any speed.
 */
import { assert, describe, it } from "@effect/vitest"
import { Effect, Scope } from "effect"
import { type DatagramSocket, DatagramTransport } from "../../../src/io/datagram.ts"
import * as Batched from "../../../src/io/linux/batched.ts"
import { AF_INET, type Libc, libc, SOCK_CLOEXEC, SOCK_STREAM } from "../../../src/io/linux/libc.ts"
import { Arguments } from "../../../src/io/linux/socket.ts"
import { StreamTransport } from "../../../src/io/stream-transport.ts"
import { Inbox, payload, send } from "../../support/clients/inbox.ts"
import { client, Server } from "../../support/servers/stream-server.ts"

const LOOPBACK = { address: "127.0.0.1", port: 0 }
const SHUT_RDWR = 2
/** Turns of the event loop in which a loop that spins would poll each time. */
const TURNS = 200
/** What a thread polls until it sleeps, and a little. */
const A_FEW = 20

interface Tools {
  readonly streams: StreamTransport["Service"]
  readonly datagrams: DatagramTransport["Service"]
  readonly library: Libc
  /** Sockets that were connected, the last one last. */
  readonly connected: ReadonlyArray<number>
  /** Fails where it is polled more often than a thread does that sleeps. */
  readonly sleeps: Effect.Effect<void>
}

const brokenTest = (name: string, use: (tools: Tools) => Effect.Effect<void, unknown, Scope.Scope>): void =>
  it.live(name, () => {
    let polls = 0
    const connected: Array<number> = []
    const library: Libc = {
      ...libc!,
      epoll_wait: (...args) => {
        polls++
        return libc!.epoll_wait(...args)
      },
      connect: (fd, ...args) => {
        connected.push(fd)
        return libc!.connect(fd, ...args)
      }
    }
    const sleeps = Effect.gen(function* () {
      const before = polls
      for (let i = 0; i < TURNS; i++) yield* Effect.yieldNow
      assert.isAtMost(polls - before, A_FEW)
    })
    return Effect.gen(function* () {
      const streams = yield* StreamTransport
      const datagrams = yield* DatagramTransport
      yield* use({ streams, datagrams, library, connected, sleeps })
    }).pipe(Effect.scoped, Effect.provide(Batched.layerOver(library)))
  })

/** A client whose every step is over when the call returns. */
const connectNow = (library: Libc, port: number): number => {
  const fd = library.socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)
  assert.strictEqual(new Arguments(library).connect(fd, { address: "127.0.0.1", port }), 0)
  return fd
}

describe.runIf(libc !== undefined)("a connection that is reset", () => {
  brokenTest("while it is paused is closed at once, and nothing spins", ({ streams, sleeps }) =>
    Effect.gen(function* () {
      const server = yield* Server.at(streams, LOOPBACK)
      const asking = yield* client(server.endpoint)
      asking.write(payload(1_000, 1))
      yield* server.until(() => server.connections[0]?.octets.length === 1_000)
      const seen = server.connections[0]!
      seen.socket.pause()
      // Unread octets in the kernel's buffer would be found by reading only.
      yield* Effect.callback<void>((resume) => {
        asking.write(payload(5_000, 2), () => resume(Effect.void))
      })
      asking.resetAndDestroy()
      yield* server.until(() => seen.events.includes("close"))
      assert.isTrue(seen.socket.isDestroyed)
      yield* sleeps
    })
  )

  brokenTest(
    "after the client has shut its side, while answers are awaited, is closed at once",
    ({ streams, sleeps }) =>
      Effect.gen(function* () {
        const server = yield* Server.at(streams, LOOPBACK)
        const asking = yield* client(server.endpoint)
        asking.end(payload(100, 1))
        yield* server.until(() => server.connections[0]?.events.includes("end") === true)
        asking.resetAndDestroy()
        const seen = server.connections[0]!
        yield* server.until(() => seen.events.includes("close"))
        assert.deepStrictEqual(seen.events, ["end", "close"])
        yield* sleeps
      })
  )

  brokenTest("while it is paused and has octets to write is closed at once", ({ streams, sleeps }) =>
    Effect.gen(function* () {
      const server = yield* Server.at(streams, LOOPBACK)
      const asking = yield* client(server.endpoint)
      asking.pause()
      yield* server.until(() => server.connections.length === 1)
      const seen = server.connections[0]!
      seen.socket.pause()
      assert.isFalse(seen.socket.write(payload(16 << 20, 3)))
      asking.resetAndDestroy()
      yield* server.until(() => seen.events.includes("close"))
      assert.deepStrictEqual(seen.events, ["close"])
      yield* sleeps
    })
  )

  brokenTest("takes no other with it that has got its descriptor's number meanwhile", (tools) =>
    Effect.gen(function* () {
      const { datagrams, library, sleeps, streams } = tools
      const server = yield* Server.at(streams, LOOPBACK)
      const { port } = server.endpoint
      const first = connectNow(library, port)
      yield* server.until(() => server.connections.length === 1)
      // The turn in which it was accepted is over: it is polled from now on.
      yield* sleeps
      const broken = server.connections[0]!
      broken.socket.pause()
      broken.socket.write(Uint8Array.of(1))
      const upstream = new Inbox()
      const answering = yield* datagrams.bind(LOOPBACK, upstream)
      const inbox = new Inbox()
      const scope = yield* Effect.scope
      // In one round: a connection to accept, and one that is broken. Who accepts closes the broken one, and opens a
      // socket, which gets its number.
      const second = connectNow(library, port)
      library.close(first)
      let asking: DatagramSocket | undefined
      yield* server.until(() => {
        if (server.connections.length < 2) return false
        broken.socket.destroy()
        asking ??= Effect.runSync(Scope.provide(datagrams.connect(answering.local, inbox), scope))
        return true
      })
      yield* sleeps
      assert.deepStrictEqual(inbox.errors, [])
      send(asking!, Uint8Array.of(1))
      const [asked] = yield* upstream.await(1)
      send(answering, Uint8Array.of(2), asked!.path)
      yield* inbox.await(1)
      library.close(second)
    })
  )

  brokenTest("is not mistaken: a client that has shut its side is still answered", ({ streams, sleeps }) =>
    Effect.gen(function* () {
      const server = yield* Server.at(streams, LOOPBACK)
      const asking = yield* client(server.endpoint)
      asking.end(payload(10, 1))
      yield* server.until(() => server.connections[0]?.events.includes("end") === true)
      yield* sleeps
      assert.isFalse(server.connections[0]!.socket.isDestroyed)
      const received = new Promise<Buffer>((resolve) => asking.once("data", resolve))
      assert.isTrue(server.connections[0]!.socket.write(payload(20, 2)))
      assert.strictEqual((yield* Effect.promise(() => received)).length, 20)
    })
  )
})

describe.runIf(libc !== undefined)("a UDP socket", () => {
  brokenTest("whose datagram nobody takes says so once, sleeps, and goes on", ({ datagrams, sleeps }) =>
    Effect.gen(function* () {
      const free = yield* Effect.scoped(Effect.map(datagrams.bind(LOOPBACK, new Inbox()), ({ local }) => local))
      const inbox = new Inbox()
      const asking = yield* datagrams.connect(free, inbox)
      send(asking, Uint8Array.of(1))
      while (inbox.errors.length === 0) yield* Effect.yieldNow
      assert.match(inbox.errors[0]!, /ECONNREFUSED/)
      yield* sleeps
      assert.strictEqual(inbox.errors.length, 1)
      const server = new Inbox()
      const socket = yield* datagrams.bind(free, server)
      send(asking, Uint8Array.of(2))
      const [asked] = yield* server.await(1)
      send(socket, Uint8Array.of(3), asked!.path)
      yield* inbox.await(1)
    })
  )

  brokenTest("that is shut for good is told of once, and polled no more", ({ connected, datagrams, library, sleeps }) =>
    Effect.gen(function* () {
      const server = yield* datagrams.bind(LOOPBACK, new Inbox())
      const inbox = new Inbox()
      const asking = yield* datagrams.connect(server.local, inbox)
      library.shutdown(connected.at(-1)!, SHUT_RDWR)
      while (inbox.errors.length === 0) yield* Effect.yieldNow
      yield* sleeps
      assert.strictEqual(inbox.errors.length, 1)
      asking.stopReceiving()
    })
  )
})
