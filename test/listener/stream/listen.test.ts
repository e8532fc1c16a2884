import { assert, describe, it } from "@effect/vitest"
import { Effect, Layer, type Scope } from "effect"
import { Configuration } from "../../../src/config/configuration.ts"
import { TextPeer } from "../../../src/io/peer.ts"
import { type StreamHandler, type StreamSocket, StreamTransport } from "../../../src/io/stream-transport.ts"
import { QueryFibers } from "../../../src/listener/query-fibers.ts"
import { FramedConversation } from "../../../src/listener/stream/framed.ts"
import { listenStream, StreamClients } from "../../../src/listener/stream/listen.ts"
import { TCP } from "../../../src/query/transport.ts"
import { LoopClock } from "../../../src/runtime/loop-clock.ts"
import { Counters } from "../../../src/telemetry/counters.ts"
import { settingsOf } from "../../support/servers/settings.ts"

const LOCAL = { address: "127.0.0.1", port: 53 }

const fibers = Layer.succeed(QueryFibers, {
  handling: () => Effect.void,
  beginBatch: () => {},
  endBatch: () => {},
  start: () => {},
  takePeak: () => 0,
  drain: Effect.void
})

/** Connects from an address; says whether the connection is still there. */
type Connect = (address: string) => () => boolean

/** A listener that lets each client have two connections. */
const withListener = (
  name: string,
  use: (connect: Connect, counters: Counters["Service"]) => Effect.Effect<void, unknown, Scope.Scope>
): void =>
  it.effect(name, () => {
    let accept: (socket: StreamSocket) => StreamHandler | undefined
    const streams = Layer.succeed(StreamTransport, {
      listen: (endpoint, onConnection) => {
        accept = onConnection
        return Effect.succeed({ endpoint, stop: () => {} })
      }
    })
    const settings = settingsOf({ DNS_SERVER_MAX_TCP_CONNECTIONS_PER_CLIENT: "2" })
    const connect: Connect = (address) => {
      let isThere = true
      let handler: StreamHandler | undefined
      const destroy = (): void => {
        if (!isThere) return
        isThere = false
        handler?.onClose()
      }
      const peer = new TextPeer({ address, port: 1024 })
      const nothing = (): void => {}
      const socket = {
        peer,
        via: peer,
        isEnded: false,
        write: () => true,
        pause: nothing,
        resume: nothing,
        end: nothing,
        destroy
      }
      handler = accept(Object.defineProperty(socket, "isDestroyed", { get: () => !isThere }) as unknown as StreamSocket)
      return () => isThere
    }
    return Effect.gen(function* () {
      yield* listenStream(LOCAL, new StreamClients(), {
        transport: TCP,
        converse: (connection) => new FramedConversation(connection),
        terms: undefined,
        announces: () => false,
        mayConnect: () => true
      })
      yield* use(connect, yield* Counters)
    }).pipe(
      Effect.scoped,
      Effect.provide(Layer.mergeAll(Configuration.layer(settings), streams, fibers, Counters.layer, LoopClock.layer))
    )
  })

describe("the number of TCP connections of one client", () => {
  withListener("counts all addresses of an IPv6 /64 together", (connect, counters) =>
    Effect.sync(() => {
      const first = connect("2001:db8:0:1::1")
      const second = connect("2001:db8:0:1:ffff:ffff:ffff:ffff")
      const third = connect("2001:db8:0:1:8000::7")
      assert.deepStrictEqual([first(), second(), third()], [false, true, true])
      assert.strictEqual(counters.read("tcp.refused"), 1)
    })
  )

  withListener("counts each IPv6 /64 by itself", (connect, counters) =>
    Effect.sync(() => {
      const networks = ["2001:db8:0:1::", "2001:db8:0:2::", "2001:db8:1:1::", "2001:db9:0:1::", "fd00:0:0:1::"]
      const connections = networks.flatMap((network) => [connect(`${network}1`), connect(`${network}2`)])
      assert.isTrue(connections.every((isThere) => isThere()))
      assert.strictEqual(counters.read("tcp.refused"), 0)
    })
  )

  withListener("counts an IPv4 address and the same in IPv6 as one, and its neighbours apart", (connect, counters) =>
    Effect.sync(() => {
      const first = connect("192.0.2.1")
      const second = connect("::ffff:192.0.2.1")
      const neighbours = [connect("::ffff:192.0.2.2"), connect("192.0.2.3"), connect("192.0.2.3")]
      assert.strictEqual(counters.read("tcp.refused"), 0)
      const third = connect("::ffff:c000:201")
      assert.deepStrictEqual([first(), second(), third()], [false, true, true])
      assert.isTrue(neighbours.every((isThere) => isThere()))
      assert.strictEqual(counters.read("tcp.refused"), 1)
    })
  )

  withListener("counts link-local addresses one by one: they are all of one network", (connect, counters) =>
    Effect.sync(() => {
      const neighbours = ["fe80::1%eth0", "fe80::2%eth0", "fe80::3%eth1", "fe80::3%eth1"].map(connect)
      assert.isTrue(neighbours.every((isThere) => isThere()))
      connect("fe80::3%eth1")
      assert.isFalse(neighbours[2]!())
      assert.strictEqual(counters.read("tcp.refused"), 1)
    })
  )
})
