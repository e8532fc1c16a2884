import { createSocket, type Socket } from "node:dgram"
import { assert, describe, it } from "@effect/vitest"
import { Effect, type Scope } from "effect"
import { goodAnswers } from "../support/clients/fresh-names.ts"
import { fileWith } from "../support/machine/files.ts"
import { freePort } from "../support/machine/ports.ts"
import { startServer } from "../support/servers/server.ts"
import { type Behaviour, fakeUpstream, nameOf, reply, wireUpstream } from "../support/upstreams/fake-upstream.ts"
import { httpsUpstream } from "../support/upstreams/https-upstream.ts"
import { mirror, mirrorReply } from "../support/upstreams/mirror.ts"
import { streamUpstream } from "../support/upstreams/stream-upstream.ts"
import { authority } from "../support/wire/certificates.ts"

const trusted = authority()
const certificate = trusted.issue({ names: ["dns.test"] })

/** Knows where dns.test is, as far as it is IPv4. */
const names: Behaviour = (query) => {
  const isKnown = nameOf(query) === "dns.test" && query.questions?.[0]?.type === "A"
  return [
    { reply: reply(query, { answers: isKnown ? [{ name: "dns.test", type: "A", ttl: 60, data: "127.0.0.1" }] : [] }) }
  ]
}

describe("an upstream with a name", () => {
  it.live("is looked up at the bootstrap servers", () =>
    Effect.gen(function* () {
      const bootstrap = yield* fakeUpstream(names)
      const dot = yield* streamUpstream({ certificate })
      const doh = yield* httpsUpstream({ certificate })
      const file = yield* fileWith(trusted.cert)
      for (const upstream of [`tls://dns.test:${dot.port}`, `https://dns.test:${doh.port}/dns-query`]) {
        const server = yield* startServer({
          DNS_SERVER_UPSTREAMS: upstream,
          DNS_SERVER_BOOTSTRAP: bootstrap.address,
          DNS_SERVER_TLS_CA_FILE: file
        })
        assert.strictEqual(yield* goodAnswers(server, 10), 10)
      }
      assert.isAbove(bootstrap.queries(), 0)
    })
  )

  it.live(
    "that nobody knows yet does not stop the server, whose other upstreams answer; found later, it is asked",
    () =>
      Effect.gen(function* () {
        const port = yield* freePort
        const named = yield* streamUpstream({ certificate })
        const other = yield* streamUpstream({})
        const file = yield* fileWith(trusted.cert)
        const server = yield* startServer({
          DNS_SERVER_UPSTREAMS: `tls://dns.test:${named.port},tcp://127.0.0.1:${other.port}`,
          DNS_SERVER_UPSTREAM_POLICY: "ordered",
          DNS_SERVER_BOOTSTRAP: `127.0.0.1:${port}`,
          DNS_SERVER_TLS_CA_FILE: file
        })
        assert.strictEqual(yield* goodAnswers(server, 10), 10)
        assert.strictEqual(named.queries.length, 0)
        yield* fakeUpstream(names, port)
        for (let i = 0; i < 100 && named.queries.length === 0; i++) {
          assert.strictEqual(yield* goodAnswers(server, 2), 2)
          yield* Effect.sleep(200)
        }
        assert.isAbove(named.queries.length, 0)
      })
  )

  it.live("is looked up for plain DNS too, by UDP and by TCP", () =>
    Effect.gen(function* () {
      const bootstrap = yield* fakeUpstream(names)
      const plain = yield* wireUpstream(mirror)
      for (const protocol of ["udp", "tcp"]) {
        const server = yield* startServer({
          DNS_SERVER_UPSTREAMS: `${protocol}://dns.test:${plain.port}`,
          DNS_SERVER_BOOTSTRAP: bootstrap.address
        })
        assert.strictEqual(yield* goodAnswers(server, 10), 10)
      }
    })
  )
})

/** Knows that dns.test is at these addresses. */
const namesAt =
  (...addresses: ReadonlyArray<string>): Behaviour =>
  (query) => {
    const answers = addresses.map((data) => ({ name: "dns.test", type: "A" as const, ttl: 60, data }))
    return [{ reply: reply(query, { answers: query.questions?.[0]?.type === "A" ? answers : [] }) }]
  }

/** A UDP socket at an address; how many datagrams came. */
const udpAt = (
  address: string,
  port: number,
  onQuery: (query: Buffer, answer: (reply: Buffer) => void) => void
): Effect.Effect<() => number, never, Scope.Scope> =>
  Effect.acquireRelease(
    Effect.callback<{ readonly socket: Socket; readonly count: () => number }>((resume) => {
      const socket = createSocket("udp4")
      let count = 0
      socket.on("message", (query, from) => {
        count++
        onQuery(query, (answer) => socket.send(answer, from.port, from.address))
      })
      socket.bind(port, address, () => resume(Effect.succeed({ socket, count: () => count })))
    }),
    ({ socket }) => Effect.sync(() => socket.close())
  ).pipe(Effect.map(({ count }) => count))

