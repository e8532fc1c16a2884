import { createSocket, Socket } from "node:dgram"
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { vi } from "vitest"
import { Descriptors } from "../../../src/io/linux/descriptors.ts"
import { libc } from "../../../src/io/linux/libc.ts"
import { Arguments, openDatagramSocket } from "../../../src/io/linux/socket.ts"
import { Wakeup } from "../../../src/io/linux/wakeup.ts"

const LOOPBACK = { address: "127.0.0.1", port: 0 }
const RINGS = 20

/** Wakes it as often as `RINGS` says; returns how many errors Node has reported of it. */
const rung = Effect.gen(function* () {
  const library = libc!
  const args = new Arguments(library)
  const fd = yield* Effect.acquireRelease(Effect.orDie(openDatagramSocket(library, args, LOOPBACK, false)), (opened) =>
    Effect.sync(() => library.close(opened))
  )
  const { port } = args.localEndpoint(fd)
  const sender = yield* Effect.acquireRelease(
    Effect.sync(() => createSocket("udp4")),
    (socket) => Effect.sync(() => socket.close())
  )
  const octets = new ArrayBuffer(16)
  let read = 0
  let onRead = (): void => {}
  const onReady = (): void => {
    assert.strictEqual(wakeup.poll(), 1)
    assert.strictEqual(wakeup.ready[0], fd)
    while (library.recv(fd, library.addressOf(octets), 16, 0) > 0) read++
    onRead()
  }
  const wakeup = new Wakeup(library, new Descriptors(undefined), onReady)
  yield* Effect.addFinalizer(() => Effect.sync(() => wakeup.close()))
  wakeup.add(fd)
  const emitted = vi.spyOn(Socket.prototype, "emit")
  yield* Effect.addFinalizer(() => Effect.sync(() => emitted.mockRestore()))
  for (let i = 1; i <= RINGS; i++) {
    yield* Effect.callback<void>((resume) => {
      onRead = () => {
        if (read >= i) resume(Effect.void)
      }
      sender.send("!", port, "127.0.0.1")
    })
  }
  return emitted.mock.calls.filter(([event]) => event === "error").length
})

describe.runIf(libc !== undefined)("a wakeup", () => {
  it.live("comes for each datagram, without an error that Node has made of it", () =>
    Effect.gen(function* () {
      assert.strictEqual(yield* rung, 0)
    })
  )

  it.live("comes as an error where Node keeps its handles elsewhere", () =>
    Effect.gen(function* () {
      const hidden = vi.spyOn(Object, "getOwnPropertySymbols").mockReturnValue([])
      yield* Effect.addFinalizer(() => Effect.sync(() => hidden.mockRestore()))
      assert.isAtLeast(yield* rung, RINGS)
    })
  )
})
