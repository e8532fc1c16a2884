/** Floods that the kernel turns away: who, when and until when, by a time of the test's; what comes through, by real sockets. */
import { createSocket, type Socket } from "node:dgram"
import { networkInterfaces } from "node:os"
import { assert, describe, it } from "@effect/vitest"
import { Effect, type Scope } from "effect"
import { type DatagramSocket, DatagramTransport } from "../../../src/io/datagram.ts"
import * as Batched from "../../../src/io/linux/batched.ts"
import { FloodFilter, letAllIn } from "../../../src/io/linux/flood-filter.ts"
import { libc } from "../../../src/io/linux/libc.ts"
import { Arguments, openDatagramSocket } from "../../../src/io/linux/socket.ts"
import { TextPeer } from "../../../src/io/peer.ts"
import { until } from "../../support/machine/until.ts"

const hasIPv6 = Object.values(networkInterfaces()).some((all) => all?.some(({ address }) => address === "::1"))
const peerAt = (address: string) => new TextPeer({ address, port: 53_000 })

/** What the filter sees of the kernel, and does with it. */
class Kernel {
  nowMs = 0
  dropped = 0
  /** Octets that wait. */
  octets = 0
  readonly floods: Array<string> = []
  /** How often a program was attached. */
  attached = 0
  isAttached = false
  readonly filter: FloodFilter

  constructor() {
    const setsockopt = (_fd: number, _level: number, option: number) => {
      this.isAttached = option === 26
      if (this.isAttached) this.attached++
      return 0
    }
    this.filter = new FloodFilter({
      libc: { addressOf: () => 4_096, setsockopt } as unknown as NonNullable<typeof libc>,
      fd: 7,
      queue: () => ({ dropped: this.dropped, octets: this.octets }),
      onFlood: (client) => this.floods.push(client),
      nowMs: () => this.nowMs
    })
  }

  /** So many queries too many, over so long, while so many are lost. */
  flood(address: string, count: number, ms: number, dropped: number): void {
    for (let i = 0; i < count; i++) {
      this.nowMs += ms / count
      this.dropped += dropped / count
      this.filter.note(peerAt(address))
    }
  }

  /** A second passes in which the kernel drops so many. */
  second(dropped: number): void {
    this.nowMs += 1_000
    this.dropped += dropped
    this.filter.look()
  }
}

describe("a client that sends more than it may", () => {
  it("is turned away where it is a flood by which others are lost, and told of once", () => {
    const kernel = new Kernel()
    kernel.flood("192.0.2.9", 20_000, 200, 1_000)
    assert.deepStrictEqual(kernel.floods, ["192.0.2.9"])
    assert.isTrue(kernel.isAttached)
    kernel.filter.close()
  })

  for (const [what, count, ms, dropped] of [
    ["nothing is lost", 100_000, 100, 0],
    ["it is slow", 20_000, 500, 5_000],
    ["it is short", 4_999, 1, 5_000]
  ] as const) {
    it(`is not where ${what}`, () => {
      const kernel = new Kernel()
      kernel.flood("192.0.2.9", count, ms, dropped)
      assert.deepStrictEqual([kernel.floods, kernel.attached], [[], 0])
    })
  }

  it("is turned away where others wait long for it, and not where they do so for a moment", () => {
    const kernel = new Kernel()
    for (let moment = 0; moment < 5; moment++) {
      kernel.octets = 2 << 20
      kernel.flood("192.0.2.9", 10_000, 100, 0)
      kernel.octets = 0
      kernel.flood("192.0.2.9", 5_000, 50, 0)
    }
    assert.deepStrictEqual(kernel.floods, [])
    kernel.octets = 2 << 20
    kernel.flood("192.0.2.9", 15_000, 150, 0)
    assert.deepStrictEqual(kernel.floods, ["192.0.2.9"])
    kernel.filter.close()
  })

  it("stays away while much is dropped, is let in after ten seconds at the latest, and turned away anew", () => {
    const kernel = new Kernel()
    kernel.flood("192.0.2.9", 10_000, 100, 1_000)
    for (let second = 1; second < 10; second++) {
      kernel.second(100_000)
      assert.isTrue(kernel.isAttached)
      // Attached anew each time: another thread may have taken it away.
      assert.strictEqual(kernel.attached, 1 + second)
    }
    kernel.second(100_000)
    assert.isFalse(kernel.isAttached)
    kernel.flood("192.0.2.9", 10_000, 100, 1_000)
    assert.isTrue(kernel.isAttached)
    assert.lengthOf(kernel.floods, 2)
    kernel.filter.close()
    assert.isFalse(kernel.isAttached)
  })

  it("is not turned away anew for what the program has dropped, where it does no harm any more", () => {
    const kernel = new Kernel()
    kernel.flood("192.0.2.9", 10_000, 100, 1_000)
    for (let second = 0; second < 10; second++) kernel.second(100_000)
    kernel.flood("192.0.2.9", 20_000, 200, 0)
    assert.lengthOf(kernel.floods, 1)
    assert.isFalse(kernel.isAttached)
  })

  it("is let in when little is dropped any more, and not by a look that comes too soon", () => {
    const kernel = new Kernel()
    kernel.flood("192.0.2.9", 10_000, 100, 1_000)
    kernel.filter.look()
    assert.isTrue(kernel.isAttached)
    kernel.second(24_000)
    assert.isFalse(kernel.isAttached)
  })

  it("has no more than seven others beside it", () => {
    const kernel = new Kernel()
    const addresses = Array.from({ length: 9 }, (_, i) => `192.0.2.${i + 1}`)
    for (const address of addresses) kernel.flood(address, 10_000, 100, 1_000)
    assert.deepStrictEqual(kernel.floods, addresses.slice(0, 8))
    kernel.filter.close()
  })
})

