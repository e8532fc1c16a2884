/** Real DNS servers as child processes, each in a directory of its own, for as long as a scope lives. */
import { type ChildProcess, spawn } from "node:child_process"
import { mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { Effect, Option, type Scope } from "effect"
import { untilSo } from "../machine/until.ts"
import { askUdp, encodeQuestion } from "../servers/server.ts"

export interface Program {
  readonly command: string
  /** `{directory}` stands for the program's own. */
  readonly args: ReadonlyArray<string>
  /** By name, in its directory; `{directory}` in them likewise. */
  readonly files: Readonly<Record<string, string>>
}

const start = ({ command, args, files }: Program): { readonly child: ChildProcess; readonly directory: string } => {
  const directory = mkdtempSync(join(tmpdir(), "strand-test-"))
  for (const [name, text] of Object.entries(files)) {
    writeFileSync(join(directory, name), text.replaceAll("{directory}", directory), "latin1")
  }
  const child = spawn(
    command,
    args.map((arg) => arg.replaceAll("{directory}", directory)),
    { stdio: "ignore" }
  )
  return { child, directory }
}

/** Runs the program until the scope closes. */
export const runProgram = (program: Program): Effect.Effect<void, never, Scope.Scope> =>
  Effect.acquireRelease(
    Effect.sync(() => start(program)),
    ({ child, directory }) =>
      Effect.callback<void>((resume) => {
        const end = (): void => {
          rmSync(directory, { recursive: true, force: true })
          resume(Effect.void)
        }
        if (child.exitCode !== null) return end()
        child.on("exit", end)
        child.kill("SIGTERM")
      })
  ).pipe(Effect.asVoid)

/** Waits until a server answers on this port, whatever it says. */
export const awaitAnswers = (port: number, name: string): Effect.Effect<void> =>
  untilSo(
    `an answer on port ${port}`,
    askUdp(port, encodeQuestion({ name }, 1)).pipe(Effect.timeoutOption(100), Effect.map(Option.isSome))
  )
