import { createSocket } from "node:dgram"
import { Worker } from "node:worker_threads"
import { assert, describe, it } from "@effect/vitest"
import { Effect, type Scope } from "effect"
import { vi } from "vitest"
import { DatagramTransport } from "../../../src/io/datagram.ts"
import * as Batched from "../../../src/io/linux/batched.ts"
import { Descriptors } from "../../../src/io/linux/descriptors.ts"
import { type Libc, libc } from "../../../src/io/linux/libc.ts"
import { type Drained, Reactor } from "../../../src/io/linux/reactor.ts"
import { Arguments, openDatagramSocket } from "../../../src/io/linux/socket.ts"
import { Wakeup } from "../../../src/io/linux/wakeup.ts"
import type { Incidents } from "../../../src/runtime/incidents.ts"
import type { GapClientData } from "../../support/clients/gap-client.ts"
import { turns } from "../../support/machine/until.ts"

const LOOPBACK = { address: "127.0.0.1", port: 0 }
const LONGEST_PAUSE_MS = 0.2

interface Tools {
  readonly reactor: Reactor
  /** How often it has polled. */
  readonly polls: () => number
  /** Whether the bell was muted or not, each time that it changed. */
  readonly mutes: ReadonlyArray<boolean>
  /** Datagrams that were read. */
  readonly received: () => number
  /** Milliseconds of each pause. */
  readonly pauses: ReadonlyArray<number>
  /** The datagram that wakes it. */
  readonly ring: Effect.Effect<void>
  /** What one look at the socket brings, and how many milliseconds a turn takes; 0 looks and reads what is there. */
  readonly play: (script: { readonly messages: number; readonly turnMs: number; readonly looks: number }) => void
  readonly isPlayed: () => boolean
}

/** The reactor over a socket that brings what the test says, with a clock that goes as the test says. */
const withReactor = (
  library: Libc,
  use: (tools: Tools) => Effect.Effect<void, never, Scope.Scope>
): Effect.Effect<void> =>
  Effect.scoped(
    Effect.gen(function* () {
      let polls = 0
      let received = 0
      const mutes: Array<boolean> = []
      const pauses: Array<number> = []
      const watched: Libc = {
        ...library,
        epoll_wait: (...args) => {
          polls++
          return library.epoll_wait(...args)
        }
      }
      const { mute, unmute } = Wakeup.prototype
      let script = { messages: 0, turnMs: 1, looks: 0 }
      let nowMs = 1_000
      yield* Effect.acquireRelease(
        Effect.sync(() => {
          vi.spyOn(Wakeup.prototype, "mute").mockImplementation(function (this: Wakeup) {
            mutes.push(true)
            mute.call(this)
          })
          vi.spyOn(Wakeup.prototype, "unmute").mockImplementation(function (this: Wakeup) {
            mutes.push(false)
            unmute.call(this)
          })
          vi.spyOn(performance, "now").mockImplementation(() => {
            nowMs += script.turnMs
            return nowMs
          })
          vi.spyOn(Atomics, "wait").mockImplementation((_cells, _at, _value, timeoutMs) => {
            pauses.push(timeoutMs!)
            return "timed-out"
          })
        }),
        () => Effect.sync(() => vi.restoreAllMocks())
      )
      const args = new Arguments(library)
      const fd = yield* Effect.orDie(openDatagramSocket(library, args, LOOPBACK, false))
      const { port } = args.localEndpoint(fd)
      const sender = createSocket("udp4")
      const octets = new ArrayBuffer(16)
      const socket: Drained = {
        fd,
        isShared: true,
        drain: () => {
          if (script.looks > 0) {
            script.looks--
            return script.messages
          }
          let count = 0
          while (library.recv(fd, library.addressOf(octets), 16, 0) > 0) count++
          received += count
          return count
        },
        flush: () => {},
        onBroken: () => {},
        onDefect: () => {}
      }
      const reactor = yield* Effect.acquireRelease(
        Effect.sync(() => new Reactor(watched, new Descriptors(undefined), silent)),
        (made) =>
          Effect.sync(() => {
            made.close()
            library.close(fd)
            sender.close()
          })
      )
      reactor.add(socket)
      yield* use({
        reactor,
        polls: () => polls,
        received: () => received,
        mutes,
        pauses,
        ring: Effect.callback((resume) => sender.send("!", port, "127.0.0.1", () => resume(Effect.void))),
        play: (played) => {
          script = { ...played }
        },
        isPlayed: () => script.looks === 0
      })
    })
  )

const silent: Incidents = { onDefect: () => {}, onExhausted: () => {}, onFlood: () => {} }

const untilTrue = (isTrue: () => boolean): Effect.Effect<void> =>
  Effect.gen(function* () {
    while (!isTrue()) yield* Effect.yieldNow
  })

