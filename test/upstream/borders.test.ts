/**
 * Where the network, the event loop or a timer calls in: what throws there is reported, and nobody waits in vain for
 * it.
 */
import { createServer, type ServerHttp2Session, type ServerHttp2Stream } from "node:http2"
import { type AddressInfo, connect, type Socket } from "node:net"
import { Duplex } from "node:stream"
import { assert, describe, it } from "@effect/vitest"
import { Effect, Layer } from "effect"
import { TestClock } from "effect/testing"
import type { HttpsAddress } from "../../src/config/codec/upstream-address.ts"
import { anyTtl as rules } from "../../src/dns/classify-response.ts"
import { Type } from "../../src/dns/codes.ts"
import { DatagramTransport, SocketError } from "../../src/io/datagram.ts"
import { LoopClock } from "../../src/runtime/loop-clock.ts"
import { TimerWheel } from "../../src/runtime/timer-wheel.ts"
import type { Counters } from "../../src/telemetry/counters.ts"
import { Resolver } from "../../src/upstream/attempt/resolver.ts"
import { questionFor } from "../../src/upstream/health/known-question.ts"
import { HealthMonitor } from "../../src/upstream/health/monitor.ts"
import { commonState, upstreamMemory } from "../../src/upstream/health/shared-state.ts"
import type { Attempt, Requester } from "../../src/upstream/requester.ts"
import { AddressResolver } from "../../src/upstream/transport/address-resolver.ts"
import { type ConnectionEvents, PendingRequest } from "../../src/upstream/transport/connection.ts"
import { Connections } from "../../src/upstream/transport/connections.ts"
import { HttpsConnection } from "../../src/upstream/transport/https-connection.ts"
import { LivenessMonitor } from "../../src/upstream/transport/liveness-monitor.ts"
import { StreamConnection } from "../../src/upstream/transport/stream-connection.ts"
import { Upstream } from "../../src/upstream/upstream.ts"
import { Reported } from "../support/servers/incidents.ts"
import { mirrorReply } from "../support/upstreams/mirror.ts"

const fail = (what: string) => (): never => {
  throw new Error(what)
}
const question = (label: string) =>
  questionFor(Uint8Array.of(label.length, ...Buffer.from(label), 4, ...Buffer.from("test"), 0), Type.A)

/** An exchange that notes what it is told, and does besides what a test wants. */
const requesterOf = (label: string, told: Array<string>, does: Partial<Requester> = {}): Requester => ({
  question: question(label),
  onResponse: () => told.push(`${label} answered`),
  onFailure: ({ _tag }) => told.push(`${label} ${_tag}`),
  onTrouble: () => {},
  onHeld: () => {},
  ...does
})

const wheel: TimerWheel["Service"] = {
  after: () => ({}) as never,
  cancel: () => {},
  nowMs: () => performance.now()
}

const eventsFor = (
  reported: Reported,
  told: Array<string>,
  does: Partial<ConnectionEvents> = {}
): ConnectionEvents => ({
  wheel,
  incidents: reported,
  onBatch: () => {},
  onHeard: () => {},
  heardMs: 0,
  onRoom: () => {},
  onClosed: () => told.push("closed"),
  onLost: (request) => told.push(`lost ${request.requester.question.name[1]}`),
  onShortLife: () => {},
  onHeldUp: () => {},
  onSilent: () => {},
  onBusy: () => {},
  onAnswered: () => {},
  onMismatch: () => {},
  onOrder: () => {},
  order: "unknown",
  silenceMs: () => 1_000,
  ...does
})

/** One end of a pipe whose other end answers what it is asked, when it is told to. */
class Server extends Duplex {
  private asked = Buffer.alloc(0)

  override _read(): void {}

  override _write(chunk: Buffer, _encoding: unknown, done: () => void): void {
    this.asked = Buffer.concat([this.asked, chunk])
    done()
  }

  answer(): void {
    for (let at = 0; at + 2 <= this.asked.length; at += 2 + this.asked.readUInt16BE(at)) {
      const reply = mirrorReply(this.asked.subarray(at + 2, at + 2 + this.asked.readUInt16BE(at)))
      this.push(Buffer.concat([Buffer.of(reply.length >>> 8, reply.length & 255), reply]))
    }
    this.asked = Buffer.alloc(0)
  }
}

