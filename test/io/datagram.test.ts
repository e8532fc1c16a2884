import { createSocket } from "node:dgram"
import { fstatSync } from "node:fs"
import { networkInterfaces } from "node:os"
import { assert, describe, it } from "@effect/vitest"
import { Effect, Layer, type Scope } from "effect"
import { DatagramTransport, MAX_SENT } from "../../src/io/datagram.ts"
import * as Batched from "../../src/io/linux/batched.ts"
import { Errno, libc } from "../../src/io/linux/libc.ts"
import { Arguments, openDatagramSocket } from "../../src/io/linux/socket.ts"
import * as Portable from "../../src/io/portable/datagrams.ts"
import { Inbox, payload, send, sortedContents } from "../support/clients/inbox.ts"
import { withoutSegments } from "../support/faults/kernels.ts"
import { descriptorsOf } from "../support/machine/descriptors.ts"
import { until } from "../support/machine/until.ts"
import { MemoryNetwork } from "../support/servers/memory-network.ts"

/** Datagrams that any socket's buffer holds. */
const FEW = 50
const LOOPBACK = { address: "127.0.0.1", port: 0 }

interface Way {
  readonly name: string
  readonly layer: () => Layer.Layer<DatagramTransport, Batched.BatchedUnavailable>
  readonly isReal: boolean
}

const batched: Way = { name: "batched", layer: () => Batched.layer, isReal: true }
const ways: ReadonlyArray<Way> = [
  ...(libc === undefined ? [] : [batched]),
  { name: "portable", layer: () => Portable.layer, isReal: true },
  { name: "in memory", layer: () => new MemoryNetwork().layer, isReal: false }
]

const hasIPv6 = Object.values(networkInterfaces()).some((all) => all?.some(({ address }) => address === "::1"))
const loopbacks = [LOOPBACK, ...(hasIPv6 ? [{ address: "::1", port: 0 }] : [])]

type Use = (transport: DatagramTransport["Service"]) => Effect.Effect<void, unknown, Scope.Scope>

const through = (way: Way, name: string, use: Use): void =>
  it.live(name, () => Effect.flatMap(DatagramTransport, use).pipe(Effect.provide(way.layer())))