interface Watched {
  readonly socket: DatagramSocket
  readonly fd: number
  /** How many have come from an address. */
  readonly from: (address: string) => number
  readonly turnAway: (...addresses: ReadonlyArray<string>) => void
  readonly filter: FloodFilter
}

const watched = (address: string): Effect.Effect<Watched, unknown, DatagramTransport | Scope.Scope> =>
  Effect.gen(function* () {
    const { bind } = yield* DatagramTransport
    const came = new Map<string, number>()
    const fd = yield* openDatagramSocket(libc!, new Arguments(libc!), { address, port: 0 }, false)
    const socket = yield* bind(
      { address, port: 0, fd },
      {
        onBatch: (batch, count) => {
          for (const { peer } of batch.slice(0, count)) came.set(peer.address, (came.get(peer.address) ?? 0) + 1)
        },
        onError: () => {},
        onUnsent: () => {}
      }
    )
    let dropped = 0
    const filter = new FloodFilter({
      libc: libc!,
      fd,
      queue: () => ({ dropped: dropped++, octets: 0 }),
      onFlood: () => {},
      nowMs: () => 0
    })
    yield* Effect.addFinalizer(() => Effect.sync(() => filter.close()))
    return {
      socket,
      fd,
      filter,
      from: (from) => came.get(from) ?? 0,
      turnAway: (...addresses) => {
        for (const each of addresses) for (let i = 0; i < 10_000; i++) filter.note(peerAt(each))
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

describe.skipIf(libc === undefined)("what the kernel turns away", () => {
  it.live("comes as a sample, and all that others send comes, until all are let in", () =>
    Effect.gen(function* () {
      const { fd, from, socket, turnAway } = yield* watched("127.0.0.1")
      const flooding = yield* sender("127.0.7.9")
      turnAway("127.0.7.9", "127.0.5.5", "127.0.6.6")
      yield* sends(flooding, socket, 1_000)
      for (const other of ["127.0.7.8", "127.0.8.9", "127.1.7.9", "127.0.0.1"]) {
        yield* sends(yield* sender(other), socket, 50)
        yield* until("what others send has come", () => from(other) === 50)
      }
      // One in 64 of 1,000: none, or more than 50, by chance once in millions.
      assert.isAbove(from("127.0.7.9"), 0)
      assert.isBelow(from("127.0.7.9"), 50)
      // Each of several, wherever it stands.
      for (const address of ["127.0.5.5", "127.0.6.6"]) {
        yield* sends(yield* sender(address), socket, 300)
        yield* sends(yield* sender("127.0.9.9"), socket, 1)
        assert.isBelow(from(address), 30)
      }
      letAllIn(libc!, fd)
      const before = from("127.0.7.9")
      yield* sends(flooding, socket, 50)
      yield* until("it comes again", () => from("127.0.7.9") === before + 50)
    }).pipe(Effect.provide(Batched.layer))
  )

  it.live.skipIf(!hasIPv6)("is told apart in IPv6 by the first 64 bits", () =>
    Effect.gen(function* () {
      const { filter, from, socket, turnAway } = yield* watched("::1")
      const client = yield* sender("::1")
      turnAway("2001:db8::1", "0:0:1::1", "0:1::1")
      yield* sends(client, socket, 50)
      yield* until("what another sends has come", () => from("::1") === 50)
      turnAway("::1")
      yield* sends(client, socket, 500)
      filter.close()
      yield* sends(client, socket, 1)
      yield* until("it comes again", () => from("::1") > 50)
      assert.isBelow(from("::1"), 100)
    }).pipe(Effect.provide(Batched.layer))
  )

  it.live("is left behind by nobody: who reads a socket that another has read gets all of it", () =>
    Effect.gen(function* () {
      const transport = yield* DatagramTransport
      const { fd, socket, turnAway } = yield* watched("127.0.0.1")
      turnAway("127.0.7.9")
      let came = 0
      socket.stopReceiving()
      const copy = libc!.dup(fd)
      yield* transport.bind(
        { ...socket.local, fd: copy },
        {
          onBatch: (_, count) => {
            came += count
          },
          onError: () => {},
          onUnsent: () => {}
        }
      )
      yield* sends(yield* sender("127.0.7.9"), socket, 100)
      yield* until("all have come", () => came === 100)
    }).pipe(Effect.provide(Batched.layer))
  )

  it("is counted as dropped", () =>
    Effect.gen(function* () {
      const { fd, socket, turnAway } = yield* watched("127.0.0.1")
      const args = new Arguments(libc!)
      assert.strictEqual(args.queueOf(fd).dropped, 0)
      turnAway("127.0.7.9")
      yield* sends(yield* sender("127.0.7.9"), socket, 300)
      yield* until("most were dropped", () => args.queueOf(fd).dropped > 250)
    }).pipe(Effect.scoped, Effect.provide(Batched.layer), Effect.runPromise))
})
