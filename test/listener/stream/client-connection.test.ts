import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { TextPeer } from "../../../src/io/peer.ts"
import type { StreamSocket } from "../../../src/io/stream-transport.ts"
import { ClientConnection } from "../../../src/listener/stream/client-connection.ts"
import { FramedConversation } from "../../../src/listener/stream/framed.ts"
import type { Packet, ReplyPath } from "../../../src/query/packet.ts"
import { TCP } from "../../../src/query/transport.ts"
import { framed } from "../../support/upstreams/fake-upstream.ts"

const TIMES = { idleMs: 10_000, receiveMs: 10_000, sendMs: 10_000 }

/** A connection whose socket, time and pipeline are the test's. */
class Connection {
  nowMs = 1_000
  isDestroyed = false
  isTaken = true
  isPaused = false
  readonly packets: Array<Packet> = []
  readonly paths: Array<ReplyPath> = []
  readonly written: Array<number> = []
  readonly defects: Array<unknown> = []
  /** What the pipeline does with a message, while it is begun. */
  onPacket = (_packet: Packet): void => {}
  onWrite = (): void => {}
  readonly client: ClientConnection

  constructor() {
    const peer = new TextPeer({ address: "192.0.2.1", port: 1 })
    const socket: StreamSocket = {
      peer,
      via: peer,
      protocol: "",
      clientName: undefined,
      isDestroyed: false,
      isEnded: false,
      write: (octets) => {
        this.onWrite()
        this.written.push(octets.length)
        return this.isTaken
      },
      pause: () => {
        this.isPaused = true
      },
      resume: () => {
        this.isPaused = false
      },
      end: () => {},
      destroy: () => {
        this.isDestroyed = true
      }
    }
    Object.defineProperty(socket, "isDestroyed", { get: () => this.isDestroyed })
    this.client = new ClientConnection(socket, "192.0.2.1", (connection) => new FramedConversation(connection), {
      transport: TCP,
      start: (packet) => {
        this.packets.push(packet)
        this.paths.push(packet.keepPath())
        this.onPacket(packet)
      },
      nowMs: () => this.nowMs,
      unreadInAll: { octets: 0 },
      onBatch: () => {},
      onBatchEnd: () => {},
      onClose: () => {},
      maxQueries: () => 0,
      onWorn: () => {},
      onDefect: (thrown) => this.defects.push(thrown)
    })
  }

  receive(...messages: ReadonlyArray<Uint8Array>): void {
    this.client.handler.onData(Buffer.concat(messages.map(framed)))
  }

  answer(path: ReplyPath): Effect.Effect<void> {
    path.reserve(12)
    path.send(12, 0)
    return Effect.yieldNow
  }
}

const query = new Uint8Array(40)
const isQuery = (packet: Packet): void => packet.noteQuery()

/** A message that the pipeline answers at once with an error. */
const isMalformed = (packet: Packet): void => {
  packet.reserve(12)
  packet.send(12, 0)
}
/** One that it passes over. */
const isNothing = (packet: Packet): void => packet.drop()

describe("a TCP connection's idle time", () => {
  for (const [what, onPacket] of [
    ["that get an error", isMalformed],
    ["that get nothing", isNothing]
  ] as const) {
    it.effect(`is not put off by messages ${what}`, () =>
      Effect.gen(function* () {
        const connection = new Connection()
        connection.onPacket = onPacket
        for (let i = 0; i < 9; i++) {
          connection.nowMs += 1_100
          connection.receive(query, query)
          yield* Effect.yieldNow
          assert.isFalse(connection.client.isExpired(connection.nowMs, TIMES))
        }
        connection.nowMs += 1_100
        connection.receive(query)
        yield* Effect.yieldNow
        assert.isTrue(connection.client.isExpired(connection.nowMs, TIMES))
      })
    )

    it.effect(`nor by messages ${what} of which the next has always begun`, () =>
      Effect.gen(function* () {
        const connection = new Connection()
        connection.onPacket = onPacket
        const octets = Buffer.from(framed(query))
        connection.client.handler.onData(octets.subarray(0, 1))
        let expiredAfterMs = 0
        for (let i = 0; i < 30 && expiredAfterMs === 0; i++) {
          connection.nowMs += 1_000
          connection.client.handler.onData(Buffer.concat([octets.subarray(1), octets.subarray(0, 1)]))
          yield* Effect.yieldNow
          if (connection.client.isExpired(connection.nowMs, TIMES)) expiredAfterMs = connection.nowMs - 1_000
        }
        assert.strictEqual(expiredAfterMs, TIMES.idleMs)
      })
    )
  }

  it.effect("begins anew with each query and with its answer", () =>
    Effect.gen(function* () {
      const connection = new Connection()
      connection.onPacket = isQuery
      connection.nowMs += 9_000
      connection.receive(query)
      // While it waits there is no idle time.
      connection.nowMs += 60_000
      assert.isFalse(connection.client.isExpired(connection.nowMs, TIMES))
      yield* connection.answer(connection.paths[0]!)
      connection.nowMs += 9_999
      assert.isFalse(connection.client.isExpired(connection.nowMs, TIMES))
      connection.nowMs += 1
      assert.isTrue(connection.client.isExpired(connection.nowMs, TIMES))
    })
  )

  it.effect("begins when a client that is slow has read the answer", () =>
    Effect.gen(function* () {
      const connection = new Connection()
      connection.onPacket = isQuery
      connection.isTaken = false
      connection.receive(query)
      yield* connection.answer(connection.paths[0]!)
      connection.nowMs += 9_000
      connection.client.handler.onWritten()
      connection.nowMs += 9_000
      assert.isFalse(connection.client.isExpired(connection.nowMs, TIMES))
      connection.nowMs += 1_000
      assert.isTrue(connection.client.isExpired(connection.nowMs, TIMES))
    })
  )

  it.effect("lets a query that began in time come to its end", () =>
    Effect.sync(() => {
      const connection = new Connection()
      connection.onPacket = isQuery
      const octets = Buffer.from(framed(query))
      connection.nowMs += 9_999
      connection.client.handler.onData(octets.subarray(0, 10))
      connection.nowMs += 5_000
      assert.isFalse(connection.client.isExpired(connection.nowMs, TIMES))
      connection.client.handler.onData(octets.subarray(10))
      assert.strictEqual(connection.packets.length, 1)
      assert.isFalse(connection.client.isExpired(connection.nowMs, TIMES))
    })
  )
})

