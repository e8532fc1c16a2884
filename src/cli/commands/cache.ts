/** `strand cache`, as it is written. */
import { Effect } from "effect"
import { Argument, Command } from "effect/cli"
import { adminFlags, maybeArgument, toggle, typeArgument } from "./flags.ts"
import { strand } from "./root.ts"

export const cache = Command.make(
  "cache",
  {
    name: maybeArgument(Argument.String("name").pipe(Argument.withDescription("what is kept for this name"))),
    type: typeArgument,
    isForgetting: toggle("forget", "forget it, in all threads, and on servers that share it by Redis"),
    isSubtree: toggle("subtree", "with --forget: names below it too"),
    isAll: toggle("all", "with --forget and no name: everything"),
    ...adminFlags
  },
  (options) =>
    Effect.gen(function* () {
      const { file } = yield* strand
      const { cache: run } = yield* Effect.promise(() => import("../admin/cache.ts"))
      yield* run({ ...options, file })
    })
).pipe(
  Command.withShortDescription("see what is kept, and forget it"),
  Command.withDescription("How full the cache is; with a name, what is kept for it: records, TTLs, age."),
  Command.withExamples([
    { command: "strand cache", description: "how full it is" },
    { command: "strand cache example.com AAAA", description: "what is kept for a name" },
    { command: "strand cache example.com --forget --subtree", description: "forget the name and all below it" },
    { command: "strand cache --forget --all", description: "forget everything" }
  ])
)
