/**
 * Programs that the benchmark starts: each lives as long as its scope, so that nothing is left behind, whether the run
 * ends, fails or is interrupted.
 *
 * Their output goes straight to a file: a pipe would make this process work while another is being measured.
 */
import { type ChildProcess, spawn } from "node:child_process"
import { closeSync, openSync, readFileSync } from "node:fs"
import { join } from "node:path"
import { Effect, type Scope } from "effect"
import { BenchProblem } from "./problem.ts"

export interface Command {
  readonly program: string
  readonly args: ReadonlyArray<string>
  /** Added to the PATH, which is all that is inherited. */
  readonly env?: Readonly<Record<string, string>>
}

export interface RunningProcess {
  readonly pid: number
  /** Where its standard output and error go. */
  readonly log: string
  readonly signal: (signal: NodeJS.Signals) => Effect.Effect<void>
  /** Waits for its end: the exit code, or null where a signal ended it. */
  readonly exitCode: Effect.Effect<number | null>
}

/** How long a program may take to end after SIGTERM. */
const PATIENCE_MS = 5_000
let started = 0

/** Starts a program in `directory`; it is stopped, and its end waited for, when the scope closes. */
export const start = (
  command: Command,
  directory: string
): Effect.Effect<RunningProcess, BenchProblem, Scope.Scope> => {
  const log = join(directory, `${++started}.log`)
  return Effect.map(Effect.acquireRelease(spawned(command, directory, log), stop), (child) => ({
    pid: child.pid!,
    log,
    signal: (signal) => Effect.sync(() => child.kill(signal)),
    exitCode: ended(child)
  }))
}

/** Runs a program to its end and gives what it printed; it is stopped when it takes longer than `limitMs`. */
export const output = (command: Command, directory: string, limitMs: number): Effect.Effect<string, BenchProblem> =>
  Effect.scoped(
    Effect.gen(function* () {
      const running = yield* start(command, directory)
      const code = yield* Effect.timeoutOrElse(running.exitCode, {
        duration: limitMs,
        orElse: () => Effect.fail(new BenchProblem({ message: `${command.program} took more than ${limitMs} ms` }))
      })
      const text = readFileSync(running.log, "latin1")
      if (code === 0) return text
      return yield* new BenchProblem({ message: `${command.program} ended with ${code}: ${text.slice(-500).trim()}` })
    })
  )

/** In a process group of its own, so that Ctrl-C reaches it by way of the scope only, and its children can be ended. */
const spawned = (command: Command, directory: string, log: string): Effect.Effect<ChildProcess, BenchProblem> =>
  Effect.callback((resume) => {
    const file = openSync(log, "w")
    const child = spawn(command.program, command.args, {
      cwd: directory,
      env: { PATH: process.env["PATH"], ...command.env },
      stdio: ["ignore", file, file],
      detached: true
    })
    closeSync(file)
    child.once("spawn", () => resume(Effect.succeed(child)))
    child.once("error", (cause) => resume(Effect.fail(new BenchProblem({ message: cause.message }))))
  })

const ended = (child: ChildProcess): Effect.Effect<number | null> =>
  Effect.callback((resume) => {
    if (child.exitCode !== null || child.signalCode !== null) return resume(Effect.succeed(child.exitCode))
    const onExit = (code: number | null) => resume(Effect.succeed(code))
    child.once("exit", onExit)
    return Effect.sync(() => child.off("exit", onExit))
  })

const stop = (child: ChildProcess): Effect.Effect<void> =>
  Effect.suspend(() => {
    child.kill("SIGTERM")
    return Effect.timeoutOrElse(ended(child), {
      duration: PATIENCE_MS,
      orElse: () => {
        endGroup(child.pid!)
        return ended(child)
      }
    })
  })

const endGroup = (pid: number): void => {
  try {
    process.kill(-pid, "SIGKILL")
  } catch {
    // Its last process has just ended.
  }
}