const aTurn = (): Promise<void> => new Promise((resolve) => setImmediate(() => setImmediate(resolve)))

const stream = (does: Partial<ConnectionEvents> = {}) => {
  const reported = new Reported()
  const told: Array<string> = []
  const server = new Server()
  const events = eventsFor(reported, told, does)
  const options = { events, rules, isEncrypted: false, lifetime: Number.POSITIVE_INFINITY }
  return { reported, told, server, connection: new StreamConnection(server as unknown as Socket, options) }
}

describe("a connection over TCP or TLS", () => {
  it("ends where what comes in makes something throw, and what waits on it is asked elsewhere", async () => {
    const { reported, told, server, connection } = stream({ onBatch: fail("batch") })
    connection.ask(new PendingRequest(requesterOf("a", told), true, []))
    await aTurn()
    server.answer()
    await aTurn()
    assert.deepStrictEqual(reported.defects, ["a connection to an upstream: batch"])
    assert.deepStrictEqual(told, ["closed", `lost ${"a".charCodeAt(0)}`])
    assert.isTrue(connection.isOver)
  })

  it("goes on where an answer's requester throws: that question fails, the others are answered", async () => {
    const { reported, told, server, connection } = stream()
    const first = new PendingRequest(requesterOf("a", told, { onResponse: fail("requester") }), true, [])
    first.join(new PendingRequest(requesterOf("c", told), true, []))
    connection.ask(first)
    connection.ask(new PendingRequest(requesterOf("b", told), true, []))
    await aTurn()
    server.answer()
    await aTurn()
    assert.deepStrictEqual(reported.defects, ["a connection to an upstream: requester"])
    assert.deepStrictEqual(told, ["a GarbageReceived", "c GarbageReceived", "b answered"])
    assert.isFalse(connection.isOver)
    connection.break("the end")
  })

  it("ends where its questions cannot be written", async () => {
    const { reported, told, server, connection } = stream()
    server.write = fail("write")
    connection.ask(new PendingRequest(requesterOf("a", told), true, []))
    await aTurn()
    assert.deepStrictEqual(reported.defects, ["a connection to an upstream: write"])
    assert.deepStrictEqual(told, ["closed", `lost ${"a".charCodeAt(0)}`])
  })

  for (const event of ["error", "end", "close"]) {
    it(`tells all who wait that it has ended, whichever of them throws (${event})`, async () => {
      const lost: Array<PendingRequest> = []
      const onLost = (request: PendingRequest): void => {
        lost.push(request)
        throw new Error("lost")
      }
      const { reported, told, server, connection } = stream({ onLost, onClosed: fail("closed") })
      for (const label of ["a", "b"]) connection.ask(new PendingRequest(requesterOf(label, told), true, []))
      await aTurn()
      server.emit(event, new Error("reset"))
      const defects = ["closed", "lost", "lost"].map((what) => `a connection to an upstream: ${what}`)
      assert.deepStrictEqual(reported.defects, defects)
      assert.strictEqual(lost.length, 2)
    })
  }
})

/** A connection over HTTP/2, and the server's end of it; nothing is answered until a test says so. */
const https = (does: Partial<ConnectionEvents> = {}) =>
  Effect.gen(function* () {
    const reported = new Reported()
    const told: Array<string> = []
    const sessions: Array<ServerHttp2Session> = []
    const server = createServer()
    server.on("session", (session) => sessions.push(session))
    server.on("stream", (stream: ServerHttp2Stream) => {
      const chunks: Array<Buffer> = []
      stream.on("error", () => {})
      stream.on("data", (chunk: Buffer) => chunks.push(chunk))
      stream.on("end", () => {
        stream.respond({ ":status": 200, "content-type": "application/dns-message" })
        stream.end(mirrorReply(Buffer.concat(chunks)))
      })
    })
    yield* Effect.promise(() => new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve)))
    const socket = connect((server.address() as AddressInfo).port, "127.0.0.1")
    yield* Effect.addFinalizer(() =>
      Effect.sync(() => {
        socket.destroy()
        server.close()
      })
    )
    yield* Effect.promise(() => new Promise<void>((resolve) => socket.once("connect", () => resolve())))
    const address = { authority: "a.test", path: "/dns-query", method: "POST" } as unknown as HttpsAddress
    const events = eventsFor(reported, told, does)
    const connection = new HttpsConnection(socket, { events, rules, address, lifetime: Number.POSITIVE_INFINITY })
    return { reported, told, connection, sessions }
  })

