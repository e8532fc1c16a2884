/** What clients call themselves, behind the path of HTTPS and in the name that they ask for by TLS, and what it decides. */
import { once } from "node:events"
import { readFileSync } from "node:fs"
import type { ConnectionOptions } from "node:tls"
import { assert, describe, it } from "@effect/vitest"
import packet from "dns-packet"
import { Effect, type Scope } from "effect"
import { FrameReader } from "../../src/io/frames.ts"
import { libc } from "../../src/io/linux/libc.ts"
import { openHttps, request } from "../support/clients/https-client.ts"
import { fileWith } from "../support/machine/files.ts"
import { until } from "../support/machine/until.ts"
import { type Reply, startWithAdmin, untilAdmin } from "../support/servers/admin.ts"
import { encodeQuestion, type RunningServer, startServer } from "../support/servers/server.ts"
import { clientByTls } from "../support/servers/stream-server.ts"
import { certificateFor } from "../support/servers/tls-terms.ts"
import { address, fakeUpstream, framed, nameOf, silent } from "../support/upstreams/fake-upstream.ts"

const NAME = "www.example.test"
const COMMON = "192.0.2.1"
const OF_GROUP = "192.0.2.2"
const OF_OWN = "192.0.2.3"

/** Whoever calls himself `kids` goes to another group, and `laptop` and `phone` have an answer of their own. */
const started = (
  protocol: string,
  datagrams: string,
  names: ReadonlyArray<string>
): Effect.Effect<RunningServer, never, Scope.Scope> =>
  Effect.gen(function* () {
    const common = yield* fakeUpstream(address(COMMON))
    const group = yield* fakeUpstream(address(OF_GROUP))
    const { certificate, key } = certificateFor(...names)
    return yield* startServer({
      DNS_SERVER_LISTEN: `${protocol}://127.0.0.1:0`,
      DNS_SERVER_DATAGRAMS: datagrams,
      DNS_SERVER_TLS_CERTIFICATE_FILE: yield* fileWith(certificate),
      DNS_SERVER_TLS_KEY_FILE: yield* fileWith(key),
      DNS_SERVER_UPSTREAMS: common.address,
      DNS_SERVER_GROUPS: `kids=${group.address}`,
      DNS_SERVER_RULES: "client_name:Kids client:127.0.0.0/8 -> kids",
      DNS_SERVER_LOCAL_ANSWERS: `${NAME} A ${OF_OWN} client_name:laptop|phone`
    })
  })

const addressIn = (message: Uint8Array): unknown =>
  (packet.decode(Buffer.from(message)).answers?.[0] as { data?: unknown } | undefined)?.data

/** The address that a client is given that asks for the server by this name; empty for by none. */
const byTls = (
  port: number,
  servername: string,
  options: ConnectionOptions = {},
  isReused?: boolean
): Effect.Effect<unknown, never, Scope.Scope> =>
  Effect.gen(function* () {
    const client = yield* clientByTls(
      { address: "127.0.0.1", port },
      { ALPNProtocols: ["dot"], servername, ...options }
    )
    if (isReused !== undefined) assert.strictEqual(client.isSessionReused(), isReused)
    client.write(framed(encodeQuestion({ name: NAME }, 1)))
    const frames = new FrameReader()
    let found: unknown
    while (found === undefined) {
      const [chunk] = (yield* Effect.promise(() => once(client, "data"))) as [Buffer]
      frames.push(chunk, (message) => {
        found = addressIn(message)
      })
    }
    return found
  })

