import { constants } from "node:http2"
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { pinOf } from "../../src/io/server-identity.ts"
import { goodAnswers } from "../support/clients/fresh-names.ts"
import { proxyTo } from "../support/faults/proxy.ts"
import { until } from "../support/machine/until.ts"
import { ask, rcodeOf } from "../support/servers/server.ts"
import { serverTrusting } from "../support/servers/trusting-server.ts"
import { answerHttps, httpsUpstream, type OnRequest } from "../support/upstreams/https-upstream.ts"
import { mirrorReply } from "../support/upstreams/mirror.ts"
import { streamUpstream } from "../support/upstreams/stream-upstream.ts"
import { authority } from "../support/wire/certificates.ts"

const trusted = authority()
const certificate = trusted.issue({ names: ["dns.test", "127.0.0.1"] })

const serverFor = serverTrusting(trusted)

const at = ({ port }: { readonly port: number }, rest = "/dns-query"): string => `https://127.0.0.1:${port}${rest}`

describe("an upstream over HTTPS", () => {
  it.live("is asked by POST: the message as it is, with id 0, padded (RFC 8484 §4.1, RFC 8467 §4.1)", () =>
    Effect.gen(function* () {
      const upstream = yield* httpsUpstream({ certificate })
      const server = yield* serverFor([at(upstream)])
      assert.strictEqual(yield* goodAnswers(server, 5), 5)
      for (const { headers, query } of upstream.requests) {
        assert.strictEqual(headers[":method"], "POST")
        assert.strictEqual(headers[":path"], "/dns-query")
        assert.strictEqual(headers[":authority"], `127.0.0.1:${upstream.port}`)
        assert.strictEqual(headers["content-type"], "application/dns-message")
        assert.strictEqual(headers.accept, "application/dns-message")
        assert.strictEqual(headers["content-length"], String(query.length))
        assert.strictEqual(query.readUInt16BE(0), 0)
        assert.strictEqual(query.length % 128, 0)
      }
    })
  )

  it.live("is asked by GET where its address is a template (RFC 8484 §4.1.1)", () =>
    Effect.gen(function* () {
      const upstream = yield* httpsUpstream({ certificate })
      const server = yield* serverFor([at(upstream, "/resolve{?dns}")])
      assert.strictEqual(yield* goodAnswers(server, 5), 5)
      for (const { headers } of upstream.requests) {
        assert.strictEqual(headers[":method"], "GET")
        assert.match(headers[":path"]!, /^\/resolve\?dns=[\w-]+$/)
      }
    })
  )

  it.live("is asked once in an attempt where it ends a stream for this question, and answers others", () =>
    Effect.gen(function* () {
      const ends: Readonly<Record<string, OnRequest>> = {
        reset: ({ stream }) => stream.close(constants.NGHTTP2_INTERNAL_ERROR),
        empty: (request) => answerHttps(request, {}, Buffer.alloc(0))
      }
      const named = ({ query }: { readonly query: Buffer }): string => query.toString("latin1", 13, 13 + query[12]!)
      const upstream = yield* httpsUpstream({
        certificate,
        onRequest: (request) => (ends[named(request)] ?? answerHttps)(request)
      })
      const server = yield* serverFor([at(upstream)], { DNS_SERVER_RETRIES: "0" })
      assert.strictEqual(yield* goodAnswers(server, 5), 5)
      for (const end of Object.keys(ends)) {
        assert.strictEqual(rcodeOf(yield* ask(server.port, { name: `${end}.test` })), "SERVFAIL")
        assert.strictEqual(upstream.requests.filter((request) => named(request) === end).length, 1, end)
      }
      assert.lengthOf(upstream.sessions, 1)
    })
  )

  it.live("is opened a connection to no more than a few times in an attempt where it leaves each at once", () =>
    Effect.gen(function* () {
      const upstream = yield* httpsUpstream({ certificate, onRequest: ({ stream }) => stream.session!.goaway(0, 0) })
      const server = yield* serverFor([at(upstream)], { DNS_SERVER_RETRIES: "0", DNS_SERVER_QUERY_TIMEOUT_SECS: "1" })
      assert.strictEqual(rcodeOf(yield* ask(server.port, { name: "www.test" })), "SERVFAIL")
      assert.isAtMost(upstream.sessions.length, 4)
    })
  )

  it.live("may be known by a pin (RFC 7858 §4.2)", () =>
    Effect.gen(function* () {
      const upstream = yield* httpsUpstream({ certificate })
      const server = yield* serverFor([at(upstream, `/dns-query#pin-sha256=${pinOf(certificate.cert)}`)])
      assert.strictEqual(yield* goodAnswers(server, 3), 3)
    })
  )

  it.live("says how old its answers are: so much is taken off their TTLs (RFC 8484 §5.1)", () =>
    Effect.gen(function* () {
      const upstream = yield* httpsUpstream({ certificate, onRequest: (request) => answerHttps(request, { age: 600 }) })
      const server = yield* serverFor([at(upstream)])
      const { answers } = yield* server.ask({ name: "aged.example.test" })
      assert.deepStrictEqual(
        answers?.map((answer) => ("ttl" in answer ? answer.ttl : undefined)),
        [3000]
      )
    })
  )

  it.live("carries a thousand questions at once over few connections, as many streams as it allows", () =>
    Effect.gen(function* () {
      const upstream = yield* httpsUpstream({
        certificate,
        settings: { maxConcurrentStreams: 50 },
        onRequest: (request) => setTimeout(() => answerHttps(request), 5)
      })
      const server = yield* serverFor([at(upstream)], {
        DNS_SERVER_ATTEMPT_TIMEOUT_MS: "10000",
        DNS_SERVER_QUERY_TIMEOUT_SECS: "20"
      })
      assert.strictEqual(yield* goodAnswers(server, 1000), 1000)
      assert.isAtMost(upstream.sessions.length, 4)
      assert.strictEqual(upstream.requests.length, 1000)
    })
  )
})