for (const way of ways) {
  describe(`datagrams, ${way.name}`, () => {
    for (const local of loopbacks) {
      through(way, `arrive byte for byte, of every size there is, and so do replies (${local.address})`, (transport) =>
        Effect.gen(function* () {
          const [server, client] = [new Inbox(), new Inbox()]
          const socket = yield* transport.bind(local, server)
          const asking = yield* transport.connect(socket.local, client)
          server.from = asking.local.port
          for (let first = 0; first <= MAX_SENT; first += FEW) {
            const sizes = Array.from({ length: Math.min(FEW, MAX_SENT + 1 - first) }, (_, i) => first + i)
            const payloads = sizes.map((size) => payload(size, size))
            for (const octets of payloads) send(asking, octets)
            const received = yield* server.await(sizes.length)
            assert.deepStrictEqual(server.contents, sortedContents(payloads))
            for (const { octets, path, isTruncated } of received) {
              assert.isFalse(isTruncated)
              assert.strictEqual(path.peer.port, asking.local.port)
              assert.strictEqual(path.peer.address, local.address)
              send(socket, octets, path)
            }
            yield* client.await(sizes.length)
            assert.deepStrictEqual(client.contents, sortedContents(payloads))
            for (const { path } of client.received) assert.strictEqual(path.peer.port, socket.local.port)
            server.received.length = 0
            client.received.length = 0
          }
          assert.deepStrictEqual([server.errors, client.errors, server.unsent, client.unsent], [[], [], 0, 0])
        })
      )
    }

    through(way, "go to the peer they answer, each to its own, whenever it is answered", (transport) =>
      Effect.gen(function* () {
        const server = new Inbox()
        const socket = yield* transport.bind(LOOPBACK, server)
        const clients = yield* Effect.replicateEffect(
          Effect.gen(function* () {
            const inbox = new Inbox()
            return { inbox, socket: yield* transport.connect(socket.local, inbox) }
          }),
          10
        )
        for (const { socket: asking } of clients) {
          send(asking, Uint8Array.of(asking.local.port >>> 8, asking.local.port))
          // One after the other: the way back to the first must last.
          yield* server.await(server.received.length + 1)
        }
        for (const { octets, path } of server.received.toReversed()) send(socket, octets, path)
        for (const { inbox, socket: asking } of clients) {
          const [answer] = yield* inbox.await(1)
          assert.strictEqual((answer!.octets[0]! << 8) | answer!.octets[1]!, asking.local.port)
        }
      })
    )

    const mixtures: Record<string, (i: number) => number> = {
      "of one length": () => 120,
      "that are empty": () => 0,
      "of lengths that take turns": (i) => [60, 60, 61, 1000][i % 4]!,
      "of a few lengths in no order": (i) => [44, 512, 45, 44, 1232, 1, 44][(i * i) % 7]!,
      "of all different lengths": (i) => 20 + i * 3
    }
    for (const [what, lengthOf] of Object.entries(mixtures)) {
      through(way, `of one turn, ${what}, keep what is in them and where they end`, (transport) =>
        Effect.gen(function* () {
          const [server, one, other] = [new Inbox(), new Inbox(), new Inbox()]
          const socket = yield* transport.bind(LOOPBACK, server)
          const connected = [yield* transport.connect(socket.local, one), yield* transport.connect(socket.local, other)]
          const paths = []
          for (const asking of connected) {
            send(asking, Uint8Array.of(1))
            paths.push((yield* server.await(paths.length + 1))[paths.length]!.path)
          }
          const payloads = Array.from({ length: 2 * FEW }, (_, i) => payload(lengthOf(i >>> 1), i))
          for (const [i, octets] of payloads.entries()) send(socket, octets, paths[i % 2])
          yield* one.await(FEW)
          yield* other.await(FEW)
          assert.deepStrictEqual(one.contents, sortedContents(payloads.filter((_, i) => i % 2 === 0)))
          assert.deepStrictEqual(other.contents, sortedContents(payloads.filter((_, i) => i % 2 === 1)))
        })
      )

      through(way, `of one turn, ${what}, keep it on a connected socket too`, (transport) =>
        Effect.gen(function* () {
          const server = new Inbox()
          const socket = yield* transport.bind(LOOPBACK, server)
          const asking = yield* transport.connect(socket.local, new Inbox())
          const payloads = Array.from({ length: FEW }, (_, i) => payload(lengthOf(i), i))
          for (const octets of payloads) send(asking, octets)
          yield* server.await(FEW)
          assert.deepStrictEqual(server.contents, sortedContents(payloads))
        })
      )
    }

    through(way, "leave all, though they are more than fit into one system call", (transport) =>
      Effect.gen(function* () {
        const server = new Inbox()
        const socket = yield* transport.bind(LOOPBACK, server)
        const inboxes: Array<Inbox> = []
        for (let i = 0; i < 6; i++) {
          const inbox = new Inbox()
          send(yield* transport.connect(socket.local, inbox), Uint8Array.of(i))
          inboxes.push(inbox)
        }
        const asked = yield* server.await(inboxes.length)
        const payloads = Array.from({ length: 6 * FEW }, (_, i) => payload(30 + (i % 40), i))
        for (const [i, octets] of payloads.entries()) send(socket, octets, asked[i % 6]!.path)
        for (const inbox of inboxes) yield* inbox.await(FEW)
        assert.deepStrictEqual(
          sortedContents(inboxes.flatMap(({ received }) => received.map(({ octets }) => octets))),
          sortedContents(payloads)
        )
      })
    )

    through(way, "leave a connected socket by a port that nobody can guess", (transport) =>
      Effect.gen(function* () {
        const socket = yield* transport.bind(LOOPBACK, new Inbox())
        const ports = yield* Effect.replicateEffect(
          Effect.map(transport.connect(socket.local, new Inbox()), ({ local }) => local.port),
          100
        )
        assert.isAbove(new Set(ports).size, 95)
        // The system's own choice lies in the upper half of them, or goes up in steps.
        assert.isAbove(Math.max(...ports) - Math.min(...ports), 30_000)
        const steps = ports.slice(1).map((port, i) => Math.abs(port - ports[i]!))
        assert.isAbove(steps.filter((step) => step > 1_000).length, 50)
      })
    )

    through(way, "of anyone else are not heard by a connected socket", (transport) =>
      Effect.gen(function* () {
        const [server, liar, client] = [new Inbox(), new Inbox(), new Inbox()]
        const socket = yield* transport.bind(LOOPBACK, server)
        const elsewhere = yield* transport.bind(LOOPBACK, liar)
        const asking = yield* transport.connect(socket.local, client)
        send(asking, Uint8Array.of(1))
        const { path } = (yield* server.await(1))[0]!
        send(elsewhere, Uint8Array.of(66), path)
        yield* Effect.sleep(20)
        send(socket, Uint8Array.of(2), path)
        yield* client.await(1)
        assert.deepStrictEqual(client.contents, ["02"])
      })
    )

    through(way, "that nobody takes are told of (ICMP), and those after them go", (transport) =>
      Effect.gen(function* () {
        const gone = yield* Effect.scoped(Effect.map(transport.bind(LOOPBACK, new Inbox()), ({ local }) => local))
        const client = new Inbox()
        const asking = yield* transport.connect(gone, client)
        send(asking, Uint8Array.of(1))
        while (client.errors.length === 0) yield* Effect.sleep(1)
        assert.match(client.errors[0]!, /ECONNREFUSED/)
        const server = new Inbox()
        yield* transport.bind(gone, server)
        const payloads = Array.from({ length: 5 }, (_, i) => payload(40, i))
        for (const octets of payloads) send(asking, octets)
        yield* server.await(5)
        assert.deepStrictEqual(server.contents, sortedContents(payloads))
      })
    )

    through(
      way,
      "are no more heard after stopReceiving, but still sent, and heard again after resumeReceiving",
      (transport) =>
        Effect.gen(function* () {
          const [server, client] = [new Inbox(), new Inbox()]
          const socket = yield* transport.bind(LOOPBACK, server)
          const asking = yield* transport.connect(socket.local, client)
          send(asking, Uint8Array.of(1))
          const { path } = (yield* server.await(1))[0]!
          socket.stopReceiving()
          send(asking, Uint8Array.of(2))
          yield* Effect.sleep(20)
          send(socket, Uint8Array.of(3), path)
          yield* client.await(1)
          assert.deepStrictEqual(client.contents, ["03"])
          assert.deepStrictEqual(server.contents, ["01"])
          for (let times = 0; times < 2; times++) socket.resumeReceiving()
          send(asking, Uint8Array.of(4))
          yield* until("it is heard", () => server.contents.includes("04"))
          assert.strictEqual(server.contents.filter((octets) => octets === "04").length, 1)
        })
    )

    through(way, "are received at a port that the system chooses, where it is not said", (transport) =>
      Effect.gen(function* () {
        const inboxes = [new Inbox(), new Inbox()]
        const [one, other] = yield* Effect.forEach(inboxes, (inbox) => transport.bind(LOOPBACK, inbox))
        assert.isAbove(one!.local.port, 0)
        assert.notStrictEqual(one!.local.port, other!.local.port)
        assert.strictEqual(one!.local.address, "127.0.0.1")
      })
    )

    through(
      way,
      "are not received where somebody else receives: the error says so in the system's words",
      (transport) =>
        Effect.gen(function* () {
          const { local } = yield* transport.bind(LOOPBACK, new Inbox())
          const error = yield* Effect.flip(Effect.scoped(transport.bind(local, new Inbox())))
          assert.strictEqual(error.endpoint, `127.0.0.1:${local.port}`)
          assert.match(error.message, /EADDRINUSE/)
          assert.include(error.message, `127.0.0.1:${local.port}`)
        })
    )

    through(way, "to one address are shared by those who bind to it together, each datagram to one", (transport) =>
      Effect.gen(function* () {
        const inboxes = [new Inbox(), new Inbox()]
        const first = yield* transport.bind({ ...LOOPBACK, isShared: true }, inboxes[0]!)
        yield* transport.bind({ ...first.local, isShared: true }, inboxes[1]!)
        for (let i = 0; i < FEW; i++) send(yield* transport.connect(first.local, new Inbox()), Uint8Array.of(i))
        while (inboxes[0]!.received.length + inboxes[1]!.received.length < FEW) yield* Effect.sleep(1)
        for (const { received } of inboxes) assert.isAbove(received.length, 0)
        const all = inboxes.flatMap(({ received }) => received.map(({ octets }) => octets))
        assert.deepStrictEqual(
          sortedContents(all),
          sortedContents(Array.from({ length: FEW }, (_, i) => Uint8Array.of(i)))
        )
      })
    )

    if (!way.isReal) return

    if (way.name === "portable") {
      for (const address of ["0.0.0.0", ...(hasIPv6 ? ["::", "0::0", "0:0:0:0:0:0:0:0"] : [])]) {
        through(
          way,
          `are not received at ${address}: they could not be answered from where they were sent to`,
          (transport) =>
            Effect.gen(function* () {
              const local = { address, port: 0 }
              const error = yield* Effect.flip(Effect.scoped(transport.bind(local, new Inbox())))
              assert.include(error.message, "listen: ")
              assert.include(error.message, "datagrams: portable")
              assert.include(error.message, "list the addresses")
            })
        )
      }
    }

    through(way, "of an address that is not this machine's cannot be received", (transport) =>
      Effect.gen(function* () {
        const error = yield* Effect.flip(Effect.scoped(transport.bind({ address: "192.0.2.1", port: 0 }, new Inbox())))
        assert.match(error.message, /EADDRNOTAVAIL/)
      })
    )

    through(way, "of any size arrive whole", (transport) =>
      Effect.gen(function* () {
        const server = new Inbox()
        const { local } = yield* transport.bind(LOOPBACK, server)
        const sizes = [4095, 4096, 4097, 5000, 4096, 9000, 60_000, 100, 65_507, 0]
        const sender = yield* Effect.acquireRelease(
          Effect.sync(() => createSocket("udp4")),
          (socket) => Effect.sync(() => socket.close())
        )
        for (const size of sizes) {
          sender.send(payload(size, size), local.port, local.address)
          yield* server.await(sizes.indexOf(size) + 1)
        }
        for (const [i, { octets, isTruncated }] of server.received.entries()) {
          assert.isFalse(isTruncated)
          assert.deepStrictEqual(octets, payload(sizes[i]!, sizes[i]!))
        }
      })
    )

    through(way, "of a large size that come together are whole or seen to be cut off, never mixed", (transport) =>
      Effect.gen(function* () {
        const server = new Inbox()
        const { local } = yield* transport.bind(LOOPBACK, server)
        const sizes = [300, 6000, 4096, 7000, 8000, 4097, 20]
        const sender = yield* Effect.acquireRelease(
          Effect.sync(() => createSocket("udp4")),
          (socket) => Effect.sync(() => socket.close())
        )
        yield* Effect.callback<void>((resume) => {
          sender.connect(local.port, local.address, () => resume(Effect.void))
        })
        for (const size of sizes) sender.send(payload(size, size))
        yield* server.await(sizes.length)
        let whole = 0
        for (const [i, { octets, isTruncated }] of server.received.entries()) {
          if (!isTruncated) whole++
          assert.strictEqual(isTruncated, octets.length < sizes[i]!)
          assert.deepStrictEqual(octets, payload(sizes[i]!, sizes[i]!).slice(0, octets.length))
          if (sizes[i]! <= 4096) assert.isFalse(isTruncated)
        }
        // All that are small, and the last of the large ones at least.
        assert.isAtLeast(whole, 4)
      })
    )

    through(way, "give all descriptors back", (transport) =>
      Effect.gen(function* () {
        const round = Effect.scoped(
          Effect.gen(function* () {
            const socket = yield* transport.bind(LOOPBACK, new Inbox())
            send(yield* transport.connect(socket.local, new Inbox()), Uint8Array.of(1))
          })
        )
        yield* round
        const before = descriptorsOf("self")
        for (let i = 0; i < 200; i++) yield* round
        assert.isAtMost(descriptorsOf("self"), before)
      })
    )

    through(way, "are lost that are sent by a socket that is closed: its descriptor may be another's", (transport) =>
      Effect.gen(function* () {
        const [server, client] = [new Inbox(), new Inbox()]
        const { local } = yield* transport.bind(LOOPBACK, server)
        const closed = yield* Effect.scoped(transport.connect(local, client))
        const next = yield* transport.connect(local, new Inbox())
        for (let i = 0; i < 3; i++) send(closed, Uint8Array.of(1))
        send(next, Uint8Array.of(2))
        yield* server.await(1)
        yield* Effect.sleep(50)
        assert.deepStrictEqual(server.contents, ["02"])
        assert.strictEqual(client.unsent, 3)
      })
    )

    if (libc === undefined) return
    const library = libc

    through(way, "are received from a socket that somebody else has bound, which is closed in the end", (transport) =>
      Effect.gen(function* () {
        const fd = yield* openDatagramSocket(library, new Arguments(library), LOOPBACK, false)
        yield* Effect.scoped(
          Effect.gen(function* () {
            const server = new Inbox()
            const socket = yield* transport.bind({ ...LOOPBACK, fd }, server)
            assert.isAbove(socket.local.port, 0)
            send(yield* transport.connect(socket.local, new Inbox()), Uint8Array.of(7))
            yield* server.await(1)
            assert.deepStrictEqual(server.contents, ["07"])
          })
        )
        assert.throws(() => fstatSync(fd), /EBADF/)
      })
    )
  })
}

