import { spawn } from "node:child_process"
import { cpSync, mkdirSync, mkdtempSync, readdirSync, rmSync, symlinkSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { libc } from "../../src/io/linux/libc.ts"
import { freePort } from "../support/machine/ports.ts"
import { startListening } from "../support/servers/process.ts"
import { datagramsOfRun } from "../support/servers/server.ts"
import { pathOf, textOf } from "./files.ts"

interface Surroundings {
  readonly environment?: Record<string, string>
  readonly cwd?: string
}

/** How a program of Node's ends. */
const exitOf = (args: ReadonlyArray<string>, { environment, cwd }: Surroundings = {}): Effect.Effect<number | null> =>
  Effect.callback((resume) => {
    const env = { PATH: process.env["PATH"], ...environment }
    const child = spawn(process.execPath, args, { stdio: "ignore", env, cwd })
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

const emptyFolder = Effect.acquireRelease(
  Effect.sync(() => mkdtempSync(join(tmpdir(), "strand-test-"))),
  (path) => Effect.sync(() => rmSync(path, { recursive: true }))
)

/** What the first stage is given before it builds. */
const givenToBuild = (): ReadonlyArray<string> => {
  const [before = ""] = textOf("deploy/Dockerfile").split("RUN npm run build")
  return [...before.matchAll(/^COPY (?!--from)(.*) \S+$/gm)].flatMap(([, sources]) => sources!.split(" "))
}

describe("the image's build", () => {
  const isPortable = datagramsOfRun["DNS_SERVER_DATAGRAMS"] === "portable"

  it.live.skipIf(libc === undefined || isPortable)(
    "needs no other files than it is given, and koffi alone to run; it keeps the compiled code of a start",
    () =>
      Effect.gen(function* () {
        const cwd = yield* emptyFolder
        const modules = join(cwd, "node_modules")
        for (const path of givenToBuild()) cpSync(pathOf(path), join(cwd, path), { recursive: true })
        symlinkSync(pathOf("node_modules"), modules)
        // What is missing is missed by the bundle, too: the types need not be checked once more.
        const types = ["node_modules/typescript/bin/tsc", "--build", "src", "--noCheck"]
        assert.strictEqual(yield* exitOf(types, { cwd }), 0)
        assert.strictEqual(yield* exitOf(["src/bundle.mjs"], { cwd }), 0)

        rmSync(modules)
        mkdirSync(modules)
        for (const name of ["koffi", "@koromix"]) symlinkSync(pathOf(`node_modules/${name}`), join(modules, name))
        const args = [pathOf("deploy/warm.mjs"), "dist/main.js", pathOf("deploy/strand/strand.yaml")]
        const environment = { DNS_SERVER_ADMIN: `127.0.0.1:${yield* freePort}` }
        assert.strictEqual(yield* exitOf([...args, `127.0.0.1:${yield* freePort}`], { cwd, environment }), 0)
        const kept = readdirSync(join(cwd, "dist/.compiled")).join()
        for (const part of ["program", "process-worker-worker", "admin", "redis-tier", "traces", "file"]) {
          assert.include(kept, part)
        }
      }).pipe(Effect.scoped)
  )
})
