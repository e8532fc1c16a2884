import { execFile, spawn } from "node:child_process"
import { createSocket } from "node:dgram"
import { mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { assert, describe, it } from "@effect/vitest"
import { Effect, type Scope } from "effect"
import { startServer } from "../support/server.ts"
import { findTool } from "../support/tools.ts"

const nsd = findTool("nsd")
const dig = findTool("dig")

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

const freePort = Effect.callback<number>((resume) => {
  const socket = createSocket("udp4")
  socket.bind(0, "127.0.0.1", () => {
    const { port } = socket.address()
    socket.close(() => resume(Effect.succeed(port)))
  })
})

/** A real authoritative server with the zone above, on a free port. */
const startNsd: Effect.Effect<number, never, Scope.Scope> = Effect.gen(function* () {
  const port = yield* freePort
  yield* Effect.acquireRelease(
    Effect.sync(() => {
      const directory = mkdtempSync(join(tmpdir(), "strand-nsd-"))
      writeFileSync(join(directory, "example.zone"), zone)
      writeFileSync(
        join(directory, "nsd.conf"),
        `server:
  ip-address: 127.0.0.1@${port}
  username: ""
  zonesdir: ${directory}
  pidfile: ${directory}/nsd.pid
  database: ""
  server-count: 1
  xfrdfile: ${directory}/xfrd.state
  zonelistfile: ${directory}/zone.list
  rrl-ratelimit: 0
remote-control:
  control-enable: no
zone:
  name: example.test
  zonefile: example.zone
`
      )
      const child = spawn(nsd!, ["-d", "-c", join(directory, "nsd.conf")], { stdio: "ignore" })
      return { child, directory }
    }),
    ({ child, directory }) =>
      Effect.callback<void>((resume) => {
        child.on("exit", () => {
          rmSync(directory, { recursive: true, force: true })
          resume(Effect.void)
        })
        child.kill("SIGTERM")
      })
  )
  for (let i = 0; i < 100; i++) {
    if ((yield* askDig(port, ["www.example.test", "A", "+time=1", "+tries=1"])).includes("NOERROR")) return port
    yield* Effect.sleep(100)
  }
  return yield* Effect.die(new Error("nsd did not start"))
})

const askDig = (port: number, args: ReadonlyArray<string>): Effect.Effect<string> =>
  Effect.callback((resume) => {
    execFile(dig!, ["@127.0.0.1", "-p", String(port), ...args], (_error, stdout) => resume(Effect.succeed(stdout)))
  })

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
  it.live(
    "gives what NSD gives, for every type, over UDP and TCP, asked and asked again",
    () =>
      Effect.gen(function* () {
        const authority = yield* startNsd
        const server = yield* startServer({ DNS_SERVER_UPSTREAMS: `127.0.0.1:${authority}` })
        for (const [label, type] of questions) {
          for (const transport of ["+notcp", "+tcp"]) {
            const args = [`${label}.example.test`, type!, transport, "+noauthority", "+noadditional", "+bufsize=1232"]
            const expected = essence(yield* askDig(authority, args))
            assert.deepStrictEqual(essence(yield* askDig(server.port, args)), expected, `${args.join(" ")}, first`)
            assert.deepStrictEqual(essence(yield* askDig(server.port, args)), expected, `${args.join(" ")}, cached`)
          }
        }
      }),
    60_000
  )

  it.live(
    "meets the tests of RFC 8906 §8",
    () =>
      Effect.gen(function* () {
        const authority = yield* startNsd
        const server = yield* startServer({ DNS_SERVER_UPSTREAMS: `127.0.0.1:${authority}` })
        const name = "example.test"
        const check = (section: string, args: ReadonlyArray<string>, expectations: ReadonlyArray<RegExp>) =>
          Effect.map(askDig(server.port, args), (output) => {
            for (const expectation of expectations)
              assert.match(output, expectation, `§${section}: dig ${args.join(" ")}`)
          })
        const noError = /status: NOERROR/
        const hasSoa = /IN\s+SOA/
        const hasOpt = /EDNS: version: 0/
        const badVersion = /status: BADVERS/
        yield* check("8.1.1", ["+noedns", "+noad", "soa", name], [noError, hasSoa])
        yield* check("8.1.2", ["+noedns", "+noad", "type1000", name], [noError, /ANSWER: 0/])
        yield* check("8.1.3.1", ["+noedns", "+noad", "+cd", "soa", name], [noError, hasSoa])
        yield* check("8.1.3.2", ["+noedns", "+ad", "soa", name], [noError, hasSoa])
        yield* check("8.1.3.3", ["+noedns", "+noad", "+zflag", "soa", name], [noError, hasSoa, /flags: qr rd ra;/])
        yield* check(
          "8.1.4",
          ["+noedns", "+noad", "+opcode=15", "+header-only"],
          [/status: NOTIMP/, /opcode: RESERVED15/]
        )
        yield* check("8.1.5", ["+noedns", "+noad", "+tcp", "soa", name], [noError, hasSoa])
        yield* check("8.2.1", ["+nocookie", "+edns=0", "+noad", "soa", name], [noError, hasSoa, hasOpt])
        yield* check(
          "8.2.2",
          ["+nocookie", "+edns=1", "+noednsneg", "+noad", "soa", name],
          [badVersion, hasOpt, /ANSWER: 0/]
        )
        yield* check("8.2.3", ["+nocookie", "+edns=0", "+noad", "+ednsopt=100", "soa", name], [noError, hasSoa, hasOpt])
        yield* check(
          "8.2.4",
          ["+nocookie", "+edns=0", "+noad", "+ednsflags=0x40", "soa", name],
          [noError, hasSoa, /flags:; udp/]
        )
        const newer = ["+nocookie", "+edns=1", "+noednsneg", "+noad"]
        yield* check("8.2.5", [...newer, "+ednsflags=0x40", "soa", name], [badVersion, hasOpt, /flags:; udp/])
        yield* check("8.2.6", [...newer, "+ednsopt=100", "soa", name], [badVersion, hasOpt])
        yield* check(
          "8.2.7",
          ["+nocookie", "+edns=0", "+noad", "+dnssec", "+bufsize=512", "+ignore", "txt", `long.${name}`],
          [noError, hasOpt, /flags: qr tc rd ra/]
        )
        yield* check(
          "8.2.8",
          ["+nocookie", "+edns=0", "+noad", "+dnssec", "soa", name],
          [noError, hasSoa, /flags: do; udp/]
        )
        yield* check("8.2.9", [...newer, "+dnssec", "soa", name], [badVersion, hasOpt])
      }),
    60_000
  )
})
