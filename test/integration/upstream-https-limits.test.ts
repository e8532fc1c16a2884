/** Servers over HTTPS that take only so much, and what one connection says of itself. */
import { constants } from "node:http2"
import { assert, describe, it } from "@effect/vitest"
import { Effect, Fiber } from "effect"
import { goodAnswers } from "../support/clients/fresh-names.ts"
import { rcodeOf } from "../support/servers/server.ts"
import { serverTrusting } from "../support/servers/trusting-server.ts"
import { answerHttps, type HttpsRequest, httpsUpstream } from "../support/upstreams/https-upstream.ts"
import { authority } from "../support/wire/certificates.ts"

const trusted = authority()
const certificate = trusted.issue({ names: ["127.0.0.1"] })
const serverFor = serverTrusting(trusted)

/** So that nothing is asked again for being late. */
const PATIENT = { DNS_SERVER_ATTEMPT_TIMEOUT_MS: "10000", DNS_SERVER_QUERY_TIMEOUT_SECS: "20" }

const at = ({ port }: { readonly port: number }): string => `https://127.0.0.1:${port}/dns-query`

/** Answers so many at once, each after some milliseconds, and refuses the others. */
const limited = (most: number, refuse: (request: HttpsRequest) => void) => {
  const state = { busy: 0, refused: 0 }
  const onRequest = (request: HttpsRequest): void => {
    if (state.busy >= most) {
      state.refused++
      refuse(request)
      return
    }
    state.busy++
    setTimeout(() => {
      state.busy--
      answerHttps(request)
    }, 50)
  }
  return { state, onRequest }
}

const status =
  (code: number, retryAfter?: () => string) =>
  ({ stream }: HttpsRequest): void => {
    stream.respond({ ":status": code, ...(retryAfter === undefined ? {} : { "retry-after": retryAfter() }) })
    stream.end("later")
  }

describe("a server over HTTPS that is asked too much", () => {
  const ways: Record<string, (request: HttpsRequest) => void> = {
    "says 429 and in how many seconds": status(429, () => "1"),
    "says 429 and at what time (RFC 9110 §10.2.3)": status(429, () => new Date(Date.now() + 1500).toUTCString()),
    "says 429 and no more": status(429),
    "says 429 and when in words that nobody knows": status(429, () => "soon"),
    "says 503 and in how many seconds": status(503, () => "1"),
    "says 503 and no more, while it answers others": status(503),
    "refuses streams": ({ stream }) => stream.close(constants.NGHTTP2_REFUSED_STREAM),
    "wants calm": ({ stream }) => stream.close(constants.NGHTTP2_ENHANCE_YOUR_CALM)
  }
  for (const [way, refuse] of Object.entries(ways)) {
    it.live(`and ${way}, is asked later, and fewer at once: all are answered`, () =>
      Effect.gen(function* () {
        const { state, onRequest } = limited(10, refuse)
        const upstream = yield* httpsUpstream({ certificate, onRequest })
        const server = yield* serverFor([at(upstream)], PATIENT)
        assert.strictEqual(yield* goodAnswers(server, 1), 1)
        assert.strictEqual(yield* goodAnswers(server, 40), 40)
        const { refused } = state
        assert.strictEqual(yield* goodAnswers(server, 40), 40)
        // What it can do is known by now, and tried only a little beyond.
        assert.isAtMost(state.refused - refused, 10)
        assert.strictEqual(server.counters.read("upstream.retries"), 0)
        assert.isAbove(server.counters.read("upstream.held"), 0)
      })
    )
  }

  it.live("and makes queries wait for longer than an attempt is not taken for broken, and asked once for each", () =>
    Effect.gen(function* () {
      const { state, onRequest } = limited(
        4,
        status(429, () => "2")
      )
      const upstream = yield* httpsUpstream({ certificate, onRequest })
      const server = yield* serverFor([at(upstream)])
      assert.strictEqual(yield* goodAnswers(server, 1), 1)
      const first = yield* Effect.forkChild(goodAnswers(server, 20))
      while (state.refused < 16) yield* Effect.sleep(5)
      yield* Effect.sleep(1000)
      assert.strictEqual(yield* goodAnswers(server, 5), 5)
      assert.strictEqual(yield* Fiber.join(first), 20)
      assert.strictEqual(server.counters.read("upstream.opened"), 0)
      assert.isAtMost(upstream.requests.length, 1 + 20 + 16 + 5 + 5)
    })
  )

  it.live("and wants to be left alone for longer than a query lives, is left alone: the query fails at once", () =>
    Effect.gen(function* () {
      const upstream = yield* httpsUpstream({ certificate, onRequest: status(429, () => "3600") })
      const server = yield* serverFor([at(upstream)], { DNS_SERVER_QUERY_TIMEOUT_SECS: "20" })
      for (let i = 0; i < 5; i++) {
        assert.strictEqual(rcodeOf(yield* server.ask({ name: `a${i}.test`, timeoutMs: 5_000 })), "SERVFAIL")
      }
      assert.isAtMost(upstream.requests.length, 1)
    })
  )

  for (const seconds of ["2", "3600"]) {
    it.live(`and wants to be left alone for ${seconds} s: the next upstream is asked meanwhile`, () =>
      Effect.gen(function* () {
        let isBusy = false
        const busy = yield* httpsUpstream({
          certificate,
          onRequest: (request) => (isBusy ? status(429, () => seconds)(request) : answerHttps(request))
        })
        const good = yield* httpsUpstream({ certificate })
        const server = yield* serverFor([at(busy), at(good)])
        for (let i = 0; i < 5; i++) assert.strictEqual(yield* goodAnswers(server, 2), 2)
        isBusy = true
        const asked = busy.requests.length
        assert.strictEqual(yield* goodAnswers(server, 20), 20)
        for (let i = 0; i < 5; i++) assert.strictEqual(yield* goodAnswers(server, 5), 5)
        if (seconds === "3600") assert.isAtMost(busy.requests.length - asked, 20)
      })
    )
  }

  it.live("is asked more at once as soon as it allows more (RFC 9113 §6.5.2)", () =>
    Effect.gen(function* () {
      const held: Array<HttpsRequest> = []
      const upstream = yield* httpsUpstream({
        certificate,
        settings: { maxConcurrentStreams: 1 },
        onRequest: (request) => held.push(request)
      })
      const server = yield* serverFor([at(upstream)], PATIENT)
      const asking = yield* Effect.forkChild(goodAnswers(server, 20))
      while (upstream.sessions.length < 4 || held.length < 4) yield* Effect.sleep(5)
      for (const session of upstream.sessions) session.settings({ maxConcurrentStreams: 100 })
      while (held.length < 20) yield* Effect.sleep(5)
      for (const request of held) answerHttps(request)
      assert.strictEqual(yield* Fiber.join(asking), 20)
    })
  )
})

