/**
 * Where the network or a timer calls in: what throws there ends what was called, is reported, and nothing else ends.
 */
import { assert, describe, it } from "@effect/vitest"
import { Effect, Layer, type Scope } from "effect"
import { TestClock } from "effect/testing"
import { DatagramTransport } from "../../src/io/datagram.ts"
import * as Batched from "../../src/io/linux/batched.ts"
import { Descriptors } from "../../src/io/linux/descriptors.ts"
import { libc } from "../../src/io/linux/libc.ts"
import { type Drained, Reactor } from "../../src/io/linux/reactor.ts"
import * as PortableDatagrams from "../../src/io/portable/datagrams.ts"
import * as PortableStreams from "../../src/io/portable/streams.ts"
import { type StreamHandler, type StreamSocket, StreamTransport } from "../../src/io/stream-transport.ts"
import { guarded } from "../../src/runtime/guard.ts"
import { LoopClock } from "../../src/runtime/loop-clock.ts"
import { type TimerTarget, TimerWheel } from "../../src/runtime/timer-wheel.ts"
import { Inbox, payload, send } from "../support/clients/inbox.ts"
import { Reported } from "../support/servers/incidents.ts"
import { client, Seen } from "../support/servers/stream-server.ts"

const LOOPBACK = { address: "127.0.0.1", port: 0 }

const fail = (what: string) => (): never => {
  throw new Error(what)
}

describe("a timer's callback that throws", () => {
  const withWheel = (name: string, use: (wheel: TimerWheel["Service"], reported: Reported) => Effect.Effect<void>) =>
    it.effect(name, () => {
      const reported = new Reported()
      const layer = TimerWheel.layer.pipe(Layer.provide(LoopClock.layer), Layer.provide(reported.layer))
      return Effect.flatMap(TimerWheel, (wheel) => use(wheel, reported)).pipe(Effect.provide(layer))
    })

  withWheel("is reported, and all others fire: of its tick, of the next, and those armed later", (wheel, reported) =>
    Effect.gen(function* () {
      const fired: Array<string> = []
      const note = (what: string): TimerTarget => ({ fire: () => fired.push(what) })
      wheel.after(10, note("before"))
      wheel.after(10, { fire: fail("one") })
      wheel.after(10, note("beside"))
      wheel.after(10, { fire: fail("two") })
      wheel.after(30, note("after"))
      yield* TestClock.adjust(40)
      assert.deepStrictEqual(fired, ["before", "beside", "after"])
      wheel.after(10, note("later"))
      yield* TestClock.adjust(20)
      assert.deepStrictEqual(fired, ["before", "beside", "after", "later"])
      assert.deepStrictEqual(reported.defects, ["a timer: one", "a timer: two"])
    })
  )

  withWheel(
    "is told to its target where that knows what to end; what throws there too is reported",
    (wheel, reported) =>
      Effect.gen(function* () {
        const told: Array<unknown> = []
        let fired = 0
        wheel.after(10, { fire: fail("known"), onDefect: (thrown) => told.push((thrown as Error).message) })
        wheel.after(10, { fire: fail("first"), onDefect: fail("second") })
        wheel.after(10, { fire: () => fired++ })
        yield* TestClock.adjust(20)
        assert.deepStrictEqual(told, ["known"])
        assert.deepStrictEqual(reported.defects, ["a timer: second"])
        assert.strictEqual(fired, 1)
      })
  )
})

describe("an event's callback that throws", () => {
  it("is reported, with what its ending throws, and its caller does not notice", () => {
    const reported = new Reported()
    const ended: Array<unknown> = []
    const doubled: Array<number> = []
    guarded(reported, "a test", (value: number) => doubled.push(value * 2))(4)
    guarded(reported, "a test", fail("one"), (thrown) => ended.push((thrown as Error).message))()
    guarded(reported, "a test", fail("two"), fail("three"))()
    guarded(reported, "a test", () => {
      throw "no error at all"
    })()
    assert.deepStrictEqual(doubled, [8])
    assert.deepStrictEqual(ended, ["one"])
    assert.deepStrictEqual(reported.defects, ["a test: one", "a test: two", "a test: three", "a test: no error at all"])
  })
})

const datagramWays = [
  ...(libc === undefined ? [] : [{ name: "batched", layer: Batched.layer }]),
  { name: "portable", layer: PortableDatagrams.layer }
]

for (const way of datagramWays) {
  describe(`a datagram's receiver that throws, ${way.name}`, () => {
    it.live("is reported, and receives what comes next, as others do", () => {
      const reported = new Reported()
      return Effect.gen(function* () {
        const transport = yield* DatagramTransport
        const inbox = new Inbox()
        const target = yield* transport.bind(LOOPBACK, {
          onBatch: (batch, count) => {
            inbox.onBatch(batch, count)
            if (inbox.received.at(-1)!.octets[0] === 1) throw new Error("cannot be read")
          },
          onError: () => {},
          onUnsent: () => {}
        })
        const other = new Inbox()
        const beside = yield* transport.bind(LOOPBACK, other)
        const asking = yield* transport.connect(target.local, new Inbox())
        const askingBeside = yield* transport.connect(beside.local, new Inbox())
        send(asking, Uint8Array.of(1))
        yield* inbox.await(1)
        send(askingBeside, Uint8Array.of(2))
        send(asking, Uint8Array.of(3))
        yield* inbox.await(2)
        yield* other.await(1)
        assert.deepStrictEqual(reported.defects, ["a socket: cannot be read"])
      }).pipe(Effect.scoped, Effect.provide(Layer.provide(way.layer, reported.layer)))
    })

    it.live("of errors is reported, and the socket goes on", () => {
      const reported = new Reported()
      return Effect.gen(function* () {
        const transport = yield* DatagramTransport
        const free = yield* Effect.scoped(Effect.map(transport.bind(LOOPBACK, new Inbox()), ({ local }) => local))
        const inbox = new Inbox()
        const asking = yield* transport.connect(free, { ...inbox, onBatch: inbox.onBatch, onError: fail("unheard") })
        send(asking, Uint8Array.of(1))
        while (reported.defects.length === 0) yield* Effect.sleep(1)
        assert.deepStrictEqual([...new Set(reported.defects)], ["a socket: unheard"])
        const server = new Inbox()
        const answering = yield* transport.bind(free, server)
        send(asking, Uint8Array.of(2))
        const [asked] = yield* server.await(1)
        send(answering, Uint8Array.of(3), asked!.path)
        yield* inbox.await(1)
      }).pipe(Effect.scoped, Effect.provide(Layer.provide(way.layer, reported.layer)))
    })
  })
}

