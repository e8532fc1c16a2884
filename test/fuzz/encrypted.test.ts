/** Broken messages by TLS and HTTPS, and broken TLS and HTTP around them, the same in every run: the server goes on. */
import { readdirSync, readFileSync } from "node:fs"
import { connect } from "node:net"
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { DNS_MESSAGE, openHttps, request } from "../support/clients/https-client.ts"
import {
  END_HEADERS,
  END_STREAM,
  FrameType,
  frame,
  openRawHttp2,
  requestHeaders
} from "../support/clients/raw-http2.ts"
import { exchangeWithin, socketAt } from "../support/clients/udp-client.ts"
import { addressesOf, encodeQuestion, type RunningServer, startServer } from "../support/servers/server.ts"
import { clientByTls } from "../support/servers/stream-server.ts"
import { framed, wireUpstream } from "../support/upstreams/fake-upstream.ts"
import { mirror } from "../support/upstreams/mirror.ts"
import { octets, seeded } from "../support/wire/messages.ts"
import { readReply } from "../support/wire/reply-reader.ts"
import { broken, rounds, sample, seed } from "./mutations.ts"

const listening = Effect.gen(function* () {
  const upstream = yield* wireUpstream(mirror)
  return yield* startServer({
    DNS_SERVER_UPSTREAMS: upstream.address,
    DNS_SERVER_LISTEN: "127.0.0.1:0,tls://127.0.0.1:0,https://127.0.0.1:0,http://127.0.0.1:0"
  })
})

const portOf = ({ listening: all }: RunningServer, protocol: string): number =>
  all.find((each) => each.protocol === protocol)!.endpoint.port

/** The server answers by each way, and met no fault of its own. */
const isWell = (server: RunningServer) =>
  Effect.gen(function* () {
    assert.strictEqual(addressesOf(yield* server.ask({ name: "fine.example.test" })).length, 1)
    const session = yield* openHttps(portOf(server, "https"))
    const query = encodeQuestion({ name: "fine.example.test" }, 0)
    const { body, status } = yield* request(session, { ":method": "POST", "content-type": DNS_MESSAGE }, query)
    assert.strictEqual(status, 200)
    assert.strictEqual(readReply(body).answers.length, 1)
    assert.strictEqual(server.counters.read("defects"), 0)
  })