describe("what one connection over HTTPS says", () => {
  const methodsOf = (requests: ReadonlyArray<HttpsRequest>, session: number) =>
    new Set(requests.filter((request) => request.session === session).map(({ headers }) => headers[":method"]))

  it.live("by GOAWAY ends with it: the next is asked by POST", () =>
    Effect.gen(function* () {
      const upstream = yield* httpsUpstream({
        certificate,
        onRequest: (request) => {
          if (request.session > 1) return answerHttps(request)
          request.stream.session?.goaway(constants.NGHTTP2_NO_ERROR, 1)
          if (request.stream.id === 1) answerHttps(request)
        }
      })
      const server = yield* serverFor([at(upstream)], PATIENT)
      for (let burst = 0; burst < 3; burst++) assert.strictEqual(yield* goodAnswers(server, 20), 20)
      assert.isAbove(upstream.sessions.length, 1)
      assert.deepStrictEqual([...new Set(upstream.requests.map(({ headers }) => headers[":method"]))], ["POST"])
      assert.strictEqual(server.counters.read("upstream.retries"), 0)
    })
  )

  it.live("by refusing a stream is asked by GET, and the next begins by POST", () =>
    Effect.gen(function* () {
      let refused = 0
      const upstream = yield* httpsUpstream({
        certificate,
        onRequest: (request) => {
          if (request.session === 1 && refused++ < 3) request.stream.close(constants.NGHTTP2_REFUSED_STREAM)
          else answerHttps(request)
        }
      })
      const server = yield* serverFor([at(upstream)])
      assert.strictEqual(yield* goodAnswers(server, 10), 10)
      assert.deepStrictEqual(methodsOf(upstream.requests, 1), new Set(["POST", "GET"]))
      for (const session of upstream.sessions) session.close()
      while (upstream.sockets().length > 0) yield* Effect.sleep(10)
      assert.strictEqual(yield* goodAnswers(server, 10), 10)
      assert.deepStrictEqual(methodsOf(upstream.requests, 2), new Set(["POST"]))
    })
  )

  it.live("by refusing one stream is no reason to ask by GET", () =>
    Effect.gen(function* () {
      let asked = 0
      const upstream = yield* httpsUpstream({
        certificate,
        onRequest: (request) => {
          if (++asked === 4) request.stream.close(constants.NGHTTP2_REFUSED_STREAM)
          else answerHttps(request)
        }
      })
      const server = yield* serverFor([at(upstream)])
      for (let burst = 0; burst < 3; burst++) assert.strictEqual(yield* goodAnswers(server, 10), 10)
      // On a busy machine one may be late, and asked for once more.
      assert.isAtLeast(asked, 31)
      assert.isAtMost(asked, 33)
      assert.deepStrictEqual([...new Set(upstream.requests.map(({ headers }) => headers[":method"]))], ["POST"])
    })
  )

  it.live("by allowing few streams at once is no reason to ask by GET, or to ask less", () =>
    Effect.gen(function* () {
      const upstream = yield* httpsUpstream({
        certificate,
        settings: { maxConcurrentStreams: 3 },
        onRequest: (request) => setTimeout(() => answerHttps(request), 5)
      })
      const server = yield* serverFor([at(upstream)], PATIENT)
      for (let burst = 0; burst < 2; burst++) assert.strictEqual(yield* goodAnswers(server, 50), 50)
      assert.deepStrictEqual([...new Set(upstream.requests.map(({ headers }) => headers[":method"]))], ["POST"])
      assert.strictEqual(server.counters.read("upstream.held"), 0)
    })
  )

  it.live("by GOAWAY after each answer costs nobody an answer", () =>
    Effect.gen(function* () {
      const upstream = yield* httpsUpstream({
        certificate,
        onRequest: (request) => {
          const { session, id } = request.stream
          session?.goaway(constants.NGHTTP2_NO_ERROR, 1)
          if (id === 1) answerHttps(request)
        }
      })
      const server = yield* serverFor([at(upstream)], PATIENT)
      for (let burst = 0; burst < 2; burst++) assert.strictEqual(yield* goodAnswers(server, 40), 40)
      assert.strictEqual(server.counters.read("upstream.retries"), 0)
    })
  )
})