const streamWays = [
  ...(libc === undefined ? [] : [{ name: "batched", layer: Batched.layer }]),
  { name: "portable", layer: PortableStreams.layer }
]

type Event = "onData" | "onEnd" | "onWritten" | "onClose"

for (const way of streamWays) {
  describe(`a connection's owner that throws, ${way.name}`, () => {
    const through = (
      name: string,
      use: (transport: StreamTransport["Service"], reported: Reported) => Effect.Effect<void, unknown, Scope.Scope>
    ): void =>
      it.live(name, () => {
        const reported = new Reported()
        return Effect.flatMap(StreamTransport, (transport) => use(transport, reported)).pipe(
          Effect.scoped,
          Effect.provide(Layer.provide(way.layer, reported.layer))
        )
      })

    through("when one is made loses that one, and the next is served", (transport, reported) =>
      Effect.gen(function* () {
        let count = 0
        const seen: Array<Seen> = []
        const { endpoint } = yield* transport.listen(LOOPBACK, (socket) => {
          if (++count === 1) throw new Error("nobody is at home")
          seen.push(new Seen(socket, () => {}))
          return seen[0]
        })
        const first = yield* client(endpoint)
        yield* Effect.callback<void>((resume) => {
          if (first.closed) return resume(Effect.void)
          first.once("close", () => resume(Effect.void))
          first.once("end", () => resume(Effect.void))
          return void first.resume()
        })
        const second = yield* client(endpoint)
        second.write(payload(10, 1))
        while (seen[0]?.octets.length !== 10) yield* Effect.sleep(1)
        assert.deepStrictEqual(reported.defects, ["a new connection: nobody is at home"])
        seen[0].socket.destroy()
      })
    )

    for (const event of ["onData", "onEnd", "onWritten", "onClose"] satisfies ReadonlyArray<Event>) {
      through(`when told of ${event} loses that one, and others go on`, (transport, reported) =>
        Effect.gen(function* () {
          const sockets: Array<StreamSocket> = []
          const seen: Array<Seen> = []
          let closed = 0
          const { endpoint } = yield* transport.listen(LOOPBACK, (socket) => {
            sockets.push(socket)
            const ordinary = new Seen(socket, () => {})
            seen.push(ordinary)
            const handler: StreamHandler = {
              onData: ordinary.onData,
              onEnd: ordinary.onEnd,
              onWritten: ordinary.onWritten,
              onClose: () => {
                closed++
                ordinary.onClose()
              }
            }
            return sockets.length === 1 ? { ...handler, [event]: fail(event) } : handler
          })
          const first = yield* client(endpoint)
          while (sockets.length < 1) yield* Effect.sleep(1)
          const second = yield* client(endpoint)
          if (event === "onData") first.write(payload(10, 1))
          else if (event === "onEnd") first.end()
          else if (event === "onClose") first.resetAndDestroy()
          else {
            first.pause()
            sockets[0]!.write(payload(16 << 20, 1))
            first.resume()
          }
          while (!sockets[0]!.isDestroyed || reported.defects.length === 0) yield* Effect.sleep(1)
          assert.deepStrictEqual(reported.defects, [`a socket: ${event}`])
          second.write(payload(20, 2))
          while (seen[1]?.octets.length !== 20) yield* Effect.sleep(1)
          sockets[1]!.destroy()
          while (closed < (event === "onClose" ? 1 : 2)) yield* Effect.sleep(1)
        })
      )
    }
  })
}

describe.runIf(libc !== undefined)("the reactor", () => {
  it.live("sends what others have to send, and polls on, where one throws while it sends", () =>
    Effect.gen(function* () {
      const reported = new Reported()
      const library = libc!
      const reactor = yield* Effect.acquireRelease(
        Effect.sync(() => new Reactor(library, new Descriptors(undefined), reported)),
        (made) => Effect.sync(() => made.close())
      )
      const ended: Array<string> = []
      const flushed: Array<string> = []
      const socket = (name: string, flush: () => void): Drained => ({
        fd: -1,
        isShared: true,
        drain: () => 0,
        flush,
        onBroken: () => {},
        onDefect: () => ended.push(name)
      })
      reactor.markDirty(socket("bad", fail("not sent")))
      reactor.markDirty(socket("good", () => flushed.push("good")))
      while (flushed.length === 0) yield* Effect.yieldNow
      reactor.markDirty(socket("later", () => flushed.push("later")))
      while (flushed.length < 2) yield* Effect.yieldNow
      assert.deepStrictEqual(reported.defects, ["a socket: not sent"])
      assert.deepStrictEqual(ended, ["bad"])
    })
  )
})
