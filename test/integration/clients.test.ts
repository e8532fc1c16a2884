import { execFile } from "node:child_process"
import { mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { assert, describe, it } from "@effect/vitest"
import { Effect, type Scope } from "effect"
import { nsd, startNsd } from "../support/external/nsd.ts"
import { findTool } from "../support/external/tools.ts"
import { startListening } from "../support/servers/process.ts"
import { startServer } from "../support/servers/server.ts"
import { wireUpstream } from "../support/upstreams/fake-upstream.ts"
import { mirror } from "../support/upstreams/mirror.ts"

const kdig = findTool("kdig")
const dnsperf = findTool("dnsperf")

const run = (command: string, args: ReadonlyArray<string>): Effect.Effect<string> =>
  Effect.callback((resume) => {
    execFile(command, args, (_error, stdout, stderr) => resume(Effect.succeed(stdout + stderr)))
  })

const zone = `$ORIGIN example.test.
$TTL 3600
@ SOA ns1 host 1 3600 600 86400 300
@ NS ns1
ns1 A 127.0.0.1
www A 192.0.2.1
www AAAA 2001:db8::1
alias CNAME www
service HTTPS 1 . alpn=h2
long TXT ${Array.from({ length: 12 }, (_, i) => `"${String(i % 10).repeat(250)}"`).join(" ")}
`

describe.skipIf(kdig === undefined || nsd === undefined)("kdig", () => {
  const cases: ReadonlyArray<readonly [args: ReadonlyArray<string>, expected: RegExp]> = [
    [["www.example.test", "A"], /www\.example\.test\.\s+\d+\s+IN\s+A\s+192\.0\.2\.1/],
    [["alias.example.test", "AAAA"], /CNAME\s+www\.example\.test\.[\s\S]*AAAA\s+2001:db8::1/],
    [["www.example.test", "A", "+dnssec", "+cookie", "+nsid", "+padding=64"], /192\.0\.2\.1/],
    [["www.example.test", "A", "+edns=0", "+subnet=192.0.2.0/24"], /192\.0\.2\.1/],
    [["www.example.test", "A", "+edns=3"], /status: BADVERS/],
    [
      ["www.example.test", "A", "+tcp", "+keepopen", "alias.example.test", "A", "+tcp"],
      /192\.0\.2\.1[\s\S]*192\.0\.2\.1/
    ],
    [["long.example.test", "TXT", "+bufsize=1232"], /From 127\.0\.0\.1@\d+\(TCP\)[\s\S]*retrying over TCP/],
    [["service.example.test", "HTTPS"], /IN\s+HTTPS\s+1 \. alpn=h2/],
    [["missing.example.test", "A"], /status: NXDOMAIN[\s\S]*SOA/],
    [["www.example.test", "TYPE65280"], /status: NOERROR/],
    [["www.example.test", "CH", "A"], /status: REFUSED/],
    [["example.test", "AXFR"], /REFUSED|transfer failed/i]
  ]
  it.live("is answered, and finds nothing to warn of", () =>
    Effect.gen(function* () {
      const authority = yield* startNsd({ "example.test": zone })
      const server = yield* startServer({ DNS_SERVER_UPSTREAMS: `127.0.0.1:${authority}` })
      for (const [args, expected] of cases) {
        const output = yield* run(kdig!, ["@127.0.0.1", "-p", String(server.port), ...args])
        assert.match(output, expected, args.join(" "))
        if (!args.includes("AXFR"))
          assert.notMatch(output, /;; (WARNING: (?!truncated)|ERROR:)|malformed/, args.join(" "))
      }
    })
  )
})

/** Names to ask for, each by some types. */
const writeQueries = (names: number): Effect.Effect<string, never, Scope.Scope> =>
  Effect.map(
    Effect.acquireRelease(
      Effect.sync(() => mkdtempSync(join(tmpdir(), "strand-dnsperf-"))),
      (directory) => Effect.sync(() => rmSync(directory, { recursive: true }))
    ),
    (directory) => {
      const file = join(directory, "queries")
      const types = ["A", "AAAA", "TXT", "HTTPS"]
      writeFileSync(file, Array.from({ length: names }, (_, i) => `n${i}.example.test ${types[i % 4]}\n`).join(""))
      return file
    }
  )

describe.skipIf(dnsperf === undefined)("dnsperf", () => {
  for (const mode of ["udp", "tcp"]) {
    it.live(`gets every answer by ${mode}, new names and known ones`, () =>
      Effect.gen(function* () {
        const upstream = yield* wireUpstream(mirror)
        const server = yield* startListening({ DNS_SERVER_UPSTREAMS: upstream.address })
        const file = yield* writeQueries(4000)
        const args = [
          "-s",
          "127.0.0.1",
          "-p",
          String(server.port),
          "-m",
          mode,
          "-d",
          file,
          "-n",
          "3",
          "-c",
          "10",
          "-q",
          "100",
          "-t",
          "20"
        ]
        const output = yield* run(dnsperf!, args)
        assert.match(output, /Queries completed:\s+12000 \(100\.00%\)/)
        assert.match(output, /Response codes:\s+NOERROR 12000 \(100\.00%\)/)
      })
    )
  }
})