const silentAt = (address: string, port: number) => udpAt(address, port, () => {})
const mirrorAt = (address: string, port: number) => udpAt(address, port, (query, answer) => answer(mirrorReply(query)))

describe("an upstream with several addresses", () => {
  const startAt = (upstream: string, addresses: ReadonlyArray<string>, settings: Record<string, string> = {}) =>
    Effect.gen(function* () {
      const bootstrap = yield* fakeUpstream(namesAt(...addresses))
      return yield* startServer({
        DNS_SERVER_UPSTREAMS: upstream,
        DNS_SERVER_BOOTSTRAP: bootstrap.address,
        DNS_SERVER_TLS_CA_FILE: yield* fileWith(trusted.cert),
        ...settings
      })
    })

  // What is sent to the broadcast address is not allowed; at 127.0.9.9 nobody listens.
  for (const [what, address] of [
    ["that no socket can be opened to", "255.255.255.255"],
    ["that refuses", "127.0.9.9"]
  ] as const) {
    it.live(`one ${what} costs no question anything, over UDP`, () =>
      Effect.gen(function* () {
        const plain = yield* wireUpstream(mirror)
        const server = yield* startAt(`udp://dns.test:${plain.port}`, [address, address, "127.0.0.1"], {
          DNS_SERVER_RETRIES: "0"
        })
        for (let i = 0; i < 3; i++) assert.strictEqual(yield* goodAnswers(server, 40), 40)
      })
    )
  }

  it.live("one that is silent is left at the first question that is late, by all, over UDP", () =>
    Effect.gen(function* () {
      const plain = yield* wireUpstream(mirror)
      const silent = yield* silentAt("127.0.9.9", plain.port)
      const server = yield* startAt(`udp://dns.test:${plain.port}`, ["127.0.9.9", "127.0.0.1"])
      assert.strictEqual(yield* goodAnswers(server, 40), 40)
      const asked = silent()
      for (let i = 0; i < 5; i++) assert.strictEqual(yield* goodAnswers(server, 40), 40)
      assert.strictEqual(silent(), asked)
    })
  )

  it.live("one that falls silent is left, though no question would be asked again, over UDP", () =>
    Effect.gen(function* () {
      const port = yield* freePort
      let isSilent = false
      const first = yield* wireUpstream((query, ...rest) => (isSilent ? [] : mirror(query, ...rest)), port)
      const second = yield* mirrorAt("127.0.9.9", port)
      const server = yield* startAt(`udp://dns.test:${port}`, ["127.0.0.1", "127.0.9.9"], {
        DNS_SERVER_RETRIES: "0",
        DNS_SERVER_ATTEMPT_TIMEOUT_MS: "400"
      })
      assert.strictEqual(yield* goodAnswers(server, 20), 20)
      isSilent = true
      assert.strictEqual(yield* goodAnswers(server, 20), 20)
      assert.isAbove(first.queries(), 0)
      assert.isAtLeast(second(), 20)
    })
  )

  for (const protocol of ["tcp", "tls"] as const) {
    it.live(`one that nobody is at is passed over, and not tried again, over ${protocol.toUpperCase()}`, () =>
      Effect.gen(function* () {
        const upstream = yield* streamUpstream({ certificate: protocol === "tls" ? certificate : undefined })
        const server = yield* startAt(`${protocol}://dns.test:${upstream.port}`, ["127.0.9.9", "127.0.0.1"], {
          DNS_SERVER_RETRIES: "0"
        })
        for (let i = 0; i < 3; i++) assert.strictEqual(yield* goodAnswers(server, 20), 20)
      })
    )
  }

  it.live("one at which somebody else answers is told nothing: the others are tried", () =>
    Effect.gen(function* () {
      const upstream = yield* streamUpstream({ certificate })
      const other = yield* streamUpstream({
        certificate: authority().issue({ names: ["dns.test"] }),
        port: upstream.port,
        address: "127.0.9.9"
      })
      const server = yield* startAt(`tls://dns.test:${upstream.port}`, ["127.0.9.9", "127.0.0.1"], {
        DNS_SERVER_RETRIES: "0"
      })
      for (let i = 0; i < 3; i++) assert.strictEqual(yield* goodAnswers(server, 20), 20)
      assert.strictEqual(other.queries.length, 0)
    })
  )

  it.live("one whose handshake hangs is left for the next in time, once", () =>
    Effect.gen(function* () {
      const upstream = yield* httpsUpstream({ certificate })
      const hanging = yield* streamUpstream({ port: upstream.port, address: "127.0.9.9", onQuery: () => {} })
      const server = yield* startAt(`https://dns.test:${upstream.port}/dns-query`, ["127.0.9.9", "127.0.0.1"], {
        DNS_SERVER_RETRIES: "0"
      })
      for (let i = 0; i < 3; i++) {
        assert.strictEqual(yield* goodAnswers(server, 20), 20)
        for (const session of upstream.sessions) session.close()
        while (upstream.sockets().length > 0) yield* Effect.sleep(10)
      }
      assert.strictEqual(hanging.connections.length, 1)
    })
  )
})
