import { assert, describe, it } from "@effect/vitest"
import { Effect, type Scope } from "effect"
import type { BindTarget, DatagramHandler, DatagramSocket, SocketError } from "../../src/io/datagram.ts"
import { MemoryNetwork } from "../support/memory-network.ts"
import { anAddress, memoryServer, upstreamAt } from "../support/memory-server.ts"
import { addressesOf, rcodeOf } from "../support/server.ts"

const SERVER_PORT = 53

/** A network in which the server's socket has no room for the first reply. */
class NoRoomAtFirst extends MemoryNetwork {
  private hasFailed = false

  override bind(
    local: BindTarget,
    handler: Partial<DatagramHandler>
  ): Effect.Effect<DatagramSocket, SocketError, Scope.Scope> {
    return Effect.map(super.bind(local, handler), (socket) =>
      local.port !== SERVER_PORT
        ? socket
        : {
            local: socket.local,
            send: (length, to) => socket.send(length, to),
            stopReceiving: () => socket.stopReceiving(),
            reserve: () => {
              if (this.hasFailed) return socket.reserve()
              this.hasFailed = true
              throw new Error("no room")
            }
          }
    )
  }
}

describe("a query whose answer cannot be sent for a fault of ours", () => {
  it.effect("is answered SERVFAIL, and its permit goes to the next", () =>
    Effect.gen(function* () {
      const network = new NoRoomAtFirst()
      const upstream = yield* upstreamAt(network, 1)
      const server = yield* memoryServer(network, [1], {
        DNS_SERVER_MAX_CONCURRENT_QUERIES: "1",
        DNS_SERVER_MAX_QUEUED_QUERIES: "0"
      })
      yield* server.ask("first.example.test")
      yield* upstream.asked[0]!.answer(anAddress("first.example.test", "192.0.2.1"))
      assert.deepStrictEqual(server.answers().map(rcodeOf), ["SERVFAIL"])
      assert.strictEqual(server.counters.read("defects"), 1)
      yield* server.ask("second.example.test")
      yield* upstream.asked[1]!.answer(anAddress("second.example.test", "192.0.2.2"))
      assert.deepStrictEqual(addressesOf(server.answers()[1]!), ["192.0.2.2"])
    })
  )
})
