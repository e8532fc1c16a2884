import { createServer, request as sendRequest } from "node:http"
import { connect } from "node:net"
import { assert, describe, it } from "@effect/vitest"
import { Effect, Fiber } from "effect"
import { type GuardSettings, type Request, refusalOf } from "../../src/admin/guard.ts"
import { RateLimit } from "../../src/admin/rate-limit.ts"
import { guard } from "../../src/admin/web-server.ts"
import { listening, stop } from "../support/upstreams/stream-upstream.ts"

const open: GuardSettings = { adminToken: undefined, adminReadToken: undefined, adminHosts: [] }
const closed: GuardSettings = {
  adminToken: "0123456789abcdef",
  adminReadToken: "fedcba9876543210",
  adminHosts: ["dns.example.net"]
}

const request = (of: Partial<Request>, headers: Request["headers"] = {}): Request => ({
  method: "GET",
  path: "/api/v1/status",
  ...of,
  headers: { host: "127.0.0.1:8053", ...headers }
})

const statusOf = (of: Partial<Request>, headers: Request["headers"], settings = open): number =>
  refusalOf(request(of, headers), settings)?.status ?? 200

describe("the host that a request names", () => {
  it("is an address, localhost, or a name that is configured", () => {
    for (const host of ["127.0.0.1", "192.0.2.7:80", "[::1]:8053", "[2001:db8::1]", "localhost:1", "a.localhost"]) {
      assert.strictEqual(statusOf({}, { host }), 200, host)
    }
    for (const host of ["DNS.example.net", "dns.example.net.:443"]) {
      assert.strictEqual(statusOf({ path: "/" }, { host }, closed), 200, host)
    }
    for (const host of [
      "rebound.example",
      "localhost.evil.example",
      "127.0.0.1.evil.example",
      "",
      "a b",
      "[::1",
      "@"
    ]) {
      assert.strictEqual(statusOf({}, { host }), 403, host)
    }
    assert.strictEqual(refusalOf({ ...request({}), headers: {} }, open)?.status, 403)
    // As it is to be written.
    assert.include(refusalOf(request({}, { host: "strand.lan:8053" }), open)?.message, '"strand.lan": name it')
  })
})

describe("a request from another site's page", () => {
  const foreign = [
    { origin: "http://evil.example" },
    { origin: "null" },
    { origin: "http://127.0.0.1:80" },
    { origin: "http://127.0.0.1:8053.evil.example" },
    { origin: "http://127.0.0.1:8053", "sec-fetch-site": "cross-site" },
    { "sec-fetch-site": "cross-site" },
    { "sec-fetch-site": "same-site" }
  ]
  it("changes nothing", () => {
    for (const method of ["POST", "PATCH", "DELETE", "PUT"]) {
      for (const headers of foreign) assert.strictEqual(statusOf({ method }, headers), 403, JSON.stringify(headers))
      assert.strictEqual(
        statusOf({ method }, { origin: "http://127.0.0.1:8053", "sec-fetch-site": "same-origin" }),
        200
      )
      assert.strictEqual(statusOf({ method }, {}), 200)
    }
  })
  it("is none where a proxy before this server speaks HTTPS", () => {
    for (const host of ["127.0.0.1", "dns.example.net"]) {
      const headers = { host, origin: `https://${host}` }
      for (const more of [{}, { "sec-fetch-site": "same-origin" }]) {
        const authorization = `Bearer ${closed.adminToken}`
        assert.strictEqual(statusOf({ method: "PATCH" }, { ...headers, ...more, authorization }, closed), 200)
      }
    }
  })
  it("with a token as well", () => {
    const authorization = `Bearer ${closed.adminToken}`
    for (const headers of foreign) {
      assert.strictEqual(statusOf({ method: "POST" }, { ...headers, authorization }, closed), 403)
    }
  })
})

describe("a token", () => {
  const basic = (password: string): string => `Basic ${Buffer.from(`admin:${password}`).toString("base64")}`
  it("is asked for, but for probes and the page", () => {
    for (const path of ["/healthz", "/readyz", "/", "/assets/page.js"]) {
      assert.strictEqual(statusOf({ path }, {}, closed), 200, path)
    }
    for (const path of [
      "/metrics",
      "/openapi.json",
      "/docs",
      "/api/v1/status",
      "/assets/../api/v1/config",
      "/healthz/"
    ]) {
      assert.strictEqual(statusOf({ path }, {}, closed), 401, path)
    }
    assert.strictEqual(statusOf({ path: "/healthz", method: "POST" }, {}, closed), 401)
  })
  it("is taken as Bearer and as the password of Basic, whole and as it is", () => {
    const { adminToken } = closed
    for (const authorization of [`Bearer ${adminToken}`, `bearer  ${adminToken}`, basic(adminToken!)]) {
      assert.strictEqual(statusOf({ method: "PATCH" }, { authorization }, closed), 200, authorization)
    }
    for (const wrong of [
      "Bearer 0123456789abcde",
      `Bearer ${adminToken}x`,
      "Bearer",
      basic("x"),
      `Digest ${adminToken}`
    ]) {
      assert.strictEqual(statusOf({}, { authorization: wrong }, closed), 401, wrong)
    }
  })
  it("for reading reads, and asks, and changes nothing", () => {
    const authorization = `Bearer ${closed.adminReadToken}`
    assert.strictEqual(statusOf({}, { authorization }, closed), 200)
    assert.strictEqual(statusOf({ method: "POST", path: "/api/v1/explain" }, { authorization }, closed), 200)
    for (const path of ["/api/v1/config", "/api/v1/drain", "/api/v1/explain/"]) {
      assert.strictEqual(statusOf({ method: "POST", path }, { authorization }, closed), 403, path)
    }
  })
})