describe("the next upstream answers where one over HTTPS", () => {
  const faults: Record<string, OnRequest> = {
    "answers 500": (request) => answerHttps(request, { ":status": 500 }),
    "answers 404": (request) => answerHttps(request, { ":status": 404, "content-type": "text/html" }),
    "answers with a page": (request) => answerHttps(request, { "content-type": "text/html" }),
    "answers with no type": ({ stream, query }) => {
      stream.respond({ ":status": 200 })
      stream.end(mirrorReply(query))
    },
    "answers with more than a message can be": (request) => answerHttps(request, {}, Buffer.alloc(200_000)),
    "answers with nothing": (request) => answerHttps(request, {}, Buffer.alloc(0)),
    "answers with garbage": (request) => answerHttps(request, {}, Buffer.from("no DNS message at all")),
    "answers another question": (request) => {
      const other = mirrorReply(request.query)
      other[13]! ^= 1
      answerHttps(request, {}, other)
    },
    "resets every stream": ({ stream }) => stream.close(constants.NGHTTP2_INTERNAL_ERROR),
    "begins an answer and never ends it": ({ stream, query }) => {
      stream.respond({ ":status": 200, "content-type": "application/dns-message" })
      stream.write(mirrorReply(query).subarray(0, 10))
    },
    "stays silent": () => {},
    "closes every connection": ({ stream }) => stream.session?.destroy()
  }
  for (const [fault, onRequest] of Object.entries(faults)) {
    it.live(fault, () =>
      Effect.gen(function* () {
        const bad = yield* httpsUpstream({ certificate, onRequest })
        const good = yield* httpsUpstream({ certificate })
        const server = yield* serverFor([at(bad), at(good)])
        assert.strictEqual(yield* goodAnswers(server, 20), 20)
        assert.isAbove(bad.requests.length, 0)
      })
    )
  }

  it.live("does not prove who it is, and is told nothing", () =>
    Effect.gen(function* () {
      const bad = yield* httpsUpstream({ certificate: authority().issue({ names: ["127.0.0.1"] }) })
      const good = yield* httpsUpstream({ certificate })
      const server = yield* serverFor([at(bad), at(good)])
      assert.strictEqual(yield* goodAnswers(server, 20), 20)
      assert.strictEqual(bad.requests.length, 0)
    })
  )

  it.live("speaks no HTTP/2", () =>
    Effect.gen(function* () {
      const other = yield* streamUpstream({ certificate })
      const good = yield* httpsUpstream({ certificate })
      const server = yield* serverFor([at(other), at(good)])
      assert.strictEqual(yield* goodAnswers(server, 20), 20)
    })
  )
})

describe("a connection to an upstream over HTTPS", () => {
  it.live("that the server closes in order (GOAWAY) loses nothing: what it did not take is asked on another", () =>
    Effect.gen(function* () {
      const upstream = yield* httpsUpstream({
        certificate,
        onRequest: (request) => {
          answerHttps(request)
          if (upstream.requests.length % 30 === 0) request.stream.session?.close()
        }
      })
      const server = yield* serverFor([at(upstream)])
      for (let i = 0; i < 5; i++) assert.strictEqual(yield* goodAnswers(server, 50), 50)
      assert.isAbove(upstream.sessions.length, 1)
    })
  )

  it.live("that ends with GOAWAY and an error while questions wait costs none of them its answer", () =>
    Effect.gen(function* () {
      const upstream = yield* httpsUpstream({
        certificate,
        onRequest: (request) => {
          if (request.session > 1) return answerHttps(request)
          request.stream.session?.goaway(constants.NGHTTP2_ENHANCE_YOUR_CALM)
        }
      })
      const server = yield* serverFor([at(upstream)])
      assert.strictEqual(yield* goodAnswers(server, 20), 20)
    })
  )

  it.live("on which streams are refused asks them again (RFC 9113 §8.7)", () =>
    Effect.gen(function* () {
      let refused = 0
      const upstream = yield* httpsUpstream({
        certificate,
        onRequest: (request) => {
          if (refused++ < 10) request.stream.close(constants.NGHTTP2_REFUSED_STREAM)
          else answerHttps(request)
        }
      })
      const server = yield* serverFor([at(upstream)])
      assert.strictEqual(yield* goodAnswers(server, 10), 10)
      assert.strictEqual(server.counters.read("upstream.retries"), 0)
      assert.strictEqual(upstream.sessions.length, 1)
    })
  )

  it.live("that falls silent is left for another, probed and closed", () =>
    Effect.gen(function* () {
      const upstream = yield* httpsUpstream({ certificate })
      const way = yield* proxyTo(upstream.port)
      const server = yield* serverFor([at(way)])
      assert.strictEqual(yield* goodAnswers(server, 5), 5)
      way.swallow()
      assert.strictEqual(yield* goodAnswers(server, 20), 20)
      assert.strictEqual(way.connections.length, 2)
      yield* until("its connection is closed", () => way.connections[0]!.destroyed)
    })
  )

  it.live("that the server closes while it is idle is opened again", () =>
    Effect.gen(function* () {
      const upstream = yield* httpsUpstream({ certificate })
      const server = yield* serverFor([at(upstream)])
      assert.strictEqual(yield* goodAnswers(server, 1), 1)
      for (const session of upstream.sessions) session.close()
      yield* until("its connections are closed", () => upstream.sockets().length === 0)
      assert.strictEqual(yield* goodAnswers(server, 1), 1)
      assert.strictEqual(server.counters.read("upstream.retries"), 0)
    })
  )
})