const until = (condition: () => boolean): Effect.Effect<void> =>
  Effect.suspend(() => (condition() ? Effect.void : Effect.delay(until(condition), 5)))

describe("a connection over HTTPS", () => {
  it.live("goes on where an answer's requester throws: that question fails, the others are answered", () =>
    Effect.gen(function* () {
      const { reported, told, connection } = yield* https()
      connection.ask(new PendingRequest(requesterOf("a", told, { onResponse: fail("requester") }), true, []))
      connection.ask(new PendingRequest(requesterOf("b", told), true, []))
      yield* until(() => told.length === 2)
      assert.deepStrictEqual(reported.defects, ["a connection to an upstream: requester"])
      assert.deepStrictEqual(told.toSorted(), ["a GarbageReceived", "b answered"])
      assert.isFalse(connection.isOver)
    }).pipe(Effect.scoped)
  )

  it.live("fails a question where its response's headers make something throw", () =>
    Effect.gen(function* () {
      const { reported, told, connection } = yield* https({ onBatch: fail("batch") })
      connection.ask(new PendingRequest(requesterOf("a", told), true, []))
      yield* until(() => told.length === 1)
      assert.include(reported.defects, "a connection to an upstream: batch")
      assert.deepStrictEqual(told, ["a GarbageReceived"])
    }).pipe(Effect.scoped)
  )

  it.live("ends where the server's settings make something throw", () =>
    Effect.gen(function* () {
      const { reported, told, connection } = yield* https({ onRoom: fail("room") })
      yield* until(() => connection.isOver)
      assert.strictEqual(reported.defects[0], "a connection to an upstream: room")
      assert.deepStrictEqual(told, ["closed"])
    }).pipe(Effect.scoped)
  )

  it.live("ends where the server's farewell, or its end, makes something throw", () =>
    Effect.gen(function* () {
      for (const farewell of ["goaway", "destroy"] as const) {
        const { reported, told, connection, sessions } = yield* https({ onShortLife: fail("life") })
        yield* until(() => sessions.length === 1)
        connection.ask(new PendingRequest(requesterOf("a", told), true, []))
        if (farewell === "goaway") sessions[0]!.goaway(0, 0)
        else sessions[0]!.destroy()
        yield* until(() => connection.isOver)
        assert.deepStrictEqual(reported.defects, ["a connection to an upstream: life"])
        assert.deepStrictEqual(told, ["closed", `lost ${"a".charCodeAt(0)}`])
      }
    }).pipe(Effect.scoped)
  )

  it.live("ends where the answer to a PING makes something throw", () =>
    Effect.gen(function* () {
      const { reported, connection } = yield* https({ onBatch: fail("pong") })
      connection.onSilence(1)
      yield* until(() => connection.isOver)
      assert.deepStrictEqual(reported.defects, ["a connection to an upstream: pong"])
    }).pipe(Effect.scoped)
  )
})

const withTime = TimerWheel.layer.pipe(Layer.provideMerge(LoopClock.layer))