for (const datagrams of libc === undefined ? ["portable"] : ["batched", "portable"]) {
  describe(`a client's name (${datagrams})`, () => {
    it.live("behind the path decides, in whatever letters; a wrong one is refused", () =>
      Effect.gen(function* () {
        const server = yield* started("https", datagrams, ["127.0.0.1"])
        const session = yield* openHttps(server.port)
        const given = (path: string) =>
          Effect.map(
            request(
              session,
              { ":method": "POST", ":path": path, "content-type": "application/dns-message" },
              encodeQuestion({ name: NAME }, 0)
            ),
            ({ body, status }) => (status === 200 ? addressIn(body) : status)
          )
        for (const [path, expected] of [
          ["/dns-query", COMMON],
          ["/dns-query/", COMMON],
          ["/dns-query/kids", OF_GROUP],
          ["/dns-query/KIDS", OF_GROUP],
          ["/dns-query/laptop", OF_OWN],
          ["/dns-query/phone", OF_OWN],
          ["/dns-query/lap-top", COMMON],
          ["/dns-query/kids/more", 404],
          ["/dns-query/ki%64s", 404],
          [`/dns-query/${"k".repeat(64)}`, 404],
          ["/dns-query/-kids", 404],
          ["/dns-query", COMMON]
        ] as const) {
          assert.strictEqual(yield* given(path), expected, path)
        }
      })
    )

    it.live("is the label in the place of a certificate's star, and none where the name is the server's own", () =>
      Effect.gen(function* () {
        const server = yield* started("tls", datagrams, [
          "dns.example.test",
          "*.dns.example.test",
          "own.dns.example.test"
        ])
        for (const [servername, expected] of [
          ["dns.example.test", COMMON],
          ["kids.dns.example.test", OF_GROUP],
          ["Kids.DNS.example.test", OF_GROUP],
          ["phone.dns.example.test", OF_OWN],
          ["other.dns.example.test", COMMON],
          ["kids.phone.dns.example.test", COMMON],
          ["kids.example.test", COMMON],
          ["", COMMON]
        ] as const) {
          assert.strictEqual(yield* byTls(server.port, servername), expected, servername)
        }
      })
    )

    // Node does not tell a server the name where a session of TLS 1.2 is resumed.
    for (const maxVersion of datagrams === "portable" ? (["TLSv1.3"] as const) : (["TLSv1.2", "TLSv1.3"] as const)) {
      it.live(`is the same on a connection whose session is resumed by ${maxVersion}`, () =>
        Effect.gen(function* () {
          const server = yield* started("tls", datagrams, ["*.dns.example.test"])
          const servername = "kids.dns.example.test"
          const options = { ALPNProtocols: ["dot"], servername, maxVersion }
          const first = yield* clientByTls({ address: "127.0.0.1", port: server.port }, options)
          const ticket = once(first, "session")
          first.write(framed(encodeQuestion({ name: NAME }, 1)))
          const early = maxVersion === "TLSv1.2" ? first.getSession() : undefined
          const session = early ?? ((yield* Effect.promise(() => ticket)) as [Buffer])[0]
          for (let i = 0; i < 2; i++) {
            assert.strictEqual(yield* byTls(server.port, servername, { maxVersion, session }, true), OF_GROUP)
          }
        })
      )
    }

    for (const maxVersion of ["TLSv1.2", "TLSv1.3"] as const) {
      it.live(`is not that of a session that was begun by another name (RFC 6066 §3), by ${maxVersion}`, () =>
        Effect.gen(function* () {
          const server = yield* started("tls", datagrams, ["*.dns.example.test"])
          const options = { ALPNProtocols: ["dot"], servername: "kids.dns.example.test", maxVersion }
          const first = yield* clientByTls({ address: "127.0.0.1", port: server.port }, options)
          const ticket = once(first, "session")
          first.write(framed(encodeQuestion({ name: NAME }, 1)))
          const early = maxVersion === "TLSv1.2" ? first.getSession() : undefined
          const session = early ?? ((yield* Effect.promise(() => ticket)) as [Buffer])[0]
          for (const [servername, expected] of [
            ["other.dns.example.test", COMMON],
            ["phone.dns.example.test", OF_OWN],
            ["", COMMON]
          ] as const) {
            const isReused = datagrams === "portable" ? undefined : false
            const given = yield* byTls(server.port, servername, { maxVersion, session }, isReused)
            assert.strictEqual(given, expected, servername)
          }
        })
      )
    }

    it.live("behind the path goes before the one that is asked for by TLS", () =>
      Effect.gen(function* () {
        const server = yield* started("https", datagrams, ["*.dns.example.test"])
        const given = (servername: string, path: string) =>
          Effect.gen(function* () {
            const session = yield* openHttps(server.port, servername)
            const headers = { ":method": "POST", ":path": path, "content-type": "application/dns-message" }
            return addressIn((yield* request(session, headers, encodeQuestion({ name: NAME }, 0))).body)
          })
        assert.strictEqual(yield* given("kids.dns.example.test", "/dns-query"), OF_GROUP)
        assert.strictEqual(yield* given("kids.dns.example.test", "/dns-query/phone"), OF_OWN)
        assert.strictEqual(yield* given("other.dns.example.test", "/dns-query/kids"), OF_GROUP)
      })
    )

    it.live("stands where queries are looked at: the last ones, the lists, and the log", () =>
      Effect.gen(function* () {
        const upstream = yield* fakeUpstream((asked, transport, count) =>
          (nameOf(asked).startsWith("bad") ? silent : address(COMMON))(asked, transport, count)
        )
        const log = yield* fileWith("")
        const { admin, output } = yield* startWithAdmin({
          DNS_SERVER_LISTEN: "127.0.0.1:0,https://127.0.0.1:0",
          DNS_SERVER_DATAGRAMS: datagrams,
          DNS_SERVER_UPSTREAMS: upstream.address,
          DNS_SERVER_QUERY_TIMEOUT_SECS: "0.5",
          DNS_SERVER_QUERY_LOG_FILE: log
        })
        const { text } = yield* admin("/api/v1/status")
        const session = yield* openHttps(Number(/https:\/\/127\.0\.0\.1:(\d+)/.exec(text)![1]))
        for (const [path, name] of [
          ["/dns-query/Laptop", "a.test"],
          ["/dns-query/laptop", "a.test"],
          ["/dns-query/phone", "a.test"],
          ["/dns-query", "a.test"],
          ["/dns-query/laptop", "bad.test"]
        ] as const) {
          const headers = { ":method": "POST", ":path": path, "content-type": "application/dns-message" }
          const { status } = yield* request(session, headers, encodeQuestion({ name }, 0))
          assert.strictEqual(status, 200, path)
        }
        const shown = ({ json }: Reply) =>
          (json as { readonly queries: ReadonlyArray<Record<string, unknown>> }).queries.map(
            ({ clientName, name, outcome }) => `${String(clientName)} ${String(name)} ${String(outcome)}`
          )
        assert.deepStrictEqual(shown(yield* admin("/api/v1/queries")), [
          "laptop bad.test miss",
          "null a.test hit",
          "phone a.test hit",
          "laptop a.test hit",
          "laptop a.test miss"
        ])
        assert.lengthOf(shown(yield* admin("/api/v1/queries?client=LAPTOP")), 3)
        assert.lengthOf(shown(yield* admin("/api/v1/queries?client=127.0.0.1")), 5)
        assert.strictEqual((yield* admin("/api/v1/queries?client=not/one")).status, 400)
        const top = yield* untilAdmin(admin("/api/v1/top?by=client&window=1m"), ({ text }) =>
          /"key":"laptop","count":3\b/.test(text)
        )
        const { entries } = top.json as {
          readonly entries: ReadonlyArray<{ readonly key: string; readonly count: number }>
        }
        assert.deepStrictEqual(Object.fromEntries(entries.map(({ count, key }) => [key, count])), {
          laptop: 3,
          phone: 1,
          "127.0.0.1": 1
        })
        const { data } = (yield* admin("/control/querylog?search=phone")).json as {
          readonly data: ReadonlyArray<object>
        }
        assert.lengthOf(data, 1)
        assert.deepInclude(data[0], { client: "127.0.0.1", client_id: "phone" })
        yield* until("five are logged", () => readFileSync(log, "utf8").split("\n").length === 6)
        const logged = readFileSync(log, "utf8").trim().split("\n")
        assert.strictEqual(logged.filter((line) => line.includes('"client_name":"laptop"')).length, 3)
        assert.strictEqual(logged.filter((line) => line.includes("client_name")).length, 4)
        yield* until("the failure is said", () => /query failed: .*"client_name":"laptop"/.test(output()))
      })
    )

    it.live("is none where the certificate has no star", () =>
      Effect.gen(function* () {
        const server = yield* started("tls", datagrams, ["kids.dns.example.test"])
        assert.strictEqual(yield* byTls(server.port, "kids.dns.example.test"), COMMON)
      })
    )
  })
}