describe.runIf(libc !== undefined)("the reactor", () => {
  const reactorTest = (name: string, use: (tools: Tools) => Effect.Effect<void, never, Scope.Scope>): void =>
    it.live(name, () => withReactor(libc!, use))

  reactorTest("sleeps again at once after a datagram", (tools) =>
    Effect.gen(function* () {
      yield* turns(20)
      assert.strictEqual(tools.polls(), 0)
      for (let i = 0; i < 10; i++) {
        const before = tools.received()
        yield* tools.ring
        yield* untilTrue(() => tools.received() > before)
        yield* turns(50)
      }
      assert.isAtMost(tools.polls(), 30)
      assert.deepStrictEqual(tools.mutes, [])
    })
  )

  reactorTest("sleeps again soon after many: it polls a few times more, then not at all", (tools) =>
    Effect.gen(function* () {
      tools.play({ messages: 8, turnMs: 1, looks: 1 })
      yield* tools.ring
      yield* untilTrue(() => tools.mutes.length === 2)
      const polls = tools.polls()
      assert.isAtMost(polls, 10)
      yield* turns(50)
      assert.strictEqual(tools.polls(), polls)
    })
  )

  reactorTest("mutes the bell while it polls by itself, and never sleeps with the bell muted", (tools) =>
    Effect.gen(function* () {
      for (let i = 1; i <= 10; i++) {
        tools.play({ messages: 8, turnMs: 1, looks: 1 })
        yield* tools.ring
        yield* untilTrue(() => tools.mutes.length === 2 * i)
      }
      assert.deepStrictEqual(
        tools.mutes,
        Array.from({ length: 20 }, (_, i) => i % 2 === 0)
      )
    })
  )

  reactorTest("never pauses for datagrams that come one by one", (tools) =>
    Effect.gen(function* () {
      tools.play({ messages: 0, turnMs: 0.05, looks: 0 })
      for (let i = 1; i <= 50; i++) {
        const before = tools.received()
        yield* tools.ring
        yield* untilTrue(() => tools.received() > before)
      }
      assert.deepStrictEqual(tools.pauses, [])
    })
  )

  reactorTest("pauses where so much comes that it pays, never longer than a fifth of a millisecond", (tools) =>
    Effect.gen(function* () {
      tools.play({ messages: 2, turnMs: 0.1, looks: 1_000 })
      yield* tools.ring
      yield* untilTrue(() => tools.isPlayed() && tools.mutes.length === 2)
      assert.isAbove(tools.pauses.length, 0)
      assert.isAtMost(Math.max(...tools.pauses), LONGEST_PAUSE_MS)
      // The last turns, in which nothing comes, are no reason to pause for long.
      assert.isBelow(tools.pauses.length, 1_000)
    })
  )

  reactorTest("does not pause while more is waiting than one turn takes", (tools) =>
    Effect.gen(function* () {
      tools.play({ messages: 64, turnMs: 0.1, looks: 200 })
      yield* tools.ring
      yield* untilTrue(() => tools.isPlayed())
      assert.deepStrictEqual(tools.pauses, [])
    })
  )

  it.live("polls no more once it is closed, in the middle of its turns too", () =>
    Effect.gen(function* () {
      let polls = (): number => 0
      yield* withReactor(libc!, (tools) =>
        Effect.gen(function* () {
          polls = tools.polls
          tools.play({ messages: 1, turnMs: 0.1, looks: 100_000 })
          yield* tools.ring
          yield* untilTrue(() => tools.mutes.length === 1)
        })
      )
      const pollsAtClose = polls()
      yield* turns(20)
      assert.strictEqual(polls(), pollsAtClose)
    })
  )
})

describe.runIf(libc !== undefined)("datagrams that come at any moment", () => {
  it.live("are all answered, also those that come while the server falls asleep", () =>
    Effect.gen(function* () {
      const transport = yield* DatagramTransport
      const socket = yield* transport.bind(LOOPBACK, {
        onBatch: (batch, count) => {
          for (let i = 0; i < count; i++) {
            const { payload, length } = batch[i]!
            const room = socket.reserve()
            for (let at = 0; at < length; at++) room[at] = payload[at]!
            socket.send(length, batch[i]!)
          }
        },
        onError: () => {},
        onUnsent: () => {}
      })
      const data: GapClientData = { port: socket.local.port, count: 20_000, sockets: 3, seed: 53 }
      const answered = yield* Effect.acquireUseRelease(
        Effect.sync(
          () => new Worker(new URL("../../support/clients/gap-client.ts", import.meta.url), { workerData: data })
        ),
        (thread) =>
          Effect.callback<number>((resume) => {
            thread.once("message", (count: number) => resume(Effect.succeed(count)))
          }),
        (thread) => Effect.promise(() => thread.terminate())
      )
      assert.strictEqual(answered, 20_000)
    }).pipe(Effect.scoped, Effect.provide(Batched.layer))
  )
})
