/** The server as users run it: a process. */
import { type ChildProcess, spawn, spawnSync } from "node:child_process"
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
  /** A file that it sees in the place of /etc/resolv.conf; only where `mayMount`. */
  readonly resolvConf?: string
  /** A folder that is a disk of its own, of so many KiB; only where `mayMount`. */
  readonly disk?: { readonly folder: string; readonly kib: number }
  /** Runs this in the place of `dist/main.js`. */
  readonly program?: string
}

/** Whether a process may have mounts of its own here. */
export const mayMount = process.platform === "linux" && spawnSync("unshare", ["-m", "true"]).status === 0

/** What starts node with them. */
const commandFor = ({ descriptors, resolvConf, disk }: StartOptions): readonly [string, ReadonlyArray<string>] => {
  const steps = [
    ...(descriptors === undefined ? [] : [`ulimit -n ${descriptors}`]),
    ...(resolvConf === undefined ? [] : [`mount --bind ${resolvConf} /etc/resolv.conf`]),
    ...(disk === undefined ? [] : [`mount -t tmpfs -o size=${disk.kib}k tmpfs ${disk.folder}`])
  ]
  if (steps.length === 0) return [process.execPath, []]
  const shell = ["sh", "-c", `${steps.join(" && ")} && exec "$0" "$@"`, process.execPath]
  return resolvConf === undefined && disk === undefined ? [shell[0]!, shell.slice(1)] : ["unshare", ["-m", ...shell]]
}

/** One thread unless a test asks for more: those of each processor that a machine has would take long to start. */
const defaults: Record<string, string> = {
  DNS_SERVER_LOG_FORMAT: "json",
  DNS_SERVER_WORKERS: "1",
  DNS_SERVER_ADMIN: "off",
  ...datagramsOfRun
}

/** Runs the server, or another program, with these arguments and little else in its environment; it is killed when the scope closes. */
export const start = (
  environment: Record<string, string>,
  args: ReadonlyArray<string> = [],
  options: StartOptions = {}
) =>
  Effect.acquireRelease(
    Effect.sync(() => {
      let output = ""
      const [command, before] = commandFor(options)
      const child = spawn(command, [...before, options.program ?? "dist/main.js", ...args], {
        env: { PATH: process.env["PATH"], ...defaults, ...environment },
        stdio: ["pipe", options.stdout ?? "pipe", "pipe"]
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
