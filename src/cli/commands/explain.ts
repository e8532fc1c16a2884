/** `strand explain`, as it is written. */
import { Effect } from "effect"
import { Command } from "effect/cli"
import { adminFlags, nameArgument, text, toggle, typeArgument } from "./flags.ts"
import { strand } from "./root.ts"

export const explain = Command.make(
  "explain",
  {
    name: nameArgument,
    type: typeArgument,
    client: text("client", "ADDRESS", "the client that asks (default: 127.0.0.1)"),
    clientName: text("client-name", "NAME", "what the client calls itself, by TLS or HTTPS"),
    isAsking: toggle("ask", "ask the upstreams too, and show what each attempt came to"),
    ...adminFlags
  },
  (options) =>
    Effect.gen(function* () {
      const { file } = yield* strand
      const { explain: run } = yield* Effect.promise(() => import("../admin/explain.ts"))
      yield* run({ ...options, file })
    })
).pipe(
  Command.withShortDescription("see what happens to a question, and why"),
  Command.withDescription(
    "What the server does with a name and type from a client, step by step: who may ask, rules, local answers, the cache, the upstreams in their order. Nothing is asked without --ask."
  ),
  Command.withExamples([
    { command: "strand explain printer.corp.example", description: "which rule holds, and who would be asked" },
    { command: "strand explain example.com AAAA --client 10.0.0.7 --ask", description: "from a client, and asked" }
  ])
)
