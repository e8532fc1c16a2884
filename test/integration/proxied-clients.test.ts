/** Clients behind a proxy that says who they are: by UDP, TCP, TLS and HTTPS, by both ways of moving octets. */
import { createSocket } from "node:dgram"
import { connect, type Socket } from "node:net"
import { connect as connectByTls } from "node:tls"
import { assert, describe, it } from "@effect/vitest"
import { Effect, type Scope } from "effect"
import { FrameReader } from "../../src/io/frames.ts"
import { libc } from "../../src/io/linux/libc.ts"
import { onReply } from "../support/clients/udp-client.ts"
import { encodeQuestion, type RunningServer, startServer } from "../support/servers/server.ts"
import { address, fakeUpstream, framed } from "../support/upstreams/fake-upstream.ts"
import { headerV2 } from "../support/wire/proxy.ts"

const ALLOWED = "198.51.100.7"
const DENIED = "203.0.113.9"
const REFUSED = 5

const started = (datagrams: string, more = ""): Effect.Effect<RunningServer, never, Scope.Scope> =>
  Effect.flatMap(fakeUpstream(address("192.0.2.1")), (upstream) =>
    startServer({
      DNS_SERVER_UPSTREAMS: upstream.address,
      DNS_SERVER_LISTEN: `127.0.0.1:0,tls://127.0.0.1:0,https://127.0.0.1:0${more}`,
      DNS_SERVER_PROXY_PROTOCOL_FROM: "127.0.0.1/32",
      DNS_SERVER_ALLOW: `${ALLOWED}/32`,
      DNS_SERVER_DATAGRAMS: datagrams
    })
  )

const portOf = (server: RunningServer, protocol: string): number =>
  server.listening.find((listening) => listening.protocol === protocol)!.endpoint.port

const question = framed(encodeQuestion({ name: "www.example.test" }, 7))

/** The rcode of the answer; -1 where the connection ends without one. */
const rcodeBy = (
  server: RunningServer,
  protocol: "tcp" | "tls",
  header: string | Buffer,
  pieces = 1
): Effect.Effect<number, never, Scope.Scope> =>
  Effect.callback<number>((resume) => {
    const carrier = connect(portOf(server, protocol), "127.0.0.1", () => {
      const octets = Buffer.from(header as string, "latin1")
      const size = Math.ceil(octets.length / pieces)
      const say = (at: number): void => {
        if (at < octets.length)
          carrier.write(octets.subarray(at, at + size), () => setTimeout(() => say(at + size), 10))
        else begin()
      }
      say(0)
    })
    let socket: Socket = carrier
    const begin = (): void => {
      if (protocol === "tls") {
        socket = connectByTls({ socket: carrier, rejectUnauthorized: false })
        socket.on("error", () => {})
      }
      const frames = new FrameReader()
      socket.on("data", (chunk: Buffer) => frames.push(chunk, (message) => resume(Effect.succeed(message[3]! & 15))))
      socket.write(question)
    }
    carrier.on("error", () => {})
    carrier.on("close", () => resume(Effect.succeed(-1)))
    carrier.resume()
    return Effect.sync(() => {
      socket.destroy()
      carrier.destroy()
    })
  })

const rcodeByUdp = (server: RunningServer, header: Buffer | string): Effect.Effect<number> =>
  Effect.callback<number>((resume) => {
    const socket = createSocket("udp4")
    const timer = setTimeout(() => resume(Effect.succeed(-1)), 1_000)
    onReply(socket, portOf(server, "udp"), (message) => resume(Effect.succeed(message[3]! & 15)))
    socket.send(
      Buffer.concat([Buffer.from(header as string, "latin1"), question.subarray(2)]),
      portOf(server, "udp"),
      "127.0.0.1"
    )
    return Effect.sync(() => {
      clearTimeout(timer)
      socket.close()
    })
  })

for (const datagrams of libc === undefined ? ["portable"] : ["batched", "portable"]) {
  describe(`a proxy that says who is behind it (${datagrams})`, () => {
    for (const protocol of ["tcp", "tls"] as const) {
      it.live(`is believed by ${protocol.toUpperCase()}, in text and in octets, in one piece and in many`, () =>
        Effect.gen(function* () {
          const server = yield* started(datagrams)
          for (const pieces of [1, 3]) {
            assert.strictEqual(yield* rcodeBy(server, protocol, headerV2(ALLOWED, 4711), pieces), 0)
            assert.strictEqual(yield* rcodeBy(server, protocol, headerV2(DENIED, 4711), pieces), REFUSED)
            const text = (from: string): string => `PROXY TCP4 ${from} 127.0.0.1 4711 53\r\n`
            assert.strictEqual(yield* rcodeBy(server, protocol, text(ALLOWED), pieces), 0)
            assert.strictEqual(yield* rcodeBy(server, protocol, text(DENIED), pieces), REFUSED)
          }
        })
      )

      it.live(`is not heard by ${protocol.toUpperCase()} where it does not say so`, () =>
        Effect.gen(function* () {
          const server = yield* started(datagrams)
          assert.strictEqual(yield* rcodeBy(server, protocol, ""), -1)
          assert.strictEqual(yield* rcodeBy(server, protocol, "PROXY what is this\r\n"), -1)
          assert.strictEqual(yield* rcodeBy(server, protocol, headerV2(ALLOWED, 1, { version: 3 })), -1)
          assert.strictEqual(yield* rcodeBy(server, protocol, headerV2(ALLOWED, 4711)), 0)
        })
      )
    }

    it.live("is who connects where http:// takes connections from proxies alone", () =>
      Effect.gen(function* () {
        const server = yield* started(datagrams, ",http://127.0.0.1:0")
        const get = `GET /dns-query?dns=${question.subarray(2).toString("base64url")} HTTP/1.1\r\nhost: a.test\r\n\r\n`
        const answer = yield* Effect.callback<string>((resume) => {
          const socket = connect(portOf(server, "http"), "127.0.0.1", () =>
            socket.write(`PROXY TCP4 ${ALLOWED} 127.0.0.1 4711 80\r\n${get}`)
          )
          socket.on("data", (chunk: Buffer) => resume(Effect.succeed(chunk.toString("latin1"))))
          socket.on("error", () => {})
          socket.on("close", () => resume(Effect.succeed("closed")))
          return Effect.sync(() => socket.destroy())
        })
        assert.match(answer, /^HTTP\/1\.1 200 /)
      })
    )

    it.live("is believed by UDP, and not heard where it does not say so", () =>
      Effect.gen(function* () {
        const server = yield* started(datagrams)
        assert.strictEqual(yield* rcodeByUdp(server, headerV2(ALLOWED, 4711, { isDatagram: true })), 0)
        assert.strictEqual(yield* rcodeByUdp(server, headerV2(DENIED, 4711, { isDatagram: true })), REFUSED)
        // Kept by now: the way of a hit.
        assert.strictEqual(yield* rcodeByUdp(server, headerV2(ALLOWED, 4712, { isDatagram: true })), 0)
        const dropped = server.counters.read("queries.dropped")
        assert.strictEqual(yield* rcodeByUdp(server, ""), -1)
        assert.strictEqual(server.counters.read("queries.dropped"), dropped + 1)
      })
    )
  })
}
