/** `strand query`, as it is written. */
import { Effect } from "effect"
import { Command, Flag } from "effect/cli"
import { json, nameArgument, text, toggle, typeArgument } from "./flags.ts"
import { strand } from "./root.ts"

/** Longer than a server tries. */
const TIMEOUT_SECONDS = 6

export const query = Command.make(
  "query",
  {
    name: nameArgument,
    type: typeArgument,
    via: text(
      "via",
      "SERVER",
      "whom to ask: 9.9.9.9, udp://…, tcp://…, tls://host#name, https://host/path; by default the server that the configuration describes"
    ),
    isDnssec: toggle("dnssec", "ask for signatures (DO)"),
    subnet: text("subnet", "NETWORK", "ask for the answer for this network (EDNS Client Subnet): 192.0.2.0/24"),
    timeoutSeconds: Flag.Finite("timeout").pipe(
      Flag.withMetavar("SECONDS"),
      Flag.withDescription(`how long to wait for an answer (default: ${TIMEOUT_SECONDS})`),
      Flag.filter(
        (seconds) => seconds > 0 && seconds <= 3_600,
        () => "seconds, above 0 and at most 3600"
      ),
      Flag.withDefault(TIMEOUT_SECONDS)
    ),
    isShort: toggle("short", "print the data of the answer only, one line each"),
    isJson: json
  },
  (options) =>
    Effect.gen(function* () {
      const { file } = yield* strand
      const { query: run } = yield* Effect.promise(() => import("../query/query.ts"))
      yield* run({ ...options, file })
    })
).pipe(
  Command.withShortDescription("ask a question, and see all of the answer"),
  Command.withDescription(
    "Asks the running server, or any other, one question: status, flags, Extended DNS Errors, records with their TTLs, time and size. An address in place of a name asks for its name (PTR). Ends with 0 where an answer came, whatever its status."
  ),
  Command.withExamples([
    { command: "strand query example.com", description: "the running server" },
    { command: "strand query example.com MX --via tls://9.9.9.9#dns.quad9.net", description: "another one, by TLS" },
    {
      command: "strand query example.com --via https://dns.google/dns-query --dnssec",
      description: "by HTTPS, signed"
    },
    { command: "strand query 192.0.2.1 --short", description: "the name of an address, for a script" }
  ])
)