describe("the connections to one upstream", () => {
  const connections = (reported: Reported, patientMs: number) =>
    Effect.flatMap(TimerWheel, (wheel) =>
      Connections.make({
        open: () => Effect.fail(new SocketError({ endpoint: "192.0.2.1:53", message: "refused" })),
        incidents: reported,
        wheel,
        onBatch: () => {},
        silenceMs: () => 1_000,
        patientMs: () => patientMs,
        onMismatch: () => {},
        onHeld: () => {},
        onRefused: () => Effect.void,
        onOpened: Effect.void
      })
    )

  it.effect("tell all in line that none could be opened, whichever of them throws", () =>
    Effect.gen(function* () {
      const reported = new Reported()
      const told: Array<string> = []
      const own = yield* connections(reported, 5_000)
      own.ask(requesterOf("a", told, { onFailure: fail("line") }), true, [])
      own.ask(requesterOf("b", told), true, [])
      for (let i = 0; i < 5; i++) yield* Effect.yieldNow
      assert.deepStrictEqual(reported.defects, ["the connections to an upstream: line"])
      assert.deepStrictEqual(told, ["b NetworkFailure"])
    }).pipe(Effect.provide(withTime), Effect.scoped)
  )

  it.effect("report what throws where a question is refused for the upstream is asked too much", () =>
    Effect.gen(function* () {
      const reported = new Reported()
      const told: Array<string> = []
      const own = yield* connections(reported, 100)
      own.onBusy(new PendingRequest(requesterOf("a", told), true, []), 60_000, "too much")
      own.ask(requesterOf("b", told, { onFailure: fail("refused") }), true, [])
      yield* Effect.promise(() => Promise.resolve())
      assert.deepStrictEqual(told, ["a NetworkFailure"])
      assert.deepStrictEqual(reported.defects, ["the connections to an upstream: refused"])
    }).pipe(Effect.provide(withTime), Effect.scoped)
  )
})

const upstreamAt = (): Upstream =>
  new Upstream({ protocol: "udp", endpoint: { address: "192.0.2.1", port: 53 } } as Upstream["address"], () => false)

const counters = { add: () => {} } as unknown as Counters["Service"]

describe("a socket that cannot be opened", () => {
  it.live("fails all questions that wait for it, whichever of them throws", () =>
    Effect.gen(function* () {
      const reported = new Reported()
      const told: Array<string> = []
      const upstream = upstreamAt()
      const clock = yield* LoopClock
      const context = { nowMs: clock.nowMs, words: upstream.state.words }
      const never: DatagramTransport["Service"]["connect"] = () =>
        Effect.delay(Effect.fail(new SocketError({ endpoint: "192.0.2.1:53", message: "no way" })), 1)
      const resolver = yield* Resolver.make({
        rules,
        clock,
        counters,
        loopOptions: [],
        traceOption: () => undefined,
        connections: new Map(),
        addressResolvers: new Map([[upstream, AddressResolver.fixed(upstream.endpoint, context)]]),
        mixesCase: () => true,
        sendsCookies: () => true,
        silenceMs: () => 800
      }).pipe(
        Effect.provideService(DatagramTransport, { name: "none", bind: fail("bind"), connect: never }),
        Effect.provide(reported.layer)
      )
      const attempt = (exchange: Requester) =>
        ({ ...exchange, upstream, failures: 0, transport: "udp" }) as unknown as Attempt
      resolver.begin(attempt(requesterOf("a", told, { onFailure: fail("told") })))
      resolver.begin(attempt(requesterOf("b", told)))
      yield* until(() => told.length > 0)
      assert.deepStrictEqual(reported.defects, ["the opening of a socket: told"])
      assert.deepStrictEqual(told, ["b NetworkFailure"])
    }).pipe(Effect.provide(LoopClock.layer), Effect.scoped)
  )
})

const inTime = (name: string, body: (reported: Reported) => Effect.Effect<void, never, TimerWheel | LoopClock>) =>
  it.effect(name, () => {
    const reported = new Reported()
    return body(reported).pipe(Effect.provide(Layer.provide(withTime, reported.layer)))
  })

const pass = (ms: number) =>
  Effect.gen(function* () {
    for (let left = ms; left > 0; left -= 5) yield* TestClock.adjust(5)
  })

