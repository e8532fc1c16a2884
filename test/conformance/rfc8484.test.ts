/**
 * RFC 8484: DNS queries over HTTPS (DoH). The listener: methods and media types (§4.1), statuses (§4.2.1), how long an
 * answer may be kept by HTTP (§5.1), versions of HTTP (§5.2), messages (§6). Upstreams by HTTPS likewise.
 */
import { request as requestByHttp1 } from "node:https"
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { DNS_MESSAGE, type HttpsReply, openHttps, request } from "../support/clients/https-client.ts"
import { serverTrusting } from "../support/servers/trusting-server.ts"
import { answerHttps, httpsUpstream } from "../support/upstreams/https-upstream.ts"
import { mirrorReply } from "../support/upstreams/mirror.ts"
import { authority } from "../support/wire/certificates.ts"
import { query, question, record } from "../support/wire/messages.ts"
import { readReply } from "../support/wire/reply-reader.ts"
import {
  address,
  always,
  asking,
  here,
  NOERROR,
  NXDOMAIN,
  oneAddress,
  respond,
  roomFor,
  SERVFAIL,
  soa,
  textOf
} from "./responses.ts"
import { EVERYWHERE, portOf, serve } from "./ways.ts"

const WWW = "www.example.test"
const TXT = 16
const MESSAGE = { "content-type": DNS_MESSAGE }
const POST = { ":method": "POST", ...MESSAGE }

const withId = (id: number, name = WWW): Buffer => Buffer.from(query({ id, questions: [question(name)] }))
const pathFor = (message: Uint8Array, more = ""): string =>
  `/dns-query?dns=${Buffer.from(message).toString("base64url")}${more}`

const open = (behaviour = oneAddress, settings: Record<string, string> = {}) =>
  Effect.gen(function* () {
    const { server, upstream } = yield* serve(behaviour, { ...EVERYWHERE, ...settings })
    const session = yield* openHttps(portOf(server, "https"))
    return { server, upstream, session }
  })

