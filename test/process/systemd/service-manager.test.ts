import { randomUUID } from "node:crypto"
import { mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { assert, describe, it } from "@effect/vitest"
import { Effect, Fiber, type Scope } from "effect"
import { libc } from "../../../src/io/linux/libc.ts"
import { sendUnixDatagram, unixAddress } from "../../../src/io/linux/unix-datagram.ts"
import { serviceManager } from "../../../src/process/systemd/service-manager.ts"
import { notifySocket, python } from "../../support/external/systemd.ts"
import { until } from "../../support/machine/until.ts"

/** Names of sockets, in the file system and beside it. */
const names: Readonly<Record<string, Effect.Effect<string, never, Scope.Scope>>> = {
  "a path": Effect.acquireRelease(
    Effect.sync(() => mkdtempSync(join(tmpdir(), "strand-test-"))),
    (folder) => Effect.sync(() => rmSync(folder, { recursive: true }))
  ).pipe(Effect.map((folder) => join(folder, "notify"))),
  "an abstract name": Effect.sync(() => `@strand-test-${randomUUID()}`)
}

const cannotTell = libc === undefined || python === undefined

describe("the service manager", () => {
  for (const [what, named] of Object.entries(names)) {
    it.live.skipIf(cannotTell)(`is told at ${what}, a datagram a message`, () =>
      Effect.gen(function* () {
        const name = yield* named
        const socket = yield* notifySocket(name)
        const manager = serviceManager(libc, { NOTIFY_SOCKET: name })
        const beforeUs = process.hrtime.bigint() / 1000n
        yield* manager.ready("answers at udp://127.0.0.1:53\n  by 2 workers")
        yield* manager.reloading
        yield* manager.alive
        yield* manager.stopping
        yield* until("four messages", () => socket.received().length === 4)
        const [ready, reloading, alive, stopping] = socket.received()
        assert.strictEqual(ready, "READY=1\nSTATUS=answers at udp://127.0.0.1:53 by 2 workers")
        const [, time] = /^RELOADING=1\nMONOTONIC_USEC=(\d+)$/.exec(reloading!)!
        assert.isTrue(BigInt(time!) >= beforeUs && BigInt(time!) <= process.hrtime.bigint() / 1000n)
        assert.strictEqual(alive, "WATCHDOG=1")
        assert.match(stopping!, /^STOPPING=1\n/)
      }).pipe(Effect.scoped)
    )
  }

  it.live.skipIf(cannotTell)("is told again what it had no room for", () =>
    Effect.gen(function* () {
      const name = yield* names["an abstract name"]!
      const socket = yield* notifySocket(name)
      socket.signal("SIGSTOP")
      while (sendUnixDatagram(libc!, name, "WATCHDOG=1") === "sent") {}
      assert.strictEqual(sendUnixDatagram(libc!, name, "WATCHDOG=1"), "full")
      const telling = yield* Effect.forkChild(serviceManager(libc, { NOTIFY_SOCKET: name }).ready("now"))
      yield* Effect.yieldNow
      socket.signal("SIGCONT")
      yield* Fiber.join(telling)
      yield* until("the message", () => socket.received().at(-1) === "READY=1\nSTATUS=now")
    }).pipe(Effect.scoped)
  )

  it.effect("that is not there is told nothing, and nothing fails", () =>
    Effect.gen(function* () {
      for (const socket of [undefined, "", "vsock:2:9", "/nowhere/at/all", `@${"x".repeat(200)}`]) {
        const manager = serviceManager(libc, { NOTIFY_SOCKET: socket })
        yield* manager.ready("")
        yield* manager.stopping
        assert.deepStrictEqual(manager.warnings, [])
      }
    })
  )

  it.effect("that waits for a word which nobody can send is warned of", () =>
    Effect.gen(function* () {
      const manager = serviceManager(undefined, { NOTIFY_SOCKET: "/run/systemd/notify" })
      yield* manager.ready("")
      assert.match(manager.warnings[0]!, /koffi/)
    })
  )

  it("asks for a sign of life from the process that it names, or from any", () => {
    const within = (environment: Record<string, string>): number | undefined =>
      serviceManager(libc, environment, 42).watchdogMs
    assert.strictEqual(within({ WATCHDOG_USEC: "30000000" }), 30_000)
    assert.strictEqual(within({ WATCHDOG_USEC: "30000000", WATCHDOG_PID: "42" }), 30_000)
    assert.isUndefined(within({ WATCHDOG_USEC: "30000000", WATCHDOG_PID: "43" }))
    assert.isUndefined(within({}))
    for (const wrong of ["", "0", "-1", "1e9", "soon"]) assert.isUndefined(within({ WATCHDOG_USEC: wrong }))
  })
})

describe("the address of a socket of the Unix kind", () => {
  it("ends with a zero where it is a path, and begins with one where it is a name", () => {
    assert.deepStrictEqual([...unixAddress("/run/n")!], [1, 0, 47, 114, 117, 110, 47, 110, 0])
    assert.deepStrictEqual([...unixAddress("@n")!], [1, 0, 0, 110])
  })

  it("has 108 octets at most, the zero included", () => {
    assert.strictEqual(unixAddress(`/${"x".repeat(106)}`)!.length, 110)
    assert.isUndefined(unixAddress(`/${"x".repeat(107)}`))
    assert.strictEqual(unixAddress(`@${"x".repeat(107)}`)!.length, 110)
    assert.isUndefined(unixAddress(`@${"x".repeat(108)}`))
    assert.isUndefined(unixAddress(""))
  })
})
