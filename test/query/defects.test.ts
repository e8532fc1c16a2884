import { assert, describe, it } from "@effect/vitest"
import { Effect, type Scope } from "effect"
import { type MockInstance, vi } from "vitest"
import type { BindTarget, Datagram, DatagramHandler, DatagramSocket, SocketError } from "../../src/io/datagram.ts"
import { Resolution } from "../../src/upstream/attempt/resolution.ts"
import { Latency } from "../../src/upstream/select/latency.ts"
import { MemoryNetwork } from "../support/servers/memory-network.ts"
import {
  anAddress,
  type MemoryServer,
  type MemoryUpstream,
  memoryServer,
  pass,
  upstreamAt
} from "../support/servers/memory-server.ts"
import { addressesOf, rcodeOf } from "../support/servers/server.ts"

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
            resumeReceiving: () => socket.resumeReceiving(),
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

/** A server with one upstream, and a method that throws the first time it is called. */
const withThrow = (
  name: string,
  spoil: () => MockInstance<(...args: never) => unknown>,
  use: (tools: {
    readonly server: MemoryServer
    readonly upstream: MemoryUpstream
    readonly handler: () => DatagramHandler
  }) => Effect.Effect<void>
): void =>
  it.effect(name, () =>
    Effect.gen(function* () {
      const network = new Listened()
      const upstream = yield* upstreamAt(network, 1)
      const server = yield* memoryServer(network, [1], { DNS_SERVER_ATTEMPT_TIMEOUT_MS: "200" })
      yield* Effect.acquireRelease(
        Effect.sync(() => spoil().mockImplementationOnce(thrown)),
        (spy) => Effect.sync(() => spy.mockRestore())
      )
      yield* use({ server, upstream, handler: () => network.handler! })
      // Whatever it was, the next is answered.
      yield* server.ask("next.example.test")
      yield* upstream.asked.at(-1)!.answer(anAddress("next.example.test", "192.0.2.2"))
      assert.deepStrictEqual(addressesOf(server.answers().at(-1)!), ["192.0.2.2"])
    })
  )

const thrown = (): never => {
  throw new Error("a fault of ours")
}

/** Remembers who listens at the server's port. */
class Listened extends MemoryNetwork {
  handler: DatagramHandler | undefined

  override bind(local: BindTarget, handler: DatagramHandler): Effect.Effect<DatagramSocket, SocketError, Scope.Scope> {
    if (local.port === SERVER_PORT) this.handler = handler
    return super.bind(local, handler)
  }
}

describe("a fault of ours while the network or a timer calls", () => {
  withThrow(
    "in what an upstream's answer leads to, ends that one question with SERVFAIL at once",
    () => vi.spyOn(Latency.prototype, "onAnswer"),
    ({ server, upstream }) =>
      Effect.gen(function* () {
        yield* server.ask("first.example.test")
        yield* upstream.asked[0]!.answer(anAddress("first.example.test", "192.0.2.1"))
        assert.deepStrictEqual(server.answers().map(rcodeOf), ["SERVFAIL"])
        assert.strictEqual(server.counters.read("defects"), 1)
      })
  )

  withThrow(
    "in a question's own timer, ends that one question with SERVFAIL at once",
    () => vi.spyOn(Resolution.prototype, "fire"),
    ({ server }) =>
      Effect.gen(function* () {
        yield* server.ask("first.example.test")
        // The upstream is silent: it is asked again when its attempt's time is over, a fifth more at most.
        yield* pass(250)
        assert.deepStrictEqual(server.answers().map(rcodeOf), ["SERVFAIL"])
        assert.strictEqual(server.counters.read("defects"), 1)
      })
  )

  withThrow(
    "in reading one datagram of a batch, loses that one",
    () => vi.spyOn({ nothing: () => {} }, "nothing"),
    ({ server, upstream, handler }) =>
      Effect.gen(function* () {
        const bad = { payload: new Uint8Array(12), length: 12, isTruncated: false } as Datagram
        Object.defineProperty(bad, "peer", { get: thrown })
        handler().onBatch([bad, bad], 2)
        assert.strictEqual(server.counters.read("defects"), 2)
        assert.strictEqual(upstream.asked.length, 0)
      })
  )
})
