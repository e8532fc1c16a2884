/**
 * Whoever has started the server, where the server is to end with it: npm, and a terminal.
 *
 * npm hands on SIGINT and SIGTERM; when it is killed, or hung up on with its terminal, the server would go on alone.
 */
import { closeSync, constants, openSync, readFileSync } from "node:fs"
import { isatty } from "node:tty"
import { Effect } from "effect"

/** Between two looks at whether npm is still there. */
const LOOK_MS = 250

/** Ends the server as SIGTERM does. */
export const endGracefully = Effect.sync(() => {
  process.emit("SIGTERM", "SIGTERM")
})

/** The parent of a process and its program's name, as /proc says them (proc_pid_stat(5)); undefined where it does not. */
const processOf = (pid: number): { readonly name: string; readonly parent: number } | undefined => {
  try {
    const [, name = "", parent] = /^\d+ \((.*)\) \S (\d+)/s.exec(readFileSync(`/proc/${pid}/stat`, "utf8")) ?? []
    return { name, parent: Number(parent) }
  } catch {
    return undefined
  }
}

/** The parent, and its parent where a shell stands between npm and the server. */
const ancestors = (): ReadonlyArray<number> => {
  const parent = processOf(process.ppid)
  return parent !== undefined && /^(ba|da|a|z|k)?sh$|^busybox$/.test(parent.name)
    ? [process.ppid, parent.parent]
    : [process.ppid]
}

const first = String(ancestors())

/** Ends the server when npm, which started it, is no longer there; does nothing where somebody else did. */
export const endWithNpm: Effect.Effect<void> =
  process.env["npm_lifecycle_event"] === undefined
    ? Effect.void
    : Effect.gen(function* () {
        while (String(ancestors()) === first) yield* Effect.sleep(LOOK_MS)
        yield* Effect.logInfo("npm, which started the server, is gone")
        yield* endGracefully
      })

const canOpenTerminal = (): boolean => {
  try {
    closeSync(openSync("/dev/tty", constants.O_RDWR | constants.O_NOCTTY))
    return true
  } catch {
    return false
  }
}

/** Under nohup(1) none of the three is a terminal. */
const hadTerminal = [0, 1, 2].some((fd) => isatty(fd)) && canOpenTerminal()

/** Whether the terminal that the server was started at has been closed: SIGHUP tells of that too. */
export const isTerminalGone = (): boolean => hadTerminal && !canOpenTerminal()
