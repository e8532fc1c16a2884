/** `strand trace`, as it is written. */
import { Effect } from "effect"
import { Argument, Command, Flag } from "effect/cli"
import { queryOutcomes } from "../../telemetry/query-outcome.ts"
import { adminFlags, maybe, maybeArgument, text, toggle } from "./flags.ts"
import { strand } from "./root.ts"

export const trace = Command.make(
  "trace",
  {
    id: maybeArgument(Argument.String("id").pipe(Argument.withDescription("draws this one"))),
    isAll: toggle("all", "the last queries, not only those that failed, were slow, stale or shed"),
    filters: {
      name: text("name", "TEXT", "part of the name"),
      suffix: text("suffix", "NAME", "the name, or names below it"),
      client: text("client", "ADDRESS", "an address, a network such as 10.0.0.0/8, or what the client calls itself"),
      type: text("type", "TYPE", "such as AAAA"),
      rcode: text("rcode", "RCODE", "such as SERVFAIL"),
      outcome: maybe(Flag.Literals("outcome", queryOutcomes).pipe(Flag.withDescription("what came of it"))),
      upstream: text("upstream", "TEXT", "part of the name of an upstream that was asked"),
      slower_than_ms: maybe(
        Flag.Finite("slower-than").pipe(Flag.withMetavar("MS"), Flag.withDescription("took longer than so many ms"))
      )
    },
    limit: maybe(
      Flag.Int("limit").pipe(Flag.withAlias("n"), Flag.withMetavar("N"), Flag.withDescription("so many at most"))
    ),
    ...adminFlags
  },
  (options) =>
    Effect.gen(function* () {
      const { file } = yield* strand
      const { trace: run } = yield* Effect.promise(() => import("../admin/trace.ts"))
      yield* run({ ...options, file })
    })
).pipe(
  Command.withShortDescription("find queries, and see where the time of one went"),
  Command.withDescription(
    "Lists the queries that failed, were slow, stale or shed; with an id, draws the way of one: cache, waiting, each attempt at an upstream."
  ),
  Command.withExamples([
    { command: "strand trace --suffix example.com --slower-than 200", description: "what was slow below a name" },
    { command: "strand trace --all --client 10.0.0.7 -n 20", description: "the last 20 queries of a client" },
    { command: "strand trace 1f3a", description: "one of them as a waterfall" }
  ])
)
