import { createSocket, Socket } from "node:dgram"
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { vi } from "vitest"
import { Descriptors } from "../../../src/io/linux/descriptors.ts"
import { libc } from "../../../src/io/linux/libc.ts"
import { Arguments, openDatagramSocket } from "../../../src/io/linux/socket.ts"
import { Wakeup } from "../../../src/io/linux/wakeup.ts"
import { turns } from "../../support/machine/until.ts"

const LOOPBACK = { address: "127.0.0.1", port: 0 }
const RINGS = 20

/** A wakeup with one socket. */
const opened = Effect.gen(function* () {
  const library = libc!
  const args = new Arguments(library)
  const fd = yield* Effect.acquireRelease(Effect.orDie(openDatagramSocket(library, args, LOOPBACK, false)), (socket) =>
    Effect.sync(() => library.close(socket))
  )
  const { port } = args.localEndpoint(fd)
  const sender = yield* Effect.acquireRelease(
    Effect.sync(() => createSocket("udp4")),
    (socket) => Effect.sync(() => socket.close())
  )
  const octets = new ArrayBuffer(16)
  let read = 0
  let woken = 0
  let onRead = (): void => {}
  const onReady = (): void => {
    woken++
    if (wakeup.poll() === 0) return
    assert.strictEqual(wakeup.ready[0], fd)
    while (library.recv(fd, library.addressOf(octets), 16, 0) > 0) read++
    onRead()
  }
  const wakeup = new Wakeup(library, new Descriptors(undefined), onReady)
  yield* Effect.addFinalizer(() => Effect.sync(() => wakeup.close()))
  wakeup.add(fd)
  const emitted = vi.spyOn(Socket.prototype, "emit")
  yield* Effect.addFinalizer(() => Effect.sync(() => emitted.mockRestore()))
  return {
    wakeup,
    woken: () => woken,
    /** Errors that Node has reported of its socket. */
    errors: () => emitted.mock.calls.filter(([event]) => event === "error").length,
    ring: Effect.callback<void>((resume) => sender.send("!", port, "127.0.0.1", () => resume(Effect.void))),
    untilRead: (count: number) =>
      Effect.callback<void>((resume) => {
        onRead = () => {
          if (read >= count) resume(Effect.void)
        }
        onRead()
      })
  }
})

describe.runIf(libc !== undefined)("a wakeup", () => {
  it.live("comes for each datagram, without an error that Node has made of it", () =>
    Effect.gen(function* () {
      const { errors, ring, untilRead, woken } = yield* opened
      for (let i = 1; i <= RINGS; i++) {
        yield* ring
        yield* untilRead(i)
      }
      assert.strictEqual(woken(), RINGS)
      assert.strictEqual(errors(), 0)
    })
  )

  it.live("does not come while it is muted, and comes then for what came meanwhile", () =>
    Effect.gen(function* () {
      const { ring, untilRead, wakeup, woken } = yield* opened
      for (let i = 1; i <= RINGS; i++) {
        wakeup.mute()
        yield* ring
        yield* turns(10)
        assert.strictEqual(woken(), i - 1)
        wakeup.unmute()
        yield* untilRead(i)
      }
    })
  )

  it.live("comes as an error where Node keeps its handles elsewhere, and cannot be muted", () =>
    Effect.gen(function* () {
      const hidden = vi.spyOn(Object, "getOwnPropertySymbols").mockReturnValue([])
      yield* Effect.addFinalizer(() => Effect.sync(() => hidden.mockRestore()))
      const { errors, ring, untilRead, wakeup } = yield* opened
      for (let i = 1; i <= RINGS; i++) {
        wakeup.mute()
        yield* ring
        yield* untilRead(i)
        wakeup.unmute()
      }
      assert.isAtLeast(errors(), RINGS)
    })
  )
})
