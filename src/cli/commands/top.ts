/** `strand top`, as it is written. */
import { Effect } from "effect"
import { Command } from "effect/cli"
import { adminFlags, toggle } from "./flags.ts"
import { strand } from "./root.ts"

export const top = Command.make(
  "top",
  { ...adminFlags, isOnce: toggle("once", "print it once, as where the output is no terminal") },
  (options) =>
    Effect.gen(function* () {
      const { file } = yield* strand
      const { top: run } = yield* Effect.promise(() => import("../top/top.ts"))
      yield* run({ ...options, file })
    })
).pipe(
  Command.withShortDescription("watch the running server"),
  Command.withDescription(
    "Queries a second, hit ratio, percentiles, failures, upstreams, and who asks most for what, each second anew. q or Ctrl-C ends it."
  ),
  Command.withExamples([
    { command: "strand top", description: "the server on this machine" },
    { command: "strand top --admin https://dns1.example.net:8053 --token-file token", description: "another one" },
    { command: "strand top --once --json | jq .status.rates.lastMinute", description: "once, for a script" }
  ])
)
