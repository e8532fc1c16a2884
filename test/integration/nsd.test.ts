import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { askDig, dig } from "../support/clients/dig.ts"
import { nsd, startNsd } from "../support/external/nsd.ts"
import { startServer } from "../support/servers/server.ts"

const zone = `$ORIGIN example.test.
$TTL 3600
@ IN SOA ns1 host 1 3600 600 86400 300
@ IN NS ns1
ns1 IN A 127.0.0.1
www IN A 192.0.2.1
www IN A 192.0.2.2
www IN AAAA 2001:db8::1
alias IN CNAME www
chain IN CNAME alias
mail IN MX 10 www
text IN TXT "short" "texts"
long IN TXT ${Array.from({ length: 12 }, (_, i) => `"${String(i % 10).repeat(250)}"`).join(" ")}
_sip._tcp IN SRV 1 2 5060 www
service IN HTTPS 1 . alpn=h2
odd IN TYPE65280 \\# 4 0a000001
*.wild IN A 192.0.2.9
empty.non.terminal IN A 192.0.2.3
`

/** Status, flags and the answer's lines without TTLs, sorted. */
const essence = (output: string): unknown => ({
  status: /status: (\w+)/.exec(output)?.[1],
  truncated: /;; flags:[^;]*\btc\b/.test(output),
  answer: output
    .split("\n")
    .filter((line) => line !== "" && !line.startsWith(";"))
    .map((line) =>
      line
        .replace(/\s+\d+\s+/, " ")
        .replace(/\s+/g, " ")
        .toLowerCase()
    )
    .filter((line) => !line.includes(" in soa ") && !line.includes(" in ns "))
    .sort()
})

const questions: ReadonlyArray<ReadonlyArray<string>> = [
  ["www", "A"],
  ["www", "AAAA"],
  ["www", "MX"],
  ["alias", "A"],
  ["chain", "AAAA"],
  ["chain", "CNAME"],
  ["mail", "MX"],
  ["text", "TXT"],
  ["long", "TXT"],
  ["_sip._tcp", "SRV"],
  ["service", "HTTPS"],
  ["odd", "TYPE65280"],
  ["a.b.wild", "A"],
  ["non.terminal", "A"],
  ["missing", "A"],
  ["www", "TYPE1000"]
]

describe.skipIf(nsd === undefined || dig === undefined)("in front of NSD, asked by dig", () => {
  it.live("gives what NSD gives, for every type, over UDP and TCP, asked and asked again", () =>
    Effect.gen(function* () {
      const authority = yield* startNsd({ "example.test": zone })
      const server = yield* startServer({ DNS_SERVER_UPSTREAMS: `127.0.0.1:${authority}` })
      for (const [label, type] of questions) {
        for (const transport of ["+notcp", "+tcp"]) {
          const args = [`${label}.example.test`, type!, transport, "+noauthority", "+noadditional", "+bufsize=1232"]
          const expected = essence(yield* askDig(authority, args))
          assert.deepStrictEqual(essence(yield* askDig(server.port, args)), expected, `${args.join(" ")}, first`)
          assert.deepStrictEqual(essence(yield* askDig(server.port, args)), expected, `${args.join(" ")}, cached`)
        }
      }
    })
  )
})