describe("RFC 8484: DNS queries over HTTPS (DoH)", () => {
  it.live("§4.1: POST carries the message in its body, GET in `dns`, and both get the same answer", () =>
    Effect.gen(function* () {
      const { session, upstream } = yield* open()
      for (const headers of [POST, { ":path": pathFor(withId(0)) }]) {
        const {
          body,
          headers: answered,
          status
        } = yield* request(session, headers, ":method" in headers ? withId(0) : undefined)
        assert.strictEqual(status, 200)
        assert.strictEqual(answered["content-type"], DNS_MESSAGE)
        assert.strictEqual(answered["content-length"], String(body.length))
        assert.deepStrictEqual([readReply(body).id, readReply(body).answers.length], [0, 1])
      }
      assert.strictEqual(upstream.queries(), 1)
    })
  )

  it.live("§4.1: the id is the query's, 0 as caches want it or any other, and requests are told apart without it", () =>
    Effect.gen(function* () {
      const { session } = yield* open((asked) => [{ reply: mirrorReply(asked), delayMs: 20 }])
      const names = Array.from({ length: 40 }, (_, i) => `n${i}.example.test`)
      const replies = yield* Effect.forEach(names, (name) => request(session, POST, withId(0, name)), {
        concurrency: "unbounded"
      })
      for (const [i, { body }] of replies.entries()) {
        assert.strictEqual(body.readUInt16BE(0), 0)
        assert.strictEqual(readReply(body).question, Buffer.from(question(names[i]!)).toString("hex"))
      }
      for (const id of [1, 0x8000, 0xffff]) {
        assert.strictEqual((yield* request(session, POST, withId(id))).body.readUInt16BE(0), id)
      }
    })
  )

  it.live("§4.1.1: equal requests by GET get equal answers, but for what is left of the TTL", () =>
    Effect.gen(function* () {
      const { session } = yield* open(always({ answers: [address(86_400)] }))
      const first = yield* request(session, { ":path": pathFor(withId(0)) })
      const second = yield* request(session, { ":path": pathFor(withId(0)) })
      assert.strictEqual(first.body.length, second.body.length)
      const ttlAt = first.body.length - 10
      assert.deepStrictEqual(first.body.fill(0, ttlAt, ttlAt + 4), second.body.fill(0, ttlAt, ttlAt + 4))
    })
  )

  it.live("§4.1: other parameters stand beside `dns`, before it and behind it", () =>
    Effect.gen(function* () {
      const { session } = yield* open()
      const dns = withId(0).toString("base64url")
      for (const path of [`?ct=${DNS_MESSAGE}&dns=${dns}`, `?dns=${dns}&ct=${DNS_MESSAGE}`, `?a&dns=${dns}&=b`]) {
        const { body, status } = yield* request(session, { ":path": `/dns-query${path}` })
        assert.deepStrictEqual([status, readReply(body).answers.length], [200, 1], path)
      }
    })
  )

  it.live("§4.2.1: the status is 200 whatever the rcode is: that stands in the message", () =>
    Effect.gen(function* () {
      for (const [behaviour, asked, rcode] of [
        [always({ flags: NXDOMAIN, authorities: [soa(300)] }), asking(WWW), 3],
        [always({ flags: SERVFAIL }), asking(WWW), 2],
        [oneAddress, asking(WWW, 252), 5],
        [oneAddress, asking(WWW).subarray(0, 20), 1],
        [oneAddress, asking(WWW, 1, undefined, 5 << 11), 4],
        [oneAddress, asking(WWW, 1, { version: 1 }), 16]
      ] as const) {
        const { session } = yield* open(behaviour)
        for (const reply of [
          yield* request(session, POST, asked),
          yield* request(session, { ":path": pathFor(asked) })
        ]) {
          assert.deepStrictEqual([reply.status, readReply(reply.body).rcode], [200, rcode])
          assert.strictEqual(reply.headers["content-type"], DNS_MESSAGE)
        }
      }
    })
  )

  const refused: ReadonlyArray<readonly [status: number, headers: Record<string, string>, body?: Uint8Array]> = [
    [415, { ":method": "POST" }, withId(0)],
    [415, { ":method": "POST", "content-type": "application/json" }, withId(0)],
    [415, { ":method": "POST", "content-type": "application/dns-udpwireformat" }, withId(0)],
    [405, { ":method": "PUT", ...MESSAGE }, withId(0)],
    [405, { ":method": "DELETE", ":path": pathFor(withId(0)) }],
    [413, POST, Buffer.alloc(65_536)],
    [404, { ":path": pathFor(withId(0)).replace("dns-query", "other") }],
    [400, { ":path": "/dns-query" }],
    [400, { ":path": "/dns-query?dns=" }],
    [400, { ":path": "/dns-query?dns=%2B%2F" }],
    [400, { ":path": "/dns-query?dns=AAAA" }],
    [400, { ":path": pathFor(Buffer.alloc(11)) }],
    [400, POST, Buffer.alloc(0)],
    [400, POST, Buffer.alloc(11)],
    // A response.
    [400, POST, respond(withId(0), { flags: NOERROR })]
  ]

  it.live("§4.2.1: what is no query gets the status that HTTP has for it, and no message", () =>
    Effect.gen(function* () {
      const { session, upstream } = yield* open()
      for (const [status, headers, body] of refused) {
        const reply: HttpsReply = yield* request(session, headers, body)
        assert.strictEqual(reply.status, status, JSON.stringify(headers))
        assert.notStrictEqual(reply.headers["content-type"], DNS_MESSAGE)
        if (status === 405) assert.match(String(reply.headers["allow"]), /GET.*POST/)
      }
      assert.strictEqual(upstream.queries(), 0)
      assert.strictEqual((yield* request(session, POST, withId(0))).status, 200)
    })
  )

  const maxAge = ({ headers }: HttpsReply): number =>
    Number(/^max-age=(\d+)$/.exec(String(headers["cache-control"]))?.[1])

  it.live("§5.1: an answer may be kept for the smallest TTL of its records, and what is left of it", () =>
    Effect.gen(function* () {
      const alias = record(here, 5, 60, Buffer.from("\x05alias\xc0\x10", "latin1"))
      const { session } = yield* open(always({ answers: [alias, address(300, 1, Uint8Array.from([0xc0, 0x2e]))] }))
      for (const _ of ["asked for", "from the cache"]) {
        const reply = yield* request(session, POST, withId(0))
        const ttls = readReply(reply.body).answers.map(({ ttl }) => ttl)
        assert.strictEqual(ttls.length, 2)
        assert.strictEqual(maxAge(reply), Math.min(...ttls))
      }
    })
  )

  it.live("§5.1: one that there is nothing by its SOA, and one that is not kept, or failed, not at all", () =>
    Effect.gen(function* () {
      for (const [behaviour, seconds] of [
        [always({ flags: NXDOMAIN, authorities: [soa(3_000, 120)] }), 120],
        [always({ authorities: [soa(90, 120)] }), 90],
        [always({ answers: [address(0)] }), 0],
        [always({ flags: NXDOMAIN }), 0],
        [always({ flags: SERVFAIL }), 0]
      ] as const) {
        const { session } = yield* open(behaviour)
        assert.strictEqual(maxAge(yield* request(session, POST, withId(0))), seconds)
      }
    })
  )

  it.live("§5.2: HTTP/2 is what is chosen, and its requests are answered as they are ready", () =>
    Effect.gen(function* () {
      const { session } = yield* open((asked) => [
        {
          reply: mirrorReply(asked),
          ...(asked.toString("latin1", 13, 17).toLowerCase() === "slow" ? { delayMs: 150 } : {})
        }
      ])
      const order: Array<string> = []
      yield* Effect.forEach(
        ["slow.example.test", "a.example.test", "b.example.test"],
        (name) => Effect.tap(request(session, POST, withId(0, name)), () => Effect.sync(() => order.push(name))),
        { concurrency: "unbounded" }
      )
      assert.strictEqual(session.alpnProtocol, "h2")
      assert.strictEqual(order.at(-1), "slow.example.test")
    })
  )

  it.live("§5.2: HTTP/1.1 is answered too, by both methods", () =>
    Effect.gen(function* () {
      const { server } = yield* open()
      for (const method of ["GET", "POST"]) {
        const [status, type, body] = yield* Effect.callback<readonly [number, unknown, Buffer]>((resume) => {
          const asked = requestByHttp1(
            {
              host: "127.0.0.1",
              port: portOf(server, "https"),
              method,
              path: method === "GET" ? pathFor(withId(0)) : "/dns-query",
              headers: method === "GET" ? { accept: DNS_MESSAGE } : MESSAGE,
              rejectUnauthorized: false
            },
            (response) => {
              const chunks: Array<Buffer> = []
              response.on("data", (chunk: Buffer) => chunks.push(chunk))
              response.on("end", () =>
                resume(Effect.succeed([response.statusCode!, response.headers["content-type"], Buffer.concat(chunks)]))
              )
            }
          )
          asked.end(method === "POST" ? withId(0) : undefined)
          return Effect.sync(() => asked.destroy())
        })
        assert.deepStrictEqual([status, type, readReply(body).answers.length], [200, DNS_MESSAGE, 1])
      }
    })
  )

  it.live("§6: the media type may have parameters and be written in any case", () =>
    Effect.gen(function* () {
      const { session } = yield* open()
      for (const type of [DNS_MESSAGE, "Application/DNS-Message", `${DNS_MESSAGE}; charset=utf-8`]) {
        assert.strictEqual(
          (yield* request(session, { ":method": "POST", "content-type": type }, withId(0))).status,
          200
        )
      }
    })
  )

  it.live("§6: base64url has no padding, and every octet of the alphabet", () =>
    Effect.gen(function* () {
      const { session } = yield* open()
      // Names of all lengths, so that what is encoded ends in each way.
      for (let length = 1; length <= 6; length++) {
        const asked = withId(0, `${"~?".repeat(3).slice(0, length)}.example.test`)
        const path = pathFor(asked)
        assert.notMatch(path, /[+/=]$/)
        const { body, status } = yield* request(session, { ":path": path })
        assert.deepStrictEqual([status, readReply(body).question], [200, asked.toString("hex", 12)])
      }
    })
  )

  it.live("§6: the size in the OPT says nothing here: an answer of 65,535 octets comes whole", () =>
    Effect.gen(function* () {
      const { session } = yield* open((asked, transport) => [
        {
          reply:
            transport === "udp"
              ? respond(asked, { flags: NOERROR | 0x200 })
              : respond(asked, { answers: [record(here, TXT, 60, textOf(roomFor(asked, 65_535 - 11)))] })
        }
      ])
      const { body } = yield* request(session, POST, asking(WWW, TXT, { size: 512 }))
      const reply = readReply(body)
      assert.deepStrictEqual([reply.length, reply.flags, reply.answers.length], [65_535, "QR RD RA", 1])
    })
  )

  it.live("§4.1, §6: an upstream is asked with id 0, and the media type in both directions", () =>
    Effect.gen(function* () {
      const trusted = authority()
      const upstream = yield* httpsUpstream({ certificate: trusted.issue({ names: ["127.0.0.1"] }) })
      for (const template of ["/dns-query", "/dns-query{?dns}"]) {
        const server = yield* serverTrusting(trusted)([`https://127.0.0.1:${upstream.port}${template}`])
        for (const name of ["a.test", "b.test"]) assert.strictEqual((yield* server.ask({ name })).answers!.length, 1)
      }
      assert.strictEqual(upstream.requests.length, 4)
      for (const { headers, query: asked } of upstream.requests) {
        assert.strictEqual(asked.readUInt16BE(0), 0)
        assert.strictEqual(headers.accept, DNS_MESSAGE)
        if (headers[":method"] === "POST") assert.strictEqual(headers["content-type"], DNS_MESSAGE)
        else assert.notMatch(headers[":path"]!, /=$|%|\+/)
      }
    })
  )

  it.live("§5.1: how old an upstream's answer is by HTTP is taken off its TTLs", () =>
    Effect.gen(function* () {
      const trusted = authority()
      const upstream = yield* httpsUpstream({
        certificate: trusted.issue({ names: ["127.0.0.1"] }),
        onRequest: (asked) => answerHttps(asked, { age: 3_000 }, respond(asked.query, { answers: [address(3_600)] }))
      })
      const server = yield* serverTrusting(trusted)([`https://127.0.0.1:${upstream.port}/dns-query`])
      const { answers } = yield* server.ask({ name: WWW })
      assert.isAtMost((answers![0] as { ttl: number }).ttl, 600)
    })
  )

  it.live("§4.2.1, §6: an upstream's answer counts with a status of success and the media type, and no other", () =>
    Effect.gen(function* () {
      const trusted = authority()
      for (const headers of [
        { ":status": 500 },
        { ":status": 404 },
        { ":status": 302, location: "/" },
        { "content-type": "text/html" },
        { "content-type": "application/json" }
      ]) {
        const upstream = yield* httpsUpstream({
          certificate: trusted.issue({ names: ["127.0.0.1"] }),
          onRequest: (asked) => answerHttps(asked, headers)
        })
        const server = yield* serverTrusting(trusted)([`https://127.0.0.1:${upstream.port}/dns-query`], {
          DNS_SERVER_RETRIES: "0"
        })
        assert.strictEqual((yield* server.ask({ name: WWW })).answers!.length, 0, JSON.stringify(headers))
        assert.isAbove(upstream.requests.length, 0)
      }
    })
  )
})
