/**
 * The server ends with the npm and with the terminal that started it.
 *
 * npm passes on SIGINT and SIGTERM; when it is killed, or ends with its terminal, the server would go on alone.
 */
import { closeSync, constants, openSync } from "node:fs"
import { isatty } from "node:tty"
import { Effect } from "effect"
import { readSystemFile } from "../../io/linux/system-file.ts"

/** Between two looks at whether npm is still there. */
const LOOK_MS = 250

/** Ends the server as SIGTERM does. */
export const endGracefully = Effect.sync(() => {
  process.emit("SIGTERM", "SIGTERM")
})

/** The parent of a process and its program's name (proc_pid_stat(5)); undefined where they are not known. */
const processOf = (pid: number): { readonly name: string; readonly parent: number } | undefined => {
  const [, name, parent] = /^\d+ \((.*)\) \S (\d+)/s.exec(readSystemFile(`/proc/${pid}/stat`) ?? "") ?? []
  return name === undefined ? undefined : { name, parent: Number(parent) }
}

/** The parent, and its parent where a shell stands between npm and the server. */
const ancestors = (): ReadonlyArray<number> => {
  const parent = processOf(process.ppid)
  return parent !== undefined && /^(ba|da|a|z|k)?sh$|^busybox$/.test(parent.name)
    ? [process.ppid, parent.parent]
    : [process.ppid]
}

const first = String(ancestors())

/** Ends the server when the npm that started it is gone; does nothing where npm did not start it. */
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
