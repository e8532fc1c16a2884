/** All commands, as one. */
import { Effect } from "effect"
import { Command } from "effect/cli"
import { CommandFailed } from "../failure.ts"
import { cache } from "./cache.ts"
import { config } from "./config.ts"
import { explain } from "./explain.ts"
import { query } from "./query.ts"
import { strand } from "./root.ts"
import { check, checkBy, type Serve, serveCommand } from "./serve.ts"
import { top } from "./top.ts"
import { trace } from "./trace.ts"
import { upstreams } from "./upstreams.ts"

/** @param serve what runs the server */
export const commandsWith = (serve: Serve) =>
  strand.pipe(
    Command.withHandler(
      Effect.fnUntraced(function* ({ file, isCheck, against }) {
        if (isCheck) return yield* checkBy(file, against)
        if (against !== undefined) return yield* new CommandFailed({ message: "--against needs check before it" })
        yield* serve(file)
      })
    ),
    Command.withDescription("A caching, forwarding DNS server. Without a command it serves."),
    Command.withExamples([
      { command: "strand                              # serve, by what the environment says" },
      { command: "strand --config strand.yaml         # serve, by a file" },
      { command: "strand check --config strand.yaml   # what that comes to, or what is wrong in it" },
      { command: "strand config example               # print a file of all settings, with limits and defaults" },
      { command: "strand config schema                # print the JSON Schema of the file, for editors" },
      { command: "strand query example.com AAAA       # ask the running server" },
      { command: "strand top                          # watch it" },
      { command: "strand trace --slower-than 200      # what was slow" },
      { command: "strand explain example.com          # what happens to a name, and why" }
    ]),
    Command.withSubcommands([
      { group: "The server", commands: [serveCommand(serve), check] },
      { group: "Asking it", commands: [query, explain] },
      { group: "Seeing and changing it while it runs", commands: [top, trace, cache, upstreams, config] }
    ])
  )
