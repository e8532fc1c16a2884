import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { authority } from "../support/certificates.ts"
import { type Behaviour, fakeUpstream, nameOf, reply, wireUpstream } from "../support/fake-upstream.ts"
import { fileWith } from "../support/files.ts"
import { goodAnswers } from "../support/fresh-names.ts"
import { httpsUpstream } from "../support/https-upstream.ts"
import { mirror } from "../support/mirror.ts"
import { freePort } from "../support/ports.ts"
import { startServer } from "../support/server.ts"
import { streamUpstream } from "../support/stream-upstream.ts"

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

  it.live("of several addresses, one that is silent makes room for the next, over UDP", () =>
    Effect.gen(function* () {
      const plain = yield* wireUpstream(mirror)
      const addresses: Behaviour = (query) => [
        {
          reply: reply(query, {
            answers:
              query.questions?.[0]?.type === "A"
                ? ["127.0.9.9", "127.0.0.1"].map((data) => ({ name: "dns.test", type: "A", ttl: 60, data }))
                : []
          })
        }
      ]
      const bootstrap = yield* fakeUpstream(addresses)
      const server = yield* startServer({
        DNS_SERVER_UPSTREAMS: `udp://dns.test:${plain.port}`,
        DNS_SERVER_BOOTSTRAP: bootstrap.address,
        DNS_SERVER_QUERY_TIMEOUT_SECS: "2"
      })
      while ((yield* goodAnswers(server, 5)) < 5) yield* Effect.sleep(50)
      assert.strictEqual(yield* goodAnswers(server, 10), 10)
    })
  )
})
