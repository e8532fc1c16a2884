/** `strand top` at a terminal: the program that was built. */
import { type ChildProcess, spawn } from "node:child_process"
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { findTool } from "../support/external/tools.ts"
import { until } from "../support/machine/until.ts"
import { fakeAdmin, type Routes } from "../support/servers/fake-admin.ts"
import { status, top, upstream } from "../support/servers/fake-status.ts"

const script = findTool("script")

/** A terminal of its own, with the program in it; what is written to it is typed. */
const atTerminal = (command: string) =>
  Effect.acquireRelease(
    Effect.sync(() => {
      let output = ""
      const child: ChildProcess = spawn(script!, ["-qfec", command, "/dev/null"], {
        env: { PATH: process.env["PATH"], TERM: "xterm" },
        stdio: ["pipe", "pipe", "inherit"]
      })
      child.stdout!.on("data", (chunk: Buffer) => {
        output += chunk.toString()
      })
      const exit = new Promise<number | null>((resolve) => child.on("exit", resolve))
      return { type: (text: string) => child.stdin!.write(text), output: () => output, exit, child }
    }),
    ({ child, exit }) =>
      Effect.promise(() => {
        child.kill("SIGKILL")
        return exit
      })
  )

const [ENTER, LEAVE] = ["\x1b[?1049h", "\x1b[?1049l"]

describe.skipIf(script === undefined || process.platform !== "linux")("strand top at a terminal", () => {
  for (const [name, key] of [
    ["q", "q"],
    ["Ctrl-C", "\x03"]
  ] as const) {
    it.live(`draws each second anew, and gives the screen back at ${name}`, () =>
      Effect.gen(function* () {
        let asked = 0
        const routes: Routes = {
          "GET /api/v1/status": () => ({ body: { ...status, generation: ++asked } }),
          "GET /api/v1/upstreams": { body: [upstream] },
          "GET /api/v1/top": { body: top("www.example.test") }
        }
        const admin = yield* fakeAdmin(routes)
        const terminal = yield* atTerminal(`exec ${process.execPath} dist/main.js top --admin ${admin.url}`)
        yield* until("it has drawn twice", () => /generation [3-9]/.test(terminal.output()))
        const screen = terminal.output()
        assert.include(screen, ENTER)
        assert.include(screen, "www.example.test")
        assert.notInclude(screen, LEAVE)
        terminal.type(key)
        assert.strictEqual(yield* Effect.promise(() => terminal.exit), 0)
        assert.isTrue(terminal.output().trimEnd().endsWith(LEAVE))
      })
    )
  }

  it.live("says that the server is gone, and goes on when it is back", () =>
    Effect.gen(function* () {
      let isGone = false
      const body = { message: "about to end" }
      const admin = yield* fakeAdmin({
        "GET /api/v1/status": () => (isGone ? { status: 429, body } : { body: status }),
        "GET /api/v1/upstreams": { body: [upstream] },
        "GET /api/v1/top": { body: top("www.example.test") }
      })
      const terminal = yield* atTerminal(`exec ${process.execPath} dist/main.js top --admin ${admin.url}`)
      yield* until("it has drawn", () => terminal.output().includes("www.example.test"))
      isGone = true
      yield* until("it says so", () => terminal.output().includes("answers 429: about to end"))
      isGone = false
      const before = terminal.output().length
      yield* until("it draws again", () => terminal.output().slice(before).includes("www.example.test"))
    })
  )
})