describe("a body", () => {
  it("that is too large is not read", () => {
    assert.strictEqual(statusOf({ method: "PATCH" }, { "content-length": "4194304" }), 200)
    assert.strictEqual(statusOf({ method: "PATCH" }, { "content-length": "4194305" }), 413)
  })
})

describe("a client's requests", () => {
  it("are so many a second, after so many at once", () => {
    let nowMs = 0
    const rates = new RateLimit(() => nowMs)
    let taken = 0
    while (rates.takes("192.0.2.1")) taken++
    assert.strictEqual(taken, 200)
    assert.isTrue(rates.takes("192.0.2.2"))
    nowMs = 100
    let more = 0
    while (rates.takes("192.0.2.1")) more++
    assert.strictEqual(more, 5)
  })
  it("end for a while after ten wrong tokens", () => {
    let nowMs = 0
    const rates = new RateLimit(() => nowMs)
    for (let i = 0; i < 10; i++) {
      assert.isFalse(rates.isGuessing("192.0.2.1"))
      rates.wrong("192.0.2.1")
    }
    assert.isTrue(rates.isGuessing("192.0.2.1"))
    assert.isFalse(rates.isGuessing("192.0.2.2"))
    nowMs = 6_001
    assert.isFalse(rates.isGuessing("192.0.2.1"))
  })
  it("are remembered of a thousand clients", () => {
    const rates = new RateLimit(() => 0)
    while (rates.takes("first")) {}
    for (let i = 0; i < 2_000; i++) rates.takes(`client ${i}`)
    assert.isTrue(rates.takes("first"))
  })
})

describe("while too much is asked", () => {
  /** The status that a server gives whose admin side is busy. */
  const statusesOf = (asked: ReadonlyArray<readonly [method: string, path: string]>, settings: GuardSettings) =>
    Effect.acquireUseRelease(
      Effect.promise(async () => {
        const server = createServer(
          guard(
            () => settings,
            { isBusy: true, ask: () => {} },
            (_, response) => response.end("answered")
          )
        )
        const sockets = new Set<never>()
        return { server, sockets, port: await listening(server, sockets) }
      }),
      ({ port }) =>
        Effect.forEach(
          asked,
          ([method, path]) =>
            // Not by `fetch`, which asks for what the path comes to.
            Effect.callback<number | undefined>((resume) => {
              const sent = sendRequest({ host: "127.0.0.1", port, method, path, agent: false }, (response) => {
                response.resume()
                resume(Effect.succeed(response.statusCode))
              })
              sent.end()
            }),
          { concurrency: "unbounded" }
        ),
      ({ server, sockets }) => Effect.sync(() => stop(server, sockets))
    )

  it.live("a request waits, and is answered once when that is over; those that come then do not wait", () =>
    Effect.gen(function* () {
      const busyness = { isBusy: true, ask: () => {} }
      let answered = 0
      const handler = guard(
        () => open,
        busyness,
        (_, response) => {
          answered++
          response.end("answered")
        }
      )
      const server = createServer(handler)
      const sockets = new Set<never>()
      const port = yield* Effect.promise(() => listening(server, sockets))
      yield* Effect.addFinalizer(() => Effect.sync(() => stop(server, sockets)))
      const get = Effect.promise(async () => (await fetch(`http://127.0.0.1:${port}/api/v1/status`)).status)
      const waiting = yield* Effect.forkChild(Effect.all([get, get, get], { concurrency: 3 }))
      yield* Effect.sleep(250)
      assert.strictEqual(answered, 0)
      busyness.isBusy = false
      assert.strictEqual(yield* get, 200)
      assert.deepStrictEqual(yield* Fiber.join(waiting), [200, 200, 200])
      assert.strictEqual(answered, 4)
    })
  )

  it.live("who sends requests one after another on a connection, and reads no answer, is let go", () =>
    Effect.gen(function* () {
      let asked = 0
      const server = createServer(
        guard(
          () => open,
          { isBusy: true, ask: () => asked++ },
          (_, response) => response.end("answered")
        )
      )
      const sockets = new Set<never>()
      const port = yield* Effect.promise(() => listening(server, sockets))
      yield* Effect.addFinalizer(() => Effect.sync(() => stop(server, sockets)))
      yield* Effect.callback<void>((resume) => {
        const socket = connect(port, "127.0.0.1", () =>
          socket.write("GET /api/v1/status HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n".repeat(1_000))
        )
        socket.on("error", () => {})
        socket.on("close", () => resume(Effect.void))
      })
      assert.strictEqual(asked, 16)
    })
  )

  it.live("the page with all its parts is sent, and probes are answered; the API is not", () =>
    Effect.gen(function* () {
      const parts = ["/", "/assets/dashboard.js", "/assets/dashboard.css?v=1", "/healthz", "/readyz"]
      for (const settings of [open, { ...closed, adminHosts: [] }]) {
        const statuses = yield* statusesOf(
          parts.map((path) => ["GET", path] as const),
          settings
        )
        assert.deepStrictEqual(
          statuses,
          parts.map(() => 200)
        )
      }
      const others = [
        ["GET", "/api/v1/status"],
        ["GET", "/metrics"],
        ["POST", "/"],
        ["GET", "/assets/../api/v1/status"]
      ] as const
      assert.deepStrictEqual(
        yield* statusesOf(others, open),
        others.map(() => 503)
      )
    })
  )
})
