/** Between `bind` and `connect` a socket hears everybody: nothing of that may count as if the peer had sent it. */
import { Socket } from "node:dgram"
import { networkInterfaces } from "node:os"
import { assert, describe, it } from "@effect/vitest"
import { Effect, type Layer } from "effect"
import { vi } from "vitest"
import { DatagramTransport } from "../../src/io/datagram.ts"
import * as Batched from "../../src/io/linux/batched.ts"
import { AF_INET, AF_INET6, type Libc, libc, SOCK_DGRAM } from "../../src/io/linux/libc.ts"
import { Arguments } from "../../src/io/linux/socket.ts"
import * as Portable from "../../src/io/portable/datagrams.ts"
import { Inbox, send } from "../support/clients/inbox.ts"

const hasIPv6 = Object.values(networkInterfaces()).some((all) => all?.some(({ address }) => address === "::1"))
const loopbacks = ["127.0.0.1", ...(hasIPv6 ? ["::1"] : [])]
/** More than one call takes, and one that is empty. */
const FORGED = 70

/** Sends from a socket of its own to a port of this machine; all of it has arrived when the call returns. */
const forge = (library: Libc, address: string, port: number): void => {
  const fd = library.socket(address === "::1" ? AF_INET6 : AF_INET, SOCK_DGRAM, 0)
  const octets = new ArrayBuffer(2)
  new Uint8Array(octets).set([0xba, 0xd0])
  assert.strictEqual(new Arguments(library).connect(fd, { address, port }), 0)
  for (let i = 0; i < FORGED; i++) {
    const length = i === 0 ? 0 : 2
    assert.strictEqual(library.send(fd, library.addressOf(octets), length, 0), length)
  }
  library.close(fd)
}

interface Way {
  readonly name: string
  /** Calls `between` before a socket connects, with its port. */
  readonly layer: (between: (port: number) => void) => Layer.Layer<DatagramTransport, Batched.BatchedUnavailable>
}

const ways = (library: Libc): ReadonlyArray<Way> => [
  {
    name: "batched",
    layer: (between) => {
      const args = new Arguments(library)
      return Batched.layerOver({
        ...library,
        connect: (fd, address, length) => {
          between(args.localEndpoint(fd).port)
          return library.connect(fd, address, length)
        }
      })
    }
  },
  {
    name: "portable",
    layer: (between) => {
      const connect = Socket.prototype.connect
      vi.spyOn(Socket.prototype, "connect").mockImplementation(function (
        this: Socket,
        ...args: ReadonlyArray<unknown>
      ) {
        between(this.address().port)
        Reflect.apply(connect, this, args)
      })
      return Portable.layer
    }
  }
]

for (const way of libc === undefined ? [] : ways(libc)) {
  describe(`datagrams that came before the socket was connected, ${way.name}`, () => {
    for (const address of loopbacks) {
      it.live(`are dropped, and those of the peer are heard (${address})`, () => {
        let isForging = false
        let forged = 0
        const layer = way.layer((port) => {
          if (!isForging) return
          forge(libc!, address, port)
          forged++
        })
        return Effect.gen(function* () {
          const transport = yield* DatagramTransport
          const server = new Inbox()
          const peer = yield* transport.bind({ address, port: 0 }, server)
          isForging = true
          const inbox = new Inbox()
          const asking = yield* transport.connect(peer.local, inbox)
          assert.strictEqual(forged, 1)
          send(asking, Uint8Array.of(1))
          const [asked] = yield* server.await(1)
          send(peer, Uint8Array.of(2), asked!.path)
          yield* inbox.await(1)
          // Nothing comes behind it either.
          yield* Effect.sleep(20)
          assert.deepStrictEqual(inbox.contents, ["02"])
          assert.deepStrictEqual(inbox.errors, [])
        }).pipe(Effect.scoped, Effect.provide(layer), Effect.ensuring(Effect.sync(() => vi.restoreAllMocks())))
      })
    }
  })
}
