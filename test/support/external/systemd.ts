/**
 * What a service manager does to its services, done by a few lines of Python: it reads a datagram socket of the Unix
 * kind, and runs a program with sockets that it has bound.
 */
import { type ChildProcess, spawn } from "node:child_process"
import { Effect, type Scope } from "effect"
import { until } from "../machine/until.ts"
import { findTool } from "./tools.ts"

export const python = findTool("python3")

/** Prints each datagram as a line of JSON. */
const READER = `
import json, socket, sys
name = sys.argv[1]
reader = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
reader.bind("\\0" + name[1:] if name.startswith("@") else name)
print(json.dumps("bound"), flush=True)
while True:
    print(json.dumps(reader.recv(65536).decode()), flush=True)
`

/**
 * Binds each "kind address port", says at which port, waits for a line and becomes the program, with the sockets as
 * its descriptors from 3 on: blocking ones, as a service manager leaves them.
 */
const STARTER = `
import fcntl, os, socket, sys
kinds = {"udp": socket.SOCK_DGRAM, "tcp": socket.SOCK_STREAM, "unix": None}
split = sys.argv.index("--")

def bind_all():
    bound = []
    port = 0
    for word in sys.argv[1:split]:
        kind, address = word.split("=")
        if kind == "unix":
            one = socket.socketpair()[0]
        else:
            is_dual = kind.startswith("dual-")
            kind = kind.removeprefix("dual-")
            one = socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET, kinds[kind])
            if ":" in address:
                one.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0 if is_dual else 1)
            one.bind((address, port))
            port = one.getsockname()[1]
            if kind == "tcp":
                one.listen()
        bound.append(one)
    return bound, port

# The port that is drawn for the first may be taken for the next.
for draws in range(50):
    try:
        bound, port = bind_all()
        break
    except OSError:
        pass
print(port, flush=True)
sys.stdin.readline()
spare = [fcntl.fcntl(one.fileno(), fcntl.F_DUPFD, 100) for one in bound]
for number, fd in enumerate(spare):
    os.dup2(fd, 3 + number)
    os.close(fd)
os.environ["LISTEN_FDS"] = str(len(bound))
os.environ["LISTEN_PID"] = str(os.getpid())
command = [word.replace("{port}", str(port)) for word in sys.argv[split + 1:]]
for name in list(os.environ):
    os.environ[name] = os.environ[name].replace("{port}", str(port))
os.execv(command[0], command)
`

const run = (
  args: ReadonlyArray<string>,
  environment: Record<string, string>
): Effect.Effect<ChildProcess, never, Scope.Scope> =>
  Effect.acquireRelease(
    Effect.sync(() =>
      spawn(python!, args, {
        env: { PATH: process.env["PATH"], ...environment },
        stdio: ["pipe", "pipe", "pipe"]
      })
    ),
    (child) =>
      Effect.callback<void>((resume) => {
        if (child.exitCode !== null || child.signalCode !== null) return resume(Effect.void)
        child.once("exit", () => resume(Effect.void))
        child.kill("SIGKILL")
      })
  )

/** The lines of a stream, as they come. */
const linesOf = (stream: NodeJS.ReadableStream | null, lines: Array<string>): void => {
  let rest = ""
  stream?.on("data", (chunk: Buffer) => {
    const parts = (rest + chunk.toString()).split("\n")
    rest = parts.pop()!
    lines.push(...parts)
  })
}

export interface NotifySocket {
  /** What came, in its order. */
  readonly received: () => ReadonlyArray<string>
  readonly signal: (signal: NodeJS.Signals) => void
}

/** Reads at a path, or at `@name`, until the scope closes. */
export const notifySocket = (name: string): Effect.Effect<NotifySocket, never, Scope.Scope> =>
  Effect.gen(function* () {
    const lines: Array<string> = []
    const child = yield* run(["-u", "-c", READER, name], {})
    linesOf(child.stdout, lines)
    yield* until("the socket is there", () => lines.length > 0)
    return {
      received: () => lines.slice(1).map((line): string => JSON.parse(line)),
      signal: (signal) => void child.kill(signal)
    }
  })

export interface HandedOverProgram {
  readonly child: ChildProcess
  /** The port of all sockets. */
  readonly port: number
  /** Runs the program: until then clients wait in the sockets. */
  readonly begin: Effect.Effect<void>
  readonly output: () => string
}

/**
 * The server with sockets that are bound before it runs.
 *
 * @param sockets `udp=127.0.0.1`, `tcp=127.0.0.1`, `dual-udp=::`, `unix=`: the port is one for all that have one
 * @param environment `{port}` in it is that port
 */
export const startHandedOver = (
  sockets: ReadonlyArray<string>,
  environment: Record<string, string>,
  argsOfServer: ReadonlyArray<string> = []
): Effect.Effect<HandedOverProgram, never, Scope.Scope> =>
  Effect.gen(function* () {
    const lines: Array<string> = []
    const args = ["-u", "-c", STARTER, ...sockets, "--", process.execPath, "dist/main.js", ...argsOfServer]
    const child = yield* run(args, environment)
    linesOf(child.stdout, lines)
    linesOf(child.stderr, lines)
    yield* until("the sockets are bound", () => lines.length > 0)
    if (!/^\d+$/.test(lines[0]!)) return yield* Effect.die(new Error(lines.join("\n")))
    return {
      child,
      port: Number(lines[0]),
      begin: Effect.sync(() => void child.stdin!.write("go\n")),
      output: () => lines.slice(1).join("\n")
    }
  })
