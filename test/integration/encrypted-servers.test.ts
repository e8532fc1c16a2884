import { assert, describe, it } from "@effect/vitest"
import type { DecodedPacket, Question } from "dns-packet"
import { Effect } from "effect"
import {
  type EncryptedServer,
  servers,
  startEncrypted,
  unboundHasHttps
} from "../support/external/encrypted-servers.ts"
import { nsd, startNsd } from "../support/external/nsd.ts"
import { fileWith } from "../support/machine/files.ts"
import { type RunningServer, rcodeOf, startServer } from "../support/servers/server.ts"
import { authority } from "../support/wire/certificates.ts"

const trusted = authority()
const certificate = trusted.issue({ names: ["dns.test", "127.0.0.1"] })

const HOSTS = 300
const zone = `$ORIGIN example.test.
$TTL 3600
@ IN SOA ns1 host 1 3600 600 86400 300
@ IN NS ns1
ns1 IN A 127.0.0.1
www IN A 192.0.2.1
www IN A 192.0.2.2
www IN AAAA 2001:db8::1
alias IN CNAME www
mail IN MX 10 www
long IN TXT ${Array.from({ length: 30 }, (_, i) => `"${String(i % 10).repeat(250)}"`).join(" ")}
_sip._tcp IN SRV 1 2 5060 www
*.wild IN A 192.0.2.9
${Array.from({ length: HOSTS }, (_, i) => `h${i} IN A 192.0.2.${i % 256}`).join("\n")}
`

const questions: ReadonlyArray<readonly [name: string, type: Question["type"]]> = [
  ["www", "A"],
  ["www", "AAAA"],
  ["www", "MX"],
  ["alias", "A"],
  ["mail", "MX"],
  ["long", "TXT"],
  ["_sip._tcp", "SRV"],
  ["a.wild", "A"],
  ["missing", "A"]
]

/** What an answer says, whoever carried it. */
const essence = (answer: DecodedPacket): unknown => ({
  rcode: rcodeOf(answer),
  answers: (answer.answers ?? [])
    .map((record) => JSON.stringify({ ...record, ttl: 0, name: record.name.toLowerCase() }))
    .sort()
})

const answersOf = (server: RunningServer) =>
  Effect.forEach(questions, ([name, type]) =>
    Effect.map(server.ask({ name: `${name}.example.test`, type, tcp: true, edns: {} }), essence)
  )

const ways = ({ plain, tls, https }: EncryptedServer) => ({
  udp: `127.0.0.1:${plain}`,
  tcp: `tcp://127.0.0.1:${plain}`,
  tls: `tls://127.0.0.1:${tls}#dns.test`,
  "https by POST": `https://127.0.0.1:${https}/dns-query`,
  "https by GET": `https://127.0.0.1:${https}/dns-query{?dns}`
})

for (const [name, kind] of Object.entries(servers)) {
  const isThere = nsd !== undefined && kind.command !== undefined && (name !== "Unbound" || unboundHasHttps())
  describe.skipIf(!isThere)(`${name} as the upstream`, () => {
    it.live("gives the same answers over UDP, TCP, TLS and HTTPS", () =>
      Effect.gen(function* () {
        const upstream = yield* startEncrypted(kind, certificate, yield* startNsd({ "example.test": zone }))
        const file = yield* fileWith(trusted.cert)
        const { udp, ...others } = ways(upstream)
        const expected = yield* answersOf(yield* startServer({ DNS_SERVER_UPSTREAMS: udp }))
        assert.strictEqual(expected.length, questions.length)
        for (const [way, address] of Object.entries(others)) {
          const server = yield* startServer({ DNS_SERVER_UPSTREAMS: address, DNS_SERVER_TLS_CA_FILE: file })
          assert.deepStrictEqual(yield* answersOf(server), expected, way)
          // Many at once, without a retry.
          const many = yield* Effect.forEach(
            Array.from({ length: HOSTS }, (_, i) => i),
            (i) => server.ask({ name: `h${i}.example.test` }),
            { concurrency: 100 }
          )
          assert.isTrue(
            many.every((answer) => rcodeOf(answer) === "NOERROR" && answer.answers?.length === 1),
            way
          )
          assert.strictEqual(server.counters.read("upstream.errors"), 0, way)
        }
      })
    )
  })
}