describe.runIf(libc !== undefined)("datagrams that are batched", () => {
  for (const [what, answer] of [
    ["refuses to cut messages apart", -Errno.EINVAL],
    ["sends as one what it should cut apart", 0]
  ] as const) {
    const way = { ...batched, layer: () => Batched.layerOver(withoutSegments(libc!, answer)) }
    through(way, `arrive as they were by a kernel that ${what}`, (transport) =>
      Effect.gen(function* () {
        const server = new Inbox()
        const socket = yield* transport.bind(LOOPBACK, server)
        const asking = yield* transport.connect(socket.local, new Inbox())
        const payloads = Array.from({ length: FEW }, (_, i) => payload(100 + (i % 3), i))
        for (const octets of payloads) send(asking, octets)
        yield* server.await(FEW)
        assert.deepStrictEqual(server.contents, sortedContents(payloads))
      })
    )
  }

  it.live("are not to be had where the C library cannot be called", () =>
    Effect.gen(function* () {
      const error = yield* Effect.flip(Layer.build(Batched.layerOver(undefined)))
      assert.include(error.message, "koffi")
    })
  )
})

describe.runIf(libc !== undefined)("datagrams to a wildcard address, batched", () => {
  const wildcards = [
    { local: { address: "0.0.0.0", port: 0 }, asked: ["127.0.0.1", "127.0.0.2", "127.0.0.3"] },
    ...(hasIPv6 ? [{ local: { address: "::", port: 0 }, asked: ["::1"] }] : [])
  ]
  for (const { local, asked } of wildcards) {
    through(batched, `are answered from the address that was asked: ${asked.join(", ")}`, (transport) =>
      Effect.gen(function* () {
        const server = new Inbox()
        const socket = yield* transport.bind(local, server)
        const inboxes: Array<Inbox> = []
        for (const address of asked) {
          const inbox = new Inbox()
          const asking = yield* transport.connect({ address, port: socket.local.port }, inbox)
          for (let i = 0; i < 3; i++) send(asking, Uint8Array.of(i))
          inboxes.push(inbox)
        }
        // Of one length, in one turn, to peers that asked at different addresses: and each hears only the one it asked.
        for (const { octets, path } of yield* server.await(asked.length * 3)) send(socket, octets, path)
        for (const [i, inbox] of inboxes.entries()) {
          yield* inbox.await(3)
          assert.deepStrictEqual(inbox.contents, ["00", "01", "02"])
          for (const { path } of inbox.received) assert.strictEqual(path.peer.address, asked[i])
        }
      })
    )
  }
})
