/** `strand upstreams`, as it is written. */
import { Effect } from "effect"
import { Argument, Command } from "effect/cli"
import { adminFlags } from "./flags.ts"
import { strand } from "./root.ts"

const load = Effect.promise(() => import("../admin/upstreams.ts"))

const id = Argument.String("id").pipe(
  Argument.withDescription("as strand upstreams lists it: its name, or its address")
)

const drain = Command.make("drain", { id, ...adminFlags }, (options) =>
  Effect.gen(function* () {
    const { file } = yield* strand
    yield* (yield* load).setDrained(true, { ...options, file })
  })
).pipe(
  Command.withShortDescription("ask one no more while others can be asked"),
  Command.withDescription(
    "Takes an upstream out of use: what is under way there ends as it would, nothing new begins."
  ),
  Command.withExamples([{ command: "strand upstreams drain quad9", description: "before it is worked on" }])
)

const enable = Command.make("enable", { id, ...adminFlags }, (options) =>
  Effect.gen(function* () {
    const { file } = yield* strand
    yield* (yield* load).setDrained(false, { ...options, file })
  })
).pipe(
  Command.withShortDescription("ask one again that was drained"),
  Command.withDescription("Puts an upstream that was drained back into use."),
  Command.withExamples([{ command: "strand upstreams enable quad9" }])
)

const probe = Command.make("probe", { id, ...adminFlags }, (options) =>
  Effect.gen(function* () {
    const { file } = yield* strand
    yield* (yield* load).probe({ ...options, file })
  })
).pipe(
  Command.withShortDescription("ask one a question now"),
  Command.withDescription("Has the server ask an upstream a question now. Ends with 1 where it does not answer."),
  Command.withExamples([{ command: "strand upstreams probe quad9" }])
)

export const upstreams = Command.make("upstreams", adminFlags, (options) =>
  Effect.gen(function* () {
    const { file } = yield* strand
    yield* (yield* load).listUpstreams({ ...options, file })
  })
).pipe(
  Command.withShortDescription("see how upstreams do; drain, enable, probe one"),
  Command.withDescription("State, share of the traffic, failures and latency of each upstream."),
  Command.withExamples([
    { command: "strand upstreams", description: "all of them" },
    { command: "strand upstreams drain quad9", description: "take one out of use" },
    { command: "strand upstreams --json | jq '.[] | select(.state != \"closed\")'", description: "those that fail" }
  ]),
  Command.withSubcommands([{ group: "With one of them", commands: [drain, enable, probe] }])
)
