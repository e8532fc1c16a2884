/** Clients of the admin side that are many, slow, huge or forging: nothing is changed by them, and names are answered. */
import { connect, type Socket } from "node:net"
import { assert, describe, it } from "@effect/vitest"
import { Effect, type Scope } from "effect"
import { steadyLoad } from "../support/clients/paced-load.ts"
import { startWithAdmin, untilAdmin } from "../support/servers/admin.ts"
import { residentMib } from "../support/servers/process.ts"
import { wireUpstream } from "../support/upstreams/fake-upstream.ts"
import { mirror } from "../support/upstreams/mirror.ts"

const TOKEN = "0123456789abcdef"

/** A raw connection: what came, and whether it was closed. */
const raw = (
  url: string
): Effect.Effect<
  { readonly socket: Socket; readonly text: () => string; readonly isClosed: () => boolean },
  never,
  Scope.Scope
> =>
  Effect.acquireRelease(
    Effect.callback((resume) => {
      const { hostname, port } = new URL(url)
      let text = ""
      let isClosed = false
      const socket = connect(Number(port), hostname, () =>
        resume(Effect.succeed({ socket, text: () => text, isClosed: () => isClosed }))
      )
      socket.on("data", (chunk) => {
        text += chunk.toString("latin1")
      })
      socket.on("error", () => {})
      socket.on("close", () => {
        isClosed = true
        resume(Effect.succeed({ socket, text: () => text, isClosed: () => isClosed }))
      })
    }),
    ({ socket }) => Effect.sync(() => socket.destroy())
  )

const until = (isSo: () => boolean): Effect.Effect<void> =>
  Effect.gen(function* () {
    while (!isSo()) yield* Effect.sleep(20)
  })

describe("hostile clients of the admin side", () => {
  it.live("cost no answer, no memory and no change", () =>
    Effect.gen(function* () {
      const upstream = yield* wireUpstream(mirror)
      const { admin, child, output, port, url } = yield* startWithAdmin({
        DNS_SERVER_UPSTREAMS: upstream.address,
        DNS_SERVER_ADMIN_TOKEN: TOKEN
      })
      const authorization = `Bearer ${TOKEN}`
      const load = yield* steadyLoad(port, (n) => `hit${n % 50}.load.example`, 200)
      const before = residentMib(child.pid!)

      // Heads that never end: closed in time, and no more than so many of one client; the others wait to be turned away.
      const beganMs = performance.now()
      const slow = yield* Effect.forEach(Array.from({ length: 100 }), () => raw(url), { concurrency: "unbounded" })
      for (const { socket } of slow) socket.write("GET /api/v1/status HTTP/1.1\r\nHost: 127.0.0.1\r\nX-Slow: ")
      yield* until(() => slow.some(({ isClosed }) => isClosed()))
      assert.isAtLeast(performance.now() - beganMs, 990)
      yield* until(() => slow.filter(({ isClosed }) => isClosed()).length >= 36)
      yield* until(() => slow.every(({ isClosed }) => isClosed()))

      // Bodies without an end, announced and not.
      const huge = yield* raw(url)
      huge.socket.write(
        `PATCH /api/v1/config HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: ${authorization}\r\nContent-Length: 99999999999\r\n\r\n`
      )
      yield* until(() => huge.isClosed())
      const chunked = yield* raw(url)
      chunked.socket.write(
        `PATCH /api/v1/config HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: ${authorization}\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n`
      )
      const chunk = `10000\r\n${"x".repeat(0x10000)}\r\n`
      for (let i = 0; i < 200 && !chunked.isClosed(); i++) {
        chunked.socket.write(chunk)
        if (i % 20 === 0) yield* Effect.sleep(10)
      }
      yield* until(() => chunked.isClosed() || /^HTTP\/1\.1 4\d\d/.test(chunked.text()))

      // Garbage, a head that is too large, a method that is none.
      for (const text of [
        "\x16\x03\x01\x00\x05hello",
        `GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nX: ${"x".repeat(20_000)}\r\n\r\n`,
        "BREW /pot HTTP/1.1\r\n\r\n"
      ]) {
        const { socket, isClosed } = yield* raw(url)
        socket.write(text)
        yield* until(isClosed)
      }

      // Streams that nobody reads: so many at a time, the others are told.
      const streams = yield* Effect.forEach(
        Array.from({ length: 40 }),
        (_, i) =>
          Effect.tap(raw(url), ({ socket }) =>
            Effect.sync(() => {
              socket.pause()
              socket.write(
                `GET /api/v1/queries/stream?name=filter${i} HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: ${authorization}\r\n\r\n`
              )
            })
          ),
        { concurrency: "unbounded" }
      )
      yield* Effect.sleep(300)
      for (const { socket } of streams) socket.resume()
      yield* until(() => streams.every(({ isClosed, text }) => isClosed() || /^HTTP\/1\.1 \d/.test(text())))
      assert.strictEqual(streams.filter(({ text }) => text().startsWith("HTTP/1.1 200")).length, 16)
      for (const { socket } of streams) socket.destroy()

      // Forged hosts and origins, and tokens that are guessed: refused, and after some wrong ones not even looked at.
      const forged = [
        { host: "rebound.example" },
        { origin: "http://evil.example" },
        { "sec-fetch-site": "cross-site" }
      ]
      for (const headers of forged) {
        const { socket, text } = yield* raw(url)
        const lines = Object.entries({ host: "127.0.0.1", authorization, ...headers }).map(
          ([name, value]) => `${name}: ${value}\r\n`
        )
        socket.write(`POST /api/v1/drain HTTP/1.1\r\n${lines.join("")}content-length: 2\r\n\r\n{}`)
        yield* until(() => text().startsWith("HTTP/1.1 403"))
      }
      const statuses: Array<number> = []
      const guessingSinceMs = performance.now()
      for (let i = 0; i < 16; i++) {
        statuses.push((yield* admin("/api/v1/config", { headers: { authorization: `Bearer guess${i}` } })).status)
      }
      const forgottenMeanwhile = Math.ceil((performance.now() - guessingSinceMs) / 6_000)
      const heard = statuses.filter((status) => status === 401).length
      assert.isAtLeast(heard, 10)
      assert.isAtMost(heard, 10 + forgottenMeanwhile)
      assert.strictEqual(statuses.filter((status) => status === 429).length, statuses.length - heard)

      assert.strictEqual((yield* admin("/healthz")).status, 200)
      // Whoever has the token is heard again, once the wrong ones are forgotten.
      const status = yield* untilAdmin(
        admin("/api/v1/status", { headers: { authorization } }),
        (reply) => reply.status === 200
      )
      assert.deepInclude(status.json as object, { generation: 0, isReady: true, isDraining: false })
      const { asked, failed, lost } = yield* load.stop
      assert.isAbove(asked, 500)
      assert.deepStrictEqual({ failed, lost }, { failed: 0, lost: 0 })
      assert.isBelow(residentMib(child.pid!) - before, 150)
      assert.notInclude(output(), "is replaced")
    })
  )
})
