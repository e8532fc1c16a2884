/**
 * No descriptor is left: what cannot be opened is told, once for each, nothing spins, and it goes on when there is one.
 */
import { assert, describe, it } from "@effect/vitest"
import { Effect, Layer, Logger } from "effect"
import { TestClock } from "effect/testing"
import { DatagramTransport, SocketError } from "../../src/io/datagram.ts"
import { isExhaustion, reportExhaustion } from "../../src/io/exhaustion.ts"
import * as Batched from "../../src/io/linux/batched.ts"
import { Errno, type Libc, libc } from "../../src/io/linux/libc.ts"
import { StreamTransport } from "../../src/io/stream-transport.ts"
import { Incidents } from "../../src/runtime/incidents.ts"
import { Counters } from "../../src/telemetry/counters.ts"
import { layerIncidents } from "../../src/telemetry/incidents.ts"
import { Inbox, payload } from "../support/clients/inbox.ts"
import { Reported } from "../support/servers/incidents.ts"
import { client, Server } from "../support/servers/stream-server.ts"

const LOOPBACK = { address: "127.0.0.1", port: 0 }

/** The C library with a kernel that has no descriptor left while `isFull` says so. */
const withoutDescriptors = (library: Libc, errno: number, isFull: () => boolean) => {
  let failed = false
  let refusals = 0
  let polls = 0
  const refuse = (): number => {
    failed = true
    refusals++
    return -1
  }
  const wrapped: Libc = {
    ...library,
    accept4: (...args) => (isFull() ? refuse() : library.accept4(...args)),
    socket: (...args) => (isFull() ? refuse() : library.socket(...args)),
    errno: () => {
      const isOurs = failed
      failed = false
      return isOurs ? errno : library.errno()
    },
    epoll_wait: (...args) => {
      polls++
      return library.epoll_wait(...args)
    }
  }
  return { library: wrapped, refusals: () => refusals, polls: () => polls }
}

describe.runIf(libc !== undefined)("without a descriptor left", () => {
  for (const [name, errno] of [
    ["EMFILE", Errno.EMFILE],
    ["ENFILE", Errno.ENFILE]
  ] as const) {
    it.live(`no connection is accepted, it is told, and accepting goes on when there is one (${name})`, () => {
      let isFull = false
      const reported = new Reported()
      const kernel = withoutDescriptors(libc!, errno, () => isFull)
      return Effect.gen(function* () {
        const server = yield* Server.at(yield* StreamTransport, LOOPBACK)
        const early = yield* client(server.endpoint)
        yield* server.until(() => server.connections.length === 1)
        isFull = true
        const late = yield* client(server.endpoint)
        while (kernel.refusals() < 2) yield* Effect.sleep(5)
        // Two refusals are a pause apart: in a loop without one there would be thousands of polls between them.
        assert.isBelow(kernel.polls(), 100)
        assert.strictEqual(reported.exhausted.length, kernel.refusals())
        assert.deepStrictEqual([...new Set(reported.exhausted)], ["a client's TCP connection"])
        // Those that are there are served.
        early.write(payload(10, 1))
        yield* server.until(() => server.connections[0]!.octets.length === 10)
        isFull = false
        late.write(payload(20, 2))
        yield* server.until(() => server.connections[1]?.octets.length === 20)
      }).pipe(Effect.scoped, Effect.provide(Layer.provide(Batched.layerOver(kernel.library), reported.layer)))
    })

    it.live(`no UDP socket is opened, and that is told once, not for every port that is tried (${name})`, () => {
      let isFull = false
      const reported = new Reported()
      const kernel = withoutDescriptors(libc!, errno, () => isFull)
      return Effect.gen(function* () {
        const transport = yield* DatagramTransport
        const { local } = yield* transport.bind(LOOPBACK, new Inbox())
        isFull = true
        const error = yield* Effect.flip(Effect.scoped(transport.connect(local, new Inbox())))
        assert.include(error.message, name)
        assert.isTrue(error.isExhaustion)
        assert.deepStrictEqual(reported.exhausted, ["a UDP socket"])
        assert.strictEqual(kernel.refusals(), 1)
        isFull = false
        yield* transport.connect(local, new Inbox())
      }).pipe(Effect.scoped, Effect.provide(Layer.provide(Batched.layerOver(kernel.library), reported.layer)))
    })
  }
})

describe("an error of Node's", () => {
  it("is known to be for want of descriptors by its code", () => {
    for (const code of ["EMFILE", "ENFILE"]) assert.isTrue(isExhaustion(Object.assign(new Error("x"), { code })))
    for (const code of ["EADDRINUSE", "EACCES"]) assert.isFalse(isExhaustion(Object.assign(new Error("x"), { code })))
    assert.isFalse(isExhaustion(new Error("EMFILE in words alone")))
  })

  it.effect("is reported for that, and for nothing else", () =>
    Effect.gen(function* () {
      const reported = new Reported()
      const failing = (exhausted: boolean) =>
        Effect.fail(new SocketError({ endpoint: "192.0.2.1:53", message: "no", isExhaustion: exhausted })).pipe(
          reportExhaustion(reported, "a connection"),
          Effect.flip
        )
      yield* failing(false)
      assert.deepStrictEqual(reported.exhausted, [])
      yield* failing(true)
      assert.deepStrictEqual(reported.exhausted, ["a connection"])
    })
  )
})

describe("what sockets report", () => {
  it.effect("is counted each time; a want of descriptors is logged once, with what to do about it", () => {
    const lines: Array<string> = []
    const log = Logger.make(({ message }) => {
      lines.push(String(message))
    })
    return Effect.gen(function* () {
      const incidents = yield* Incidents
      const counters = yield* Counters
      for (let i = 0; i < 50; i++) incidents.onExhausted("a client's TCP connection")
      incidents.onDefect("a timer", new Error("a fault"))
      yield* TestClock.adjust(0)
      yield* Effect.yieldNow
      assert.strictEqual(counters.read("descriptors.exhausted"), 50)
      assert.strictEqual(counters.read("defects"), 1)
      assert.strictEqual(lines.length, 2)
      assert.include(lines[0], "no file descriptor was left for a client's TCP connection")
      assert.include(lines[0], "ulimit -n")
      assert.include(lines[0], "LimitNOFILE")
      assert.include(lines[1], "a timer")
    }).pipe(Effect.provide(Layer.provideMerge(layerIncidents, Layer.mergeAll(Counters.layer, Logger.layer([log])))))
  })
})