describe("a check of an upstream that throws", () => {
  /** @param throwing of the questions by which it is checked, the first so many */
  const suspected = (reported: Reported, throwing: number, isOpen: boolean) =>
    Effect.gen(function* () {
      const wheel = yield* TimerWheel
      const upstream = upstreamAt()
      const asked: Array<Attempt> = []
      if (isOpen) upstream.breaker.open(wheel.nowMs())
      const health = new HealthMonitor({
        wheel,
        incidents: reported,
        counters,
        attemptTimeoutMs: () => 800,
        random: () => 0.5,
        upstreams: () => [upstream],
        common: commonState(upstreamMemory(1)),
        begin: (attempt) => {
          asked.push(attempt)
          if (asked.length <= throwing) throw new Error("sending")
          return { abandon: () => {} }
        }
      })
      return { health, upstream, asked }
    })

  inTime("leaves an upstream that is suspect what it is, and it can be suspected again", (reported) =>
    Effect.gen(function* () {
      const { health, upstream, asked } = yield* suspected(reported, 1, false)
      health.suspect(upstream)
      assert.deepStrictEqual(reported.defects, ["the check of an upstream: sending"])
      assert.isTrue(upstream.breaker.isClosed)
      yield* pass(10)
      health.suspect(upstream)
      assert.strictEqual(asked.length, 2)
      yield* pass(2_000)
      assert.strictEqual(upstream.breaker.state, "Open")
    })
  )

  inTime("is made again where the upstream is broken", (reported) =>
    Effect.gen(function* () {
      const { upstream, asked } = yield* suspected(reported, 2, true)
      yield* pass(5_000)
      assert.isAtLeast(asked.length, 3)
      assert.strictEqual(reported.defects.length, 2)
      assert.isFalse(upstream.breaker.isClosed)
      asked.at(-1)!.onResponse({ rcode: 0 } as never)
      assert.isTrue(upstream.breaker.isClosed)
    })
  )

  inTime("in the middle of it, by the timer, is made again too", (reported) =>
    Effect.gen(function* () {
      const { health, upstream, asked } = yield* suspected(reported, 0, false)
      const send = asked.push.bind(asked)
      asked.push = (attempt) => {
        if (asked.length === 1) {
          send(attempt)
          throw new Error("second")
        }
        return send(attempt)
      }
      health.suspect(upstream)
      yield* pass(1_000)
      assert.deepStrictEqual(reported.defects, ["the check of an upstream: second"])
      assert.isTrue(upstream.breaker.isClosed)
      health.suspect(upstream)
      assert.strictEqual(asked.length, 3)
    })
  )

  inTime("at its verdict is made again", (reported) =>
    Effect.gen(function* () {
      const { health, upstream, asked } = yield* suspected(reported, 0, false)
      const { open } = upstream.breaker
      upstream.breaker.open = fail("verdict")
      health.suspect(upstream)
      yield* pass(900)
      assert.deepStrictEqual(reported.defects, ["the check of an upstream: verdict"])
      upstream.breaker.open = open
      yield* pass(3_000)
      assert.isAtLeast(asked.length, 3)
      assert.strictEqual(upstream.breaker.state, "Open")
    })
  )

  inTime("does not end the look at what other threads have found", (reported) =>
    Effect.gen(function* () {
      const { upstream } = yield* suspected(reported, 0, true)
      const { renew } = upstream.probeLease
      let looks = 0
      upstream.probeLease.renew = (nowMs) => {
        if (looks++ === 0) throw new Error("look")
        return renew.call(upstream.probeLease, nowMs)
      }
      yield* pass(1_000)
      assert.deepStrictEqual(reported.defects, ["a timer: look"])
      assert.isAbove(looks, 3)
    })
  )
})

describe("a liveness monitor whose connection throws", () => {
  inTime("goes on", (reported) =>
    Effect.gen(function* () {
      const wheel = yield* TimerWheel
      const did: Array<string> = []
      const watched = {
        awaited: 1,
        mixesCase: () => true,
        sendsCookies: () => true,
        silenceMs: () => 600,
        onSilence: (times: number) => {
          did.push(`silent ${times}`)
          throw new Error("silence")
        },
        onDead: () => did.push("dead"),
        onIdle: () => {
          if (did.push("idle") === 3) throw new Error("idleness")
        }
      }
      const liveness = new LivenessMonitor(wheel, watched, 3_000)
      liveness.asked()
      yield* pass(1_250)
      assert.deepStrictEqual(did, ["silent 1", "silent 2"])
      watched.awaited = 0
      liveness.heard()
      yield* pass(5_000)
      assert.deepStrictEqual(did, ["silent 1", "silent 2", "idle", "idle"])
      assert.deepStrictEqual(reported.defects, ["a timer: silence", "a timer: silence", "a timer: idleness"])
      liveness.end()
    })
  )
})