describe("a query by TCP that waits", () => {
  for (const size of [17, 512, 65_535]) {
    it.effect(`holds nothing of its message of ${size} octets`, () =>
      Effect.sync(() => {
        const connection = new Connection()
        const lengths: Array<number> = []
        connection.onPacket = (packet) => {
          packet.noteQuery()
          lengths.push(packet.wire.length, packet.length)
        }
        connection.receive(new Uint8Array(size), new Uint8Array(size))
        assert.deepStrictEqual(lengths, [size, size, size, size])
        for (const { wire, length } of connection.packets) {
          assert.deepStrictEqual([wire.length, wire.buffer.byteLength, length], [0, 0, 0])
        }
      })
    )
  }

  it.effect("is over once, however often it is answered or dropped", () =>
    Effect.gen(function* () {
      const connection = new Connection()
      connection.onPacket = isQuery
      connection.receive(query)
      yield* connection.answer(connection.paths[0]!)
      yield* connection.answer(connection.paths[0]!)
      connection.paths[0]!.drop()
      assert.isTrue(connection.client.isIdle)
      assert.deepStrictEqual(connection.written, [14])
    })
  )
})

describe("a connection that throws while it sends what is ready", () => {
  it.effect("is closed, and says why", () =>
    Effect.gen(function* () {
      const connection = new Connection()
      connection.onPacket = isQuery
      connection.receive(query)
      connection.onWrite = () => {
        throw new Error("not written")
      }
      yield* connection.answer(connection.paths[0]!)
      assert.isTrue(connection.isDestroyed)
      assert.deepStrictEqual(
        connection.defects.map((thrown) => (thrown as Error).message),
        ["not written"]
      )
    })
  )
})

describe("a connection on which many answers are ready at once", () => {
  for (const size of [512, 1_024, 16_384, 62_000, 65_535]) {
    it.effect(`is read on when all of them are written, of ${size} octets each`, () =>
      Effect.sync(() => {
        // Where what is ready comes to what may wait, with the last message and before it.
        const most = Math.floor((256 << 10) / (size + 2))
        for (const count of [most - 1, most, most + 1, most + 2, 2 * most + 2]) {
          const connection = new Connection()
          connection.onPacket = (packet) => {
            packet.noteQuery()
            packet.reserve(size)
            packet.send(size, 0)
          }
          connection.receive(...Array.from({ length: count }, () => query))
          assert.strictEqual(
            connection.written.reduce((sum, octets) => sum + octets, 0),
            count * (size + 2)
          )
          assert.isFalse(connection.isPaused, `${count} answers`)
        }
      })
    )
  }

  it.effect("is not read while its client takes none, and read on when he has", () =>
    Effect.sync(() => {
      const connection = new Connection()
      connection.onPacket = (packet) => {
        packet.noteQuery()
        packet.reserve(62_000)
        packet.send(62_000, 0)
      }
      connection.isTaken = false
      connection.receive(...Array.from({ length: 7 }, () => query))
      assert.isTrue(connection.isPaused)
      connection.isTaken = true
      connection.client.handler.onWritten()
      assert.isFalse(connection.isPaused)
      assert.strictEqual(connection.packets.length, 7)
    })
  )
})
