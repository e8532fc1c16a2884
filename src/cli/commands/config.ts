/** `strand config`, as it is written. */
import { Console, Effect } from "effect"
import { Argument, Command, Flag } from "effect/cli"
import { adminFlags, maybe, maybeArgument, toggle } from "./flags.ts"
import { strand } from "./root.ts"

const load = Effect.promise(() => import("../admin/config.ts"))

const ifGeneration = maybe(
  Flag.Int("if-generation").pipe(
    Flag.withMetavar("N"),
    Flag.withDescription("change nothing where the configuration is of another generation")
  )
)

const isDryRun = toggle("dry-run", "say what would change, and change nothing")

const show = Command.make(
  "show",
  {
    names: Argument.String("setting").pipe(Argument.withDescription("these only; all by default"), Argument.variadic()),
    isChangedOnly: toggle("changed", "those only that are not what they are by default"),
    ...adminFlags
  },
  (options) =>
    Effect.gen(function* () {
      const { file } = yield* strand
      yield* (yield* load).showConfig({ ...options, file })
    })
).pipe(
  Command.withShortDescription("print the settings that the server runs by"),
  Command.withDescription(
    "Each setting of the running server with its value and where that was set. Secrets are hidden."
  ),
  Command.withExamples([
    { command: "strand config show --changed", description: "what was set" },
    { command: "strand config show upstreams retries" }
  ])
)

const set = Command.make(
  "set",
  {
    assignments: Argument.String("NAME=VALUE").pipe(
      Argument.withDescription("settings by their names in the file; lists with commas"),
      Argument.variadic({ min: 1 })
    ),
    isDryRun,
    ifGeneration,
    ...adminFlags
  },
  (options) =>
    Effect.gen(function* () {
      const { file } = yield* strand
      yield* (yield* load).setConfig({ ...options, file })
    })
).pipe(
  Command.withShortDescription("change settings while the server runs"),
  Command.withDescription(
    "Changes settings of the running server: all of them or, with a mistake in one, none. No query is lost. It lasts until the server ends; strand config save writes it into the file."
  ),
  Command.withExamples([
    { command: "strand config set retries=3 --dry-run", description: "what would change" },
    { command: "strand config set upstreams=9.9.9.9,149.112.112.112 cache_size_mb=128", description: "two at once" }
  ])
)

const unset = Command.make(
  "unset",
  {
    names: Argument.String("setting").pipe(Argument.variadic({ min: 1 })),
    isDryRun,
    ifGeneration,
    ...adminFlags
  },
  (options) =>
    Effect.gen(function* () {
      const { file } = yield* strand
      yield* (yield* load).unsetConfig({ ...options, file })
    })
).pipe(
  Command.withShortDescription("give settings back to the file, the environment or their defaults"),
  Command.withDescription("Takes back what strand config set has set."),
  Command.withExamples([{ command: "strand config unset retries" }])
)

const history = Command.make("history", adminFlags, (options) =>
  Effect.gen(function* () {
    const { file } = yield* strand
    yield* (yield* load).showHistory({ ...options, file })
  })
).pipe(
  Command.withShortDescription("print the last changes"),
  Command.withDescription("The last changes of the running server's configuration: what, when, by whom."),
  Command.withExamples([{ command: "strand config history" }])
)

const rollback = Command.make(
  "rollback",
  {
    generation: maybeArgument(
      Argument.Int("generation").pipe(Argument.withDescription("back to this one; by default one step back"))
    ),
    ifGeneration,
    ...adminFlags
  },
  (options) =>
    Effect.gen(function* () {
      const { file } = yield* strand
      yield* (yield* load).rollBack({ ...options, file })
    })
).pipe(
  Command.withShortDescription("undo the last change, or all since a generation"),
  Command.withDescription(
    "Goes back to the configuration before the last change, from there to the one before that, or to that of a generation."
  ),
  Command.withExamples([
    { command: "strand config rollback", description: "undo the last change" },
    { command: "strand config rollback 3", description: "back to generation 3" }
  ])
)

const save = Command.make("save", adminFlags, (options) =>
  Effect.gen(function* () {
    const { file } = yield* strand
    yield* (yield* load).saveConfig({ ...options, file })
  })
).pipe(
  Command.withShortDescription("write what was changed into the file"),
  Command.withDescription("Writes what was changed while the server runs into its file. Comments and order stay."),
  Command.withExamples([{ command: "strand config save" }])
)

const reload = Command.make("reload", { isDryRun, ...adminFlags }, (options) =>
  Effect.gen(function* () {
    const { file } = yield* strand
    yield* (yield* load).reloadConfig({ ...options, file })
  })
).pipe(
  Command.withShortDescription("read file and environment again"),
  Command.withDescription(
    "Has the server read its file and its environment again, as SIGHUP does, and says what that changed."
  ),
  Command.withExamples([
    { command: "strand config reload --dry-run", description: "what it would change" },
    { command: "strand config reload" }
  ])
)

/** Loaded by those who ask for it: a server describes nothing. */
const example = Command.make("example", {}, () =>
  Effect.flatMap(
    Effect.promise(() => import("../../config/describe/example.ts")),
    (described) => Console.log(described.example())
  )
).pipe(
  Command.withShortDescription("print a file of all settings"),
  Command.withDescription("Prints a file of all settings, commented out, with their meanings, limits and defaults."),
  Command.withExamples([{ command: "strand config example > strand.yaml" }])
)

const schema = Command.make("schema", {}, () =>
  Effect.flatMap(
    Effect.promise(() => import("../../config/describe/json-schema.ts")),
    ({ jsonSchema }) => Console.log(JSON.stringify(jsonSchema(), null, 2))
  )
).pipe(
  Command.withShortDescription("print the JSON Schema of the file"),
  Command.withDescription(
    "Prints the JSON Schema of the configuration's file, by which editors complete and check it."
  ),
  Command.withExamples([{ command: "strand config schema > strand.schema.json" }])
)

export const config = Command.make("config").pipe(
  Command.withShortDescription("see and change the configuration while the server runs"),
  Command.withDescription("The configuration of the running server, and what describes it."),
  Command.withExamples([
    { command: "strand config show --changed", description: "what was set, and where" },
    { command: "strand config set retries=3 --dry-run", description: "what a change would do" },
    { command: "strand config example", description: "a file to begin with" }
  ]),
  Command.withSubcommands([
    { group: "The running server's", commands: [show, set, unset, history, rollback, save, reload] },
    { group: "To write one", commands: [example, schema] }
  ])
)
