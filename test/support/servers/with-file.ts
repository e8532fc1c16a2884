/** The server as a process, with a file that it follows. */
import { mkdtempSync, renameSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { Effect } from "effect"
import { startListening } from "./process.ts"

const directory = Effect.acquireRelease(
  Effect.sync(() => mkdtempSync(join(tmpdir(), "strand-reload-"))),
  (path) => Effect.sync(() => rmSync(path, { recursive: true }))
)

/** The server with a file that is followed; `change` writes it anew and gives what is logged then. */
export const withFile = (workers: string, upstream: string, first: string) =>
  Effect.gen(function* () {
    const file = join(yield* directory, "strand.yaml")
    const others = { upstreams: upstream, listen: "127.0.0.1:0", workers }
    /** With what else there has to be behind it. */
    const write = (text: string): void => {
      const more = Object.entries(others).filter(([name]) => !text.includes(`${name}: `) || name === "upstreams")
      writeFileSync(`${file}.new`, text + more.map(([name, value]) => `${name}: ${value}\n`).join(""))
      renameSync(`${file}.new`, file)
    }
    write(first)
    const unset = { DNS_SERVER_LISTEN: "", DNS_SERVER_WORKERS: "" }
    const server = yield* startListening(unset, ["--config", file])
    const logged = (before: number, isDone: RegExp): Effect.Effect<string> =>
      Effect.gen(function* () {
        while (!isDone.test(server.output().slice(before))) yield* Effect.sleep(20)
        return server.output().slice(before)
      })
    const change = (text: string, isDone = /configuration read again.*\n/): Effect.Effect<string> =>
      Effect.suspend(() => {
        const before = server.output().length
        write(text)
        return logged(before, isDone)
      })
    const hangUp = Effect.suspend(() => {
      const before = server.output().length
      server.child.kill("SIGHUP")
      return logged(before, /configuration read again.*\n/)
    })
    return { ...server, write, change, hangUp }
  })
