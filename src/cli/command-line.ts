/**
 * The command line but for the plain way of serving, which `serving.ts` reads: parsing, help, completions and mistakes
 * by Effect's CLI. Each command is loaded when it is asked for.
 */
import * as NodeServices from "@effect/platform-node/NodeServices"
import { Effect, Layer } from "effect"
import { CliConfig, CliError, CliOutput, Command, GlobalFlag } from "effect/cli"
import { runToEnd } from "../process/start/run-to-end.ts"
import { version } from "../runtime/version.ts"
import { commandsWith } from "./commands/all.ts"
import type { Serve } from "./commands/serve.ts"
import { presenter } from "./presenter.ts"
import type { Serving } from "./serving.ts"

/** As shells have it for SIGINT. */
const INTERRUPTED = 130

/** @param serve what becomes of a command that turns out to be the server's */
export const commandLine = (args: ReadonlyArray<string>, serve: Serve) =>
  Command.runWith(commandsWith(serve), { version })(args).pipe(
    Effect.provide(
      Layer.mergeAll(
        NodeServices.layer,
        CliOutput.layerPresenter(presenter),
        CliConfig.layer({ builtIns: [GlobalFlag.Help, GlobalFlag.Version, GlobalFlag.Completions] })
      )
    ),
    // Help that was shown for want of a command is no failure.
    Effect.catchIf(isHelp, () => Effect.void)
  )

/**
 * Runs it until the process ends. Help and mistakes of the command line have been said by the presenter.
 *
 * @param startServer begun when all of this is over: the server is a program of its own, with a runtime of its own
 */
export const runCommandLine = (args: ReadonlyArray<string>, startServer: (serving: Serving) => Promise<void>): void => {
  let serving: Serving | undefined
  const serve: Serve = (file) =>
    Effect.sync(() => {
      serving = { file }
    })
  runToEnd(commandLine(args, serve), {
    isSaid: CliError.isCliError,
    interruptedStatus: INTERRUPTED,
    next: () => (serving === undefined ? undefined : startServer(serving))
  })
}

const isHelp = (error: unknown): boolean =>
  CliError.isCliError(error) && error._tag === "ShowHelp" && error.errors.length === 0
