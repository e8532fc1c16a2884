/** The command line in this process: what it prints, and how it ends. */
import { Console, Effect, Exit } from "effect"
import { CliError } from "effect/cli"
import { commandLine } from "../../../src/cli/command-line.ts"

export interface Ran {
  readonly out: string
  /** What is said on standard error; a failure's own words too, as the process says them. */
  readonly error: string
  readonly status: number
  /** The files by which a server would have been started. */
  readonly served: ReadonlyArray<string | undefined>
}

export const runCommand = (...args: ReadonlyArray<string>): Effect.Effect<Ran> =>
  Effect.gen(function* () {
    const out: Array<string> = []
    const error: Array<string> = []
    const served: Array<string | undefined> = []
    const console: Console.Console = {
      ...globalThis.console,
      log: (text: string) => out.push(text),
      error: (text: string) => error.push(text)
    }
    const serve = (file: string | undefined) => Effect.asVoid(Effect.sync(() => served.push(file)))
    const exit = yield* commandLine(args, serve).pipe(
      Effect.tapError((failure) =>
        CliError.isCliError(failure) ? Effect.void : Effect.sync(() => error.push(failure.message))
      ),
      Effect.provideService(Console.Console, console),
      Effect.exit
    )
    return { out: out.join("\n"), error: error.join("\n"), status: Exit.isSuccess(exit) ? 0 : 1, served }
  })
