/** RFC 9110: what every answer by HTTP says of itself, by HTTP/1.1 and HTTP/2: its time (§6.6.1), and its length (§8.6). */
import { request as requestByHttp1 } from "node:https"
import { assert, describe, it } from "@effect/vitest"
import { Effect, type Scope } from "effect"
import { openHttps, request } from "../support/clients/https-client.ts"
import { query, question } from "../support/wire/messages.ts"
import { oneAddress } from "./responses.ts"
import { EVERYWHERE, portOf, serve } from "./ways.ts"

interface Said {
  readonly status: number
  readonly headers: Readonly<Record<string, unknown>>
  readonly length: number
}

type Ask = (method: string, path: string, type?: string) => Effect.Effect<Said, unknown, Scope.Scope>

const asked = (name: string): string =>
  `/dns-query?dns=${Buffer.from(query({ questions: [question(name)] })).toString("base64url")}`

const byHttp1 =
  (port: number): Ask =>
  (method, path, type) =>
    Effect.callback((resume) => {
      const headers = type === undefined ? {} : { "content-type": type }
      const sent = requestByHttp1(
        { host: "127.0.0.1", port, method, path, headers, rejectUnauthorized: false, agent: false },
        (response) => {
          let length = 0
          response.on("data", (chunk: Buffer) => {
            length += chunk.length
          })
          response.on("end", () =>
            resume(Effect.succeed({ status: response.statusCode!, headers: response.headers, length }))
          )
        }
      )
      sent.on("error", (error) => resume(Effect.fail(error)))
      sent.end()
    })

const byHttp2 =
  (port: number): Ask =>
  (method, path, type) =>
    Effect.gen(function* () {
      const session = yield* openHttps(port)
      const fields = { ":method": method, ":path": path, ...(type === undefined ? {} : { "content-type": type }) }
      const { body, headers, status } = yield* request(session, fields)
      return { status, headers, length: body.length }
    })

const statuses = [
  [200, "GET", asked("www.example.test"), undefined],
  [400, "GET", "/dns-query?dns=AAA", undefined],
  [404, "GET", "/elsewhere", undefined],
  [405, "PUT", "/dns-query", undefined],
  [415, "POST", "/dns-query", "text/html"]
] as const

for (const [version, by] of [
  ["HTTP/1.1", byHttp1],
  ["HTTP/2", byHttp2]
] as const) {
  describe(`RFC 9110, by ${version}`, () => {
    for (const [expected, method, path, type] of statuses) {
      it.live(`§6.6.1: an answer with status ${expected} says when it was given`, () =>
        Effect.gen(function* () {
          const { server } = yield* serve(oneAddress, EVERYWHERE)
          const beganMs = Date.now()
          const { headers, status } = yield* by(portOf(server, "https"))(method, path, type)
          assert.strictEqual(status, expected)
          const text = String(headers["date"])
          assert.match(text, /^\w{3}, \d\d \w{3} \d{4} \d\d:\d\d:\d\d GMT$/)
          assert.isAtLeast(Date.parse(text), Math.floor(beganMs / 1000) * 1000)
          assert.isAtMost(Date.parse(text), Date.now())
        })
      )
    }

    it.live("§8.6, §9.3.2: a HEAD says the length that a GET has, and has no content", () =>
      Effect.gen(function* () {
        const { server } = yield* serve(oneAddress, EVERYWHERE)
        const ask = by(portOf(server, "https"))
        for (const path of [asked("www.example.test"), "/elsewhere", "/dns-query?dns=AAA"]) {
          const got = yield* ask("GET", path)
          const head = yield* ask("HEAD", path)
          assert.isAbove(got.length, 0)
          assert.strictEqual(got.headers["content-length"], String(got.length))
          assert.deepStrictEqual(
            [head.status, head.length, head.headers["content-length"], head.headers["content-type"]],
            [got.status, 0, got.headers["content-length"], got.headers["content-type"]]
          )
        }
      })
    )
  })
}
