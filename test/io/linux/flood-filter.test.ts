/** Floods that the kernel turns away: by real sockets, with what comes through counted. */
import { createSocket, type Socket } from "node:dgram"
import { networkInterfaces } from "node:os"
import { assert, describe, it } from "@effect/vitest"
import { Effect, type Scope } from "effect"
import { type DatagramSocket, DatagramTransport } from "../../../src/io/datagram.ts"
import * as Batched from "../../../src/io/linux/batched.ts"
import { libc } from "../../../src/io/linux/libc.ts"
import { TextPeer } from "../../../src/io/peer.ts"
import { until } from "../../support/machine/until.ts"

const hasIPv6 = Object.values(networkInterfaces()).some((all) => all?.some(({ address }) => address === "::1"))
/** What makes a flood, and more. */
const MUCH = 6_000

interface Watched {
  readonly socket: DatagramSocket
  readonly floods: Array<string>
  /** How many have come from an address. */
  readonly from: (address: string) => number
  readonly flood: (address: string, prefix: number) => void
}

const watched = (address: string): Effect.Effect<Watched, unknown, DatagramTransport | Scope.Scope> =>
  Effect.gen(function* () {
    const { bind } = yield* DatagramTransport
    const floods: Array<string> = []
    const came = new Map<string, number>()
    const socket = yield* bind(
      { address, port: 0 },
      {
        onBatch: (batch, count) => {
          for (const { peer } of batch.slice(0, count)) came.set(peer.address, (came.get(peer.address) ?? 0) + 1)
        },
        onError: () => {},
        onUnsent: () => {},
        onFlood: (client) => floods.push(client)
      }
    )
    return {
      socket,
      floods,
      from: (from) => came.get(from) ?? 0,
      flood: (from, prefix) => {
        const peer = new TextPeer({ address: from, port: 53_000 })
        for (let i = 0; i < MUCH; i++) socket.noteLimited!(peer, { ipv4: prefix, ipv6: prefix })
      }
    }
  })

const sender = (address: string): Effect.Effect<Socket, never, Scope.Scope> =>
  Effect.acquireRelease(
    Effect.callback((resume) => {
      const socket = createSocket(address.includes(":") ? "udp6" : "udp4")
      socket.bind(0, address, () => resume(Effect.succeed(socket)))
    }),
    (socket) => Effect.sync(() => socket.close())
  )

const sends = (socket: Socket, to: DatagramSocket, count: number): Effect.Effect<void> =>
  Effect.forEach(
    Array.from({ length: count }),
    () =>
      Effect.callback<void>((resume) => socket.send("q", to.local.port, to.local.address, () => resume(Effect.void))),
    { discard: true }
  )

describe.skipIf(libc === undefined)("a flood", () => {
  const networks = [
    { at: "127.0.0.1", client: "127.0.7.9", prefix: 32, neighbour: "127.0.7.8", stranger: "127.0.8.9" },
    { at: "127.0.0.1", client: "127.0.7.9", prefix: 24, neighbour: undefined, stranger: "127.0.8.9" },
    { at: "127.0.0.1", client: "127.0.7.9", prefix: 9, neighbour: undefined, stranger: "127.200.7.9" },
    ...(hasIPv6 ? [{ at: "::1", client: "::1", prefix: 56, neighbour: undefined, stranger: undefined }] : [])
  ]
  for (const { at, client, prefix, neighbour, stranger } of networks) {
    it.live(`of ${client}/${prefix} comes as a sample only until it is over, and all of what others send`, () =>
      Effect.gen(function* () {
        const { flood, floods, from, socket } = yield* watched(at)
        const flooding = yield* sender(client)
        flood(client, prefix)
        assert.deepStrictEqual(floods, [client])
        for (let i = 0; i < 10; i++) yield* sends(flooding, socket, 100)
        for (const other of [neighbour, stranger]) {
          if (other === undefined) continue
          yield* sends(yield* sender(other), socket, 100)
          yield* until("what others send has come", () => from(other) === 100)
        }
        // 1,000 of which one in 64 is let through: within one in ten thousand by chance.
        assert.isBelow(from(client), 40)
        if (prefix !== 32) return
        // Nothing is too much any more: at the next look or the one after it, it is over.
        const before = from(client)
        yield* until("it comes again", () => {
          flooding.send("q", socket.local.port, socket.local.address)
          return from(client) > before + 100
        })
      }).pipe(Effect.provide(Batched.layer))
    )
  }

  it.live("that goes on stays away", () =>
    Effect.gen(function* () {
      const { flood, floods, from, socket } = yield* watched("127.0.0.1")
      const flooding = yield* sender("127.0.7.9")
      flood("127.0.7.9", 32)
      for (let seconds = 0; seconds < 3; seconds += 0.1) {
        yield* Effect.sleep(100)
        flood("127.0.7.9", 32)
        yield* sends(flooding, socket, 30)
      }
      assert.deepStrictEqual(floods, ["127.0.7.9"])
      assert.isBelow(from("127.0.7.9"), 40)
    }).pipe(Effect.provide(Batched.layer))
  )

  it.live("of several networks is turned away of each; of more than there is room for, of eight", () =>
    Effect.gen(function* () {
      const { flood, floods, from, socket } = yield* watched("127.0.0.1")
      const addresses = Array.from({ length: 9 }, (_, i) => `127.0.${i + 1}.9`)
      for (const address of addresses) flood(address, 32)
      assert.deepStrictEqual(floods, addresses.slice(0, 8))
      for (const address of addresses) yield* sends(yield* sender(address), socket, 200)
      yield* until("the ninth comes", () => from("127.0.9.9") === 200)
      for (const address of addresses.slice(0, 8)) assert.isBelow(from(address), 20)
    }).pipe(Effect.provide(Batched.layer))
  )

  it.live("is none where queries are too many, but slowly, nor where all clients are one network", () =>
    Effect.gen(function* () {
      const { flood, floods, socket } = yield* watched("127.0.0.1")
      const peer = new TextPeer({ address: "127.0.7.9", port: 53_000 })
      for (let burst = 0; burst < 4; burst++) {
        for (let i = 0; i < 2_000; i++) socket.noteLimited!(peer, { ipv4: 32, ipv6: 56 })
        yield* Effect.sleep(110)
      }
      assert.deepStrictEqual(floods, [])
      flood("127.0.7.10", 0)
      assert.deepStrictEqual(floods, [])
    }).pipe(Effect.provide(Batched.layer))
  )
})
