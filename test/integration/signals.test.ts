import { spawn } from "node:child_process"
import { readFileSync } from "node:fs"
import { assert, describe, it } from "@effect/vitest"
import { Effect, type Scope } from "effect"
import { findTool } from "../support/external/tools.ts"
import { startListening } from "../support/servers/process.ts"
import { addressesOf, ask } from "../support/servers/server.ts"
import { address, fakeUpstream } from "../support/upstreams/fake-upstream.ts"

describe("signals", () => {
  for (const workers of ["1", "2"]) {
    it.live(`SIGUSR1 and SIGUSR2 do nothing, SIGQUIT ends the server as SIGTERM does (${workers} workers)`, () =>
      Effect.gen(function* () {
        const upstream = yield* fakeUpstream(address("192.0.2.1"))
        const server = yield* startListening({ DNS_SERVER_UPSTREAMS: upstream.address, DNS_SERVER_WORKERS: workers })
        server.child.kill("SIGUSR1")
        server.child.kill("SIGUSR2")
        server.child.kill("SIGPIPE")
        server.child.kill("SIGHUP")
        while (!server.output().includes("configuration read again")) yield* Effect.sleep(20)
        assert.deepStrictEqual(addressesOf(yield* ask(server.port, { name: "www.example.test" })), ["192.0.2.1"])
        server.child.kill("SIGQUIT")
        assert.strictEqual(yield* Effect.promise(() => server.exit), 0)
        assert.include(server.output(), "shutting down")
        assert.notInclude(server.output(), "Debugger")
      })
    )
  }
})

const npm = findTool("npm")
const script = findTool("script")

interface Spawned {
  readonly output: () => string
  readonly kill: (signal: NodeJS.Signals) => void
  /** The process of the server itself. */
  readonly server: number
}

/** Starts the server by another program; all of its processes are killed when the scope closes. */
const startBy = (program: string, args: ReadonlyArray<string>): Effect.Effect<Spawned, never, Scope.Scope> =>
  Effect.gen(function* () {
    const upstream = yield* fakeUpstream(address("192.0.2.1"))
    let output = ""
    const child = yield* Effect.acquireRelease(
      Effect.sync(() =>
        spawn(program, args, {
          detached: true,
          env: {
            PATH: process.env["PATH"],
            HOME: process.env["HOME"],
            DNS_SERVER_LISTEN: "127.0.0.1:0",
            DNS_SERVER_UPSTREAMS: upstream.address,
            DNS_SERVER_LOG_FORMAT: "json"
          }
        })
      ),
      ({ pid }) =>
        Effect.sync(() => {
          for (const left of [pid!, ...descendantsOf(pid!)]) killIfThere(left)
          if (server !== undefined) killIfThere(server)
        })
    )
    let server: number | undefined
    child.stdout.on("data", (chunk) => {
      output += chunk
    })
    child.stderr.on("data", (chunk) => {
      output += chunk
    })
    while (!output.includes(" answers")) yield* Effect.sleep(50)
    server = descendantsOf(child.pid!).at(-1)!
    return { output: () => output, kill: (signal) => child.kill(signal), server }
  })

const killIfThere = (pid: number): void => {
  try {
    process.kill(pid, "SIGKILL")
  } catch {
    // It has ended.
  }
}

/** The deepest last. */
const descendantsOf = (pid: number): ReadonlyArray<number> => {
  const children = (() => {
    try {
      return readFileSync(`/proc/${pid}/task/${pid}/children`, "utf8").trim().split(" ").filter(Boolean).map(Number)
    } catch {
      return []
    }
  })()
  return [...children, ...children.flatMap(descendantsOf)]
}

const isRunning = (pid: number): boolean => {
  try {
    return !/^\d+ \(.*\) [ZX]/s.test(readFileSync(`/proc/${pid}/stat`, "utf8"))
  } catch {
    return false
  }
}

const awaitEnd = (pid: number): Effect.Effect<void> =>
  Effect.gen(function* () {
    while (isRunning(pid)) yield* Effect.sleep(20)
  })

const hasProc = process.platform === "linux"

describe.skipIf(npm === undefined || !hasProc)("the server that npm started", () => {
  for (const signal of ["SIGTERM", "SIGINT", "SIGHUP", "SIGKILL"] as const) {
    it.live(`ends in order when npm gets ${signal}`, () =>
      Effect.gen(function* () {
        const started = yield* startBy(npm!, ["start"])
        started.kill(signal)
        yield* awaitEnd(started.server)
        while (!started.output().includes("shutting down")) yield* Effect.sleep(20)
      })
    )
  }
})

describe.skipIf(script === undefined || !hasProc)("the server that was started at a terminal", () => {
  it.live("ends when the terminal is closed", () =>
    Effect.gen(function* () {
      const started = yield* startBy(script!, ["-qfec", `exec ${process.execPath} dist/main.js`, "/dev/null"])
      started.kill("SIGKILL")
      yield* awaitEnd(started.server)
    })
  )
})
