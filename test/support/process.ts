/** The server as users run it: a process. */
import { type ChildProcess, spawn } from "node:child_process"
import { readFileSync } from "node:fs"
import { Effect } from "effect"
import { datagramsOfRun } from "./server.ts"

export interface Started {
  readonly child: ChildProcess
  /** UDP and TCP. */
  readonly port: number
  readonly exit: Promise<number | null>
  readonly output: () => string
}

export interface StartOptions {
  /** A descriptor that is its standard output; by default it is read, and is in `output`. */
  readonly stdout?: number
  /** How many descriptors it may have open. */
  readonly descriptors?: number
}

/** Runs `dist/main.js` with these arguments and nothing else in its environment; it is killed when the scope closes. */
export const start = (
  environment: Record<string, string>,
  args: ReadonlyArray<string> = [],
  { descriptors, stdout }: StartOptions = {}
) =>
  Effect.acquireRelease(
    Effect.sync(() => {
      let output = ""
      const [command, before] =
        descriptors === undefined
          ? [process.execPath, []]
          : ["sh", ["-c", `ulimit -n ${descriptors} && exec "$0" "$@"`, process.execPath]]
      const child = spawn(command, [...before, "dist/main.js", ...args], {
        env: { PATH: process.env["PATH"], DNS_SERVER_LOG_FORMAT: "json", ...datagramsOfRun, ...environment },
        stdio: ["pipe", stdout ?? "pipe", "pipe"]
      })
      const exit = new Promise<number | null>((resolve) => child.on("exit", resolve))
      const collect = (chunk: Buffer): void => {
        output += chunk.toString()
      }
      child.stdout?.on("data", collect)
      child.stderr?.on("data", collect)
      return { child, exit, output: () => output }
    }),
    ({ child, exit }) =>
      Effect.promise(() => {
        child.kill("SIGKILL")
        return exit
      })
  )

/** The server as a process, once it says where it listens; dies where it ends before. */
export const startListening = (
  environment: Record<string, string>,
  args: ReadonlyArray<string> = [],
  options: StartOptions = {}
) =>
  Effect.gen(function* () {
    const started = yield* start({ DNS_SERVER_LISTEN: "127.0.0.1:0", ...environment }, args, options)
    while (!hasEnded(started.child)) {
      const port = /udp:\/\/127\.0\.0\.1:(\d+)/.exec(started.output())?.[1]
      if (port !== undefined) return { ...started, port: Number(port) } satisfies Started
      yield* Effect.sleep(50)
    }
    return yield* Effect.die(new Error(`the server did not start: ${started.output()}`))
  })

const hasEnded = ({ exitCode, signalCode }: ChildProcess): boolean => exitCode !== null || signalCode !== null

/** Mebibytes of memory that the process has in use, as the kernel counts them; 0 where it does not say. */
export const residentMib = (pid: number): number => {
  const status = (() => {
    try {
      return readFileSync(`/proc/${pid}/status`, "utf8")
    } catch {
      return ""
    }
  })()
  return Number(/VmRSS:\s+(\d+) kB/.exec(status)?.[1] ?? 0) / 1024
}
