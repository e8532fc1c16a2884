import { spawn } from "node:child_process"
import { mkdtempSync, readdirSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { libc } from "../../src/io/linux/libc.ts"
import { freePort } from "../support/machine/ports.ts"
import { startListening } from "../support/servers/process.ts"
import { datagramsOfRun } from "../support/servers/server.ts"
import { pathOf } from "./files.ts"

/** How a program ends. */
const exitOf = (args: ReadonlyArray<string>, environment: Record<string, string> = {}): Effect.Effect<number | null> =>
  Effect.callback((resume) => {
    const child = spawn(process.execPath, args, { stdio: "ignore", env: { PATH: process.env["PATH"], ...environment } })
    child.once("exit", (code) => resume(Effect.succeed(code)))
    return Effect.sync(() => child.kill("SIGKILL"))
  })

const healthOf = (address: string): Effect.Effect<number | null> => exitOf([pathOf("deploy/healthcheck.mjs"), address])

describe("the image's health check", () => {
  it.live("is well with a server that answers, without any upstream", () =>
    Effect.gen(function* () {
      const server = yield* startListening({ DNS_SERVER_UPSTREAMS: "192.0.2.53" })
      assert.strictEqual(yield* healthOf(`127.0.0.1:${server.port}`), 0)
    }).pipe(Effect.scoped)
  )

  it.live("is well with one that refuses the question", () =>
    Effect.gen(function* () {
      const server = yield* startListening({ DNS_SERVER_UPSTREAMS: "192.0.2.53", DNS_SERVER_ALLOW: "192.0.2.0/24" })
      assert.strictEqual(yield* healthOf(`127.0.0.1:${server.port}`), 0)
    }).pipe(Effect.scoped)
  )

  it.live("is not where nobody answers", () =>
    Effect.gen(function* () {
      const port = yield* freePort
      assert.strictEqual(yield* healthOf(`127.0.0.1:${port}`), 1)
      assert.strictEqual(yield* healthOf(`[::1]:${port}`), 1)
    })
  )
})

describe("the image's build", () => {
  const isPortable = datagramsOfRun["DNS_SERVER_DATAGRAMS"] === "portable"

  it.live.skipIf(libc === undefined || isPortable)("keeps the compiled code of a start", () =>
    Effect.gen(function* () {
      const folder = yield* Effect.acquireRelease(
        Effect.sync(() => mkdtempSync(join(tmpdir(), "strand-test-"))),
        (path) => Effect.sync(() => rmSync(path, { recursive: true }))
      )
      const args = ["deploy/warm.mjs", "dist/main.js", "deploy/strand/strand.yaml"].map(pathOf)
      const code = yield* exitOf([...args, `127.0.0.1:${yield* freePort}`], {
        NODE_COMPILE_CACHE: folder,
        DNS_SERVER_ADMIN: "off"
      })
      assert.strictEqual(code, 0)
      const kept = readdirSync(folder).flatMap((name) => readdirSync(join(folder, name)))
      assert.isAbove(kept.length, 20)
    }).pipe(Effect.scoped)
  )
})
