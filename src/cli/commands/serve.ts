/** `strand serve`, `strand check`: what runs by a configuration, and what looks at one. */
import { Effect } from "effect"
import { Command } from "effect/cli"
import { against, strand } from "./root.ts"

/** What becomes of the command to serve by a file: nothing here loads the server. */
export type Serve = (file: string | undefined) => Effect.Effect<void>

export const serveCommand = (serve: Serve) =>
  Command.make("serve", {}, () => Effect.flatMap(strand, ({ file }) => serve(file))).pipe(
    Command.withShortDescription("run the server; what strand alone does"),
    Command.withDescription(
      "Runs the server. Without a file and an environment it forwards to the system's resolvers, from 127.0.0.1:1053."
    ),
    Command.withExamples([
      { command: "strand serve", description: "by what the environment says" },
      { command: "strand serve --config strand.yaml", description: "by a file: what is saved in it holds at once" },
      { command: "DNS_SERVER_UPSTREAMS=9.9.9.9 strand serve", description: "with another upstream" }
    ])
  )

export const checkBy = (file: string | undefined, old: string | undefined) =>
  Effect.flatMap(
    Effect.promise(() => import("../check.ts")),
    ({ check, compare }) => (old === undefined ? check(file) : compare(file, old))
  )

export const check = Command.make("check", { against }, (options) =>
  Effect.flatMap(strand, ({ file }) => checkBy(file, options.against))
).pipe(
  Command.withShortDescription("validate the configuration and print it"),
  Command.withDescription(
    "Reads the configuration as a start would and prints each setting with its source, or all mistakes with their places. Nothing listens, nothing is asked."
  ),
  Command.withExamples([
    { command: "strand check --config strand.yaml", description: "every setting, and where it comes from" },
    {
      command: "strand check --config new.yaml --against strand.yaml",
      description: "what a change of the file would change"
    }
  ])
)