describe("the server", () => {
  it.live("goes on under broken messages by TLS, and every reply is well-formed", () =>
    Effect.gen(function* () {
      const server = yield* listening
      const random = seeded(seed + 3)
      const wrong: Array<string> = []
      for (let i = 0; i < rounds(30); i++) {
        yield* Effect.scoped(
          Effect.gen(function* () {
            const socket = yield* clientByTls({ address: "127.0.0.1", port: portOf(server, "tls") })
            let rest = Buffer.alloc(0)
            socket.on("data", (chunk: Buffer) => {
              rest = Buffer.concat([rest, chunk])
              while (rest.length >= 2 && rest.length >= 2 + rest.readUInt16BE(0)) {
                const reply = rest.subarray(2, 2 + rest.readUInt16BE(0))
                rest = rest.subarray(2 + reply.length)
                try {
                  readReply(reply)
                } catch (error) {
                  wrong.push(`${reply.toString("hex")}: ${String(error)}`)
                }
              }
            })
            for (let n = 0; n < 40 && !socket.destroyed; n++) socket.write(framed(broken(random, sample(random))))
            // A whole one behind them is answered, or the connection is closed for what came before.
            yield* Effect.callback<void>((resume) => {
              socket.once("close", () => resume(Effect.void))
              socket.once("end", () => resume(Effect.void))
              socket.on("data", () => setTimeout(() => resume(Effect.void), 5))
              socket.write(framed(encodeQuestion({ name: "last.example.test" }, i)))
            })
          })
        )
      }
      assert.deepStrictEqual(wrong, [])
      yield* isWell(server)
    })
  )

  it.live("goes on under broken TLS: records, handshakes, what is no TLS at all", () =>
    Effect.gen(function* () {
      const server = yield* listening
      const random = seeded(seed + 4)
      // What a client says first, kept to be broken.
      const hello = readFileSync(new URL("corpus/client-hello.bin", import.meta.url))
      for (let i = 0; i < rounds(300); i++) {
        const port = portOf(server, random(2) === 0 ? "tls" : "https")
        const octetsOf = random(4) === 0 ? Buffer.from(sample(random)) : broken(random, hello)
        yield* Effect.callback<void>((resume) => {
          const socket = connect({ host: "127.0.0.1", port })
          const done = (): void => {
            socket.destroy()
            resume(Effect.void)
          }
          socket.on("error", () => {})
          socket.on("close", () => resume(Effect.void))
          socket.on("data", done)
          socket.on("connect", () => {
            socket.write(octetsOf)
            setTimeout(done, 3)
          })
        })
      }
      yield* isWell(server)
    })
  )

  it.live("goes on under broken messages by HTTPS: each is answered by a message, or by an error of HTTP", () =>
    Effect.gen(function* () {
      const server = yield* listening
      const random = seeded(seed + 5)
      const session = yield* openHttps(portOf(server, "https"))
      for (let i = 0; i < rounds(600); i++) {
        const message = broken(random, sample(random))
        const headers =
          random(2) === 0
            ? { ":method": "GET", ":path": `/dns-query?dns=${message.toString("base64url")}` }
            : { ":method": "POST", "content-type": DNS_MESSAGE }
        const { body, status } = yield* request(session, headers, headers[":method"] === "GET" ? undefined : message)
        assert.include([200, 400], status)
        if (status === 200) readReply(body)
      }
      yield* isWell(server)
    })
  )

  it.live("goes on under broken HTTP/2 and HTTP/1.1", () =>
    Effect.gen(function* () {
      const server = yield* listening
      const random = seeded(seed + 6)
      for (let i = 0; i < rounds(60); i++) {
        yield* Effect.scoped(
          Effect.gen(function* () {
            const client = yield* openRawHttp2(portOf(server, "https"))
            for (let stream = 1; stream < 41; stream += 2) {
              const frames = octets(
                frame(FrameType.Headers, END_HEADERS, stream, requestHeaders({ a: "b".repeat(random(90)) })),
                frame(random(12), random(256), random(4) === 0 ? random(64) : stream, new Uint8Array(random(20))),
                frame(FrameType.Data, END_STREAM, stream, sample(random))
              )
              if (!(yield* client.send(broken(random, frames)))) break
            }
          })
        )
      }
      const get = Buffer.from(
        "POST /dns-query HTTP/1.1\r\nhost: dns.example\r\ncontent-type: application/dns-message\r\ncontent-length: 34\r\n\r\n"
      )
      for (let i = 0; i < rounds(200); i++) {
        yield* Effect.callback<void>((resume) => {
          const socket = connect({ host: "127.0.0.1", port: portOf(server, "http") })
          socket.on("error", () => {})
          socket.on("close", () => resume(Effect.void))
          socket.on("data", () => socket.destroy())
          socket.on("connect", () => {
            socket.write(broken(random, octets(get, sample(random))))
            setTimeout(() => socket.destroy(), 3)
          })
        })
      }
      yield* isWell(server)
    })
  )

  const corpus = readdirSync(new URL("corpus/", import.meta.url)).filter((file) => file.endsWith(".hex"))

  it.live("answers, or passes over, all that was found to be hard before, by each way", () =>
    Effect.gen(function* () {
      const server = yield* listening
      assert.isAbove(corpus.length, 5)
      const socket = yield* socketAt("127.0.0.1")
      const session = yield* openHttps(portOf(server, "https"))
      for (const file of corpus) {
        const text = readFileSync(new URL(`corpus/${file}`, import.meta.url), "utf8")
        const message = Buffer.from(text.replaceAll(/#.*|\s/g, ""), "hex")
        const byUdp = yield* exchangeWithin(socket, server.port, message, 40)
        if (byUdp !== undefined) readReply(byUdp)
        const { status } = yield* request(session, { ":method": "POST", "content-type": DNS_MESSAGE }, message)
        assert.include([200, 400], status, file)
        yield* Effect.scoped(
          Effect.gen(function* () {
            const tls = yield* clientByTls({ address: "127.0.0.1", port: portOf(server, "tls") })
            tls.write(framed(message))
            tls.end()
          })
        )
      }
      yield* isWell(server)
    })
  )
})
