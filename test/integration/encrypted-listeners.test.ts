/** DNS over TLS and over HTTPS, by the clients that people use. */
import { execFile } from "node:child_process"
import { mkdtempSync, renameSync, rmSync, writeFileSync } from "node:fs"
import { connect as connectByHttp2, constants } from "node:http2"
import { connect } from "node:net"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { assert, describe, it } from "@effect/vitest"
import packet, { type Packet } from "dns-packet"
import { Effect, Fiber, type Scope } from "effect"
import { FrameReader } from "../../src/io/frames.ts"
import { openHttps, request } from "../support/clients/https-client.ts"
import { findTool } from "../support/external/tools.ts"
import { fileWith } from "../support/machine/files.ts"
import { freePort } from "../support/machine/ports.ts"
import { until, untilSo } from "../support/machine/until.ts"
import { startListening } from "../support/servers/process.ts"
import { encodeQuestion, type RunningServer, startServer } from "../support/servers/server.ts"
import { clientByTls } from "../support/servers/stream-server.ts"
import { certificateFor } from "../support/servers/tls-terms.ts"
import { address, fakeUpstream, framed, nameOf, reply, slow } from "../support/upstreams/fake-upstream.ts"

const ANSWER = "192.0.2.1"
const TTL = 300
const [kdig, dig, curl] = ["kdig", "dig", "curl"].map(findTool)

const started = (
  listen: string,
  settings: Record<string, string> = {}
): Effect.Effect<RunningServer, never, Scope.Scope> =>
  Effect.flatMap(fakeUpstream(address(ANSWER, TTL)), (upstream) =>
    startServer({ DNS_SERVER_UPSTREAMS: upstream.address, DNS_SERVER_LISTEN: listen, ...settings })
  )

const run = (command: string, args: ReadonlyArray<string>): Effect.Effect<string> =>
  Effect.callback((resume) => {
    execFile(command, args, (_error, stdout, stderr) => resume(Effect.succeed(stdout + stderr)))
  })

const at = (port: number): ReadonlyArray<string> => ["@127.0.0.1", "-p", String(port)]

const MESSAGE = { "content-type": "application/dns-message" }
const query = (name: string, id = 0): Buffer => encodeQuestion({ name }, id)
const addressIn = (message: Uint8Array): unknown =>
  (packet.decode(Buffer.from(message)).answers?.[0] as { data?: unknown } | undefined)?.data

/** A server that listens at an address, until that is taken from its file. */
const startRemovable = (scheme: "http" | "https") =>
  Effect.gen(function* () {
    const upstream = yield* fakeUpstream(address(ANSWER))
    const port = yield* freePort
    const file = yield* fileWith("")
    const write = (more: string): void =>
      writeFileSync(file, `upstreams: ${upstream.address}\nlisten: [127.0.0.1:0${more}]\n`)
    write(`, "${scheme}://127.0.0.1:${port}"`)
    const server = yield* startListening({ DNS_SERVER_LISTEN: "" }, ["--config", file])
    const takeAway = Effect.suspend(() => {
      write("")
      return until("the address is taken away", () => server.output().includes("changed: listen"))
    })
    return { port, takeAway }
  })

describe("DNS over TLS", () => {
  it.live.skipIf(kdig === undefined)("answers kdig, one query after the other on one connection", () =>
    Effect.gen(function* () {
      const server = yield* started("tls://127.0.0.1:0")
      const said = yield* run(kdig!, [...at(server.port), "+tls", "+keepopen", "a.example.test", "b.example.test"])
      assert.strictEqual(said.split("status: NOERROR").length - 1, 2)
      assert.strictEqual(said.split(ANSWER).length - 1, 2)
      assert.strictEqual(server.counters.read("queries.tls"), 2)
      assert.strictEqual(server.counters.read("tcp.accepted"), 1)
    })
  )

  it.live.skipIf(kdig === undefined)(
    "pads what it says to kdig, which pads too, and says how long it may be idle",
    () =>
      Effect.gen(function* () {
        const server = yield* started("tls://127.0.0.1:0", { DNS_SERVER_TCP_IDLE_TIMEOUT_SECS: "7" })
        const said = yield* run(kdig!, [...at(server.port), "+tls", "+padding", "+ednsopt=11", "www.example.test"])
        assert.match(said, /PADDING: \d+ B/)
        assert.include(said, "Received 468 B")
        assert.match(said, /(?:KEEPALIVE|EDNS-TCP-KEEPALIVE|Option \(11\)|keepalive)/i)
      })
  )

  it.live("answers out of order: what is known does not wait for what is not", () =>
    Effect.gen(function* () {
      const upstream = yield* fakeUpstream((asked, transport, count) =>
        (String(asked.questions?.[0]?.name).startsWith("slow") ? slow(400, address(ANSWER)) : address(ANSWER))(
          asked,
          transport,
          count
        )
      )
      const server = yield* startServer({
        DNS_SERVER_UPSTREAMS: upstream.address,
        DNS_SERVER_LISTEN: "tls://127.0.0.1:0"
      })
      const client = yield* clientByTls({ address: "127.0.0.1", port: server.port }, { ALPNProtocols: ["dot"] })
      assert.strictEqual(client.alpnProtocol, "dot")
      const ids = yield* Effect.callback<ReadonlyArray<number>>((resume) => {
        const frames = new FrameReader()
        const came: Array<number> = []
        client.on("data", (chunk: Buffer) => {
          frames.push(chunk, (message) => came.push((message[0]! << 8) | message[1]!))
          if (came.length === 3) resume(Effect.succeed(came))
        })
        client.write(
          Buffer.concat(
            [
              ["slow.test", 1],
              ["b.test", 2],
              ["c.test", 3]
            ].map(([name, id]) => framed(query(String(name), Number(id))))
          )
        )
      })
      assert.strictEqual(ids.at(-1), 1)
      assert.sameMembers([...ids], [1, 2, 3])
    })
  )

  it.live("closes a connection on which there is no handshake, and one on which there is nothing more", () =>
    Effect.gen(function* () {
      const server = yield* started("tls://127.0.0.1:0", { DNS_SERVER_TCP_IDLE_TIMEOUT_SECS: "0.3" })
      const mute = connect(server.port, "127.0.0.1")
      mute.on("error", () => {})
      const shaken = yield* clientByTls({ address: "127.0.0.1", port: server.port })
      shaken.resume()
      for (const socket of [mute, shaken]) {
        yield* Effect.callback<void>((resume) => {
          const done = (): void => resume(Effect.void)
          if (socket.closed || socket.readableEnded) return done()
          socket.resume()
          for (const event of ["end", "close"]) socket.once(event, done)
        })
      }
      assert.strictEqual(server.counters.read("tcp.expired"), 2)
    })
  )
})

describe("certificates", () => {
  it.live("are read again when their files change, and refused while they do not belong together", () =>
    Effect.gen(function* () {
      const folder = yield* Effect.acquireRelease(
        Effect.sync(() => mkdtempSync(join(tmpdir(), "strand-certificates-"))),
        (path) => Effect.sync(() => rmSync(path, { recursive: true }))
      )
      const [certificate, key] = [join(folder, "dns.pem"), join(folder, "dns.key")]
      const write = (file: string, text: string): void => {
        writeFileSync(`${file}.new`, text)
        renameSync(`${file}.new`, file)
      }
      const [first, second] = [certificateFor("first.example"), certificateFor("second.example")]
      write(certificate, first.certificate)
      write(key, first.key)
      const port = yield* freePort
      const upstream = yield* fakeUpstream(address(ANSWER))
      const server = yield* startListening({
        DNS_SERVER_UPSTREAMS: upstream.address,
        DNS_SERVER_LISTEN: `127.0.0.1:0,tls://127.0.0.1:${port}`,
        DNS_SERVER_TLS_CERTIFICATE_FILE: certificate,
        DNS_SERVER_TLS_KEY_FILE: key,
        DNS_SERVER_WORKERS: "2"
      })
      const shown = Effect.map(
        clientByTls({ address: "127.0.0.1", port }),
        (socket) => socket.getPeerCertificate().subjectaltname
      )
      assert.strictEqual(yield* shown, "DNS:first.example")
      write(certificate, second.certificate)
      yield* until("it is refused", () => server.output().includes("nothing changed"))
      assert.include(server.output(), `the key of ${certificate}`)
      assert.strictEqual(yield* shown, "DNS:first.example")
      write(key, second.key)
      yield* untilSo(
        "all threads show the other",
        Effect.map(Effect.replicateEffect(shown, 16), (names) => names.every((name) => name === "DNS:second.example"))
      )
      assert.notInclude(server.output(), "PRIVATE KEY")
    })
  )

  it.live("are made where none is given, and that is said", () =>
    Effect.gen(function* () {
      const port = yield* freePort
      const server = yield* startListening({
        DNS_SERVER_UPSTREAMS: "192.0.2.53",
        DNS_SERVER_LISTEN: `127.0.0.1:0,tls://127.0.0.1:${port}`,
        DNS_SERVER_WORKERS: "3"
      })
      assert.include(server.output(), "nobody vouches for")
      const shown = yield* Effect.replicateEffect(
        Effect.map(clientByTls({ address: "127.0.0.1", port }), (socket) => socket.getPeerCertificate().fingerprint256),
        16
      )
      assert.lengthOf([...new Set(shown)], 1)
    })
  )
})

describe("DNS over HTTPS", () => {
  it.live.skipIf(kdig === undefined || dig === undefined)(
    "answers kdig and dig, by POST, by GET, and in the clear",
    () =>
      Effect.gen(function* () {
        const server = yield* started("https://127.0.0.1:0,http://127.0.0.1:0/plain")
        const [encrypted, plain] = server.listening.map(({ endpoint }) => endpoint.port)
        for (const [command, args] of [
          [kdig, [...at(encrypted!), "+https"]],
          [kdig, [...at(encrypted!), "+https-get"]],
          [dig, [...at(encrypted!), "+https"]],
          [dig, [...at(encrypted!), "+https-get"]],
          [dig, [...at(plain!), "+http-plain=/plain"]]
        ] as const) {
          const said = yield* run(command!, [...args, "www.example.test"])
          assert.include(said, "status: NOERROR", args.join(" "))
          assert.include(said, ANSWER)
        }
        assert.strictEqual(server.counters.read("queries.https"), 5)
      })
  )

  it.live.skipIf(curl === undefined)("answers curl in JSON, by HTTP/2 and HTTP/1.1", () =>
    Effect.gen(function* () {
      const server = yield* started("https://127.0.0.1:0")
      for (const version of ["--http2", "--http1.1"]) {
        const url = `https://127.0.0.1:${server.port}/dns-query?name=www.example.test&type=A`
        const body = JSON.parse(yield* run(curl!, ["-sk", version, url])) as Record<string, unknown>
        assert.deepInclude(body, { Status: 0, TC: false, RD: true, RA: true })
        assert.deepStrictEqual(body["Question"], [{ name: "www.example.test.", type: 1 }])
        assert.deepInclude((body["Answer"] as ReadonlyArray<object>)[0]!, {
          name: "www.example.test.",
          type: 1,
          data: ANSWER
        })
      }
    })
  )

  it.live.skipIf(curl === undefined)("is what curl looks names up by (--doh-url)", () =>
    Effect.gen(function* () {
      const server = yield* started("https://127.0.0.1:0")
      const url = `https://127.0.0.1:${server.port}/dns-query`
      const said = yield* run(curl!, [
        ...["-sv", "--max-time", "2", "--doh-insecure", "--doh-url", url, "http://looked.up.test:9/"]
      ])
      assert.include(said, ANSWER)
    })
  )

  it.live("says how long an answer may be kept, with the id that was asked, each at its own time", () =>
    Effect.gen(function* () {
      const server = yield* started("https://127.0.0.1:0")
      const client = yield* openHttps(server.port)
      const replies = yield* Effect.forEach(
        Array.from({ length: 200 }, (_, i) => i),
        (i) => request(client, { ":method": "POST", ...MESSAGE }, query(`n${i}.example.test`, i)),
        { concurrency: 100 }
      )
      for (const [i, { body, headers, status }] of replies.entries()) {
        assert.strictEqual(status, 200)
        assert.strictEqual(headers["content-type"], "application/dns-message")
        assert.strictEqual(headers["content-length"], String(body.length))
        assert.match(String(headers["cache-control"]), /^max-age=(300|299|298)$/)
        assert.strictEqual(body.readUInt16BE(0), i)
        assert.strictEqual(addressIn(body), ANSWER)
      }
    })
  )

  it.live("takes the name of a client behind the path, and no other path", () =>
    Effect.gen(function* () {
      const server = yield* started("https://127.0.0.1:0/resolve")
      const client = yield* openHttps(server.port)
      const encoded = query("www.example.test").toString("base64url")
      const statusOf = (path: string, headers: Record<string, string> = {}, body?: Uint8Array) =>
        Effect.map(request(client, { ":path": path, ...headers }, body), ({ status }) => status)
      assert.strictEqual(yield* statusOf(`/resolve?dns=${encoded}`), 200)
      assert.strictEqual(yield* statusOf(`/resolve/laptop?dns=${encoded}`), 200)
      assert.strictEqual(yield* statusOf(`/resolve?ct=application/dns-message&dns=${encoded}`), 200)
      for (const path of ["/", "/resolver", "/resolve/a/b", "/dns-query"]) {
        assert.strictEqual(yield* statusOf(`${path}?dns=${encoded}`), 404, path)
      }
      for (const wrong of ["", "dns=", "dns=***", "dns=AAAA", "name=..", "name=www.test&type=NONE", "nothing=1"]) {
        assert.strictEqual(yield* statusOf(`/resolve?${wrong}`), 400, wrong)
      }
      assert.strictEqual(yield* statusOf("/resolve", { ":method": "PUT", ...MESSAGE }, query("www.test")), 405)
      assert.strictEqual(yield* statusOf("/resolve", { ":method": "POST" }, query("www.test")), 415)
      assert.strictEqual(yield* statusOf("/resolve", { ":method": "POST", ...MESSAGE }, Buffer.alloc(70_000)), 413)
      assert.strictEqual(yield* statusOf("/resolve", { ":method": "HEAD" }), 400)
    })
  )

  it.live("gives an answer of 60,000 octets to a client that allows little at a time", () =>
    Effect.gen(function* () {
      const upstream = yield* fakeUpstream((asked, transport) => [
        {
          reply:
            transport === "udp"
              ? reply(asked, { flags: packet.TRUNCATED_RESPONSE })
              : reply(asked, {
                  answers: Array.from({ length: 220 }, () => ({
                    name: nameOf(asked),
                    type: "TXT",
                    ttl: 60,
                    data: "x".repeat(255)
                  }))
                })
        }
      ])
      const server = yield* startServer({
        DNS_SERVER_UPSTREAMS: upstream.address,
        DNS_SERVER_LISTEN: "https://127.0.0.1:0"
      })
      const client = yield* Effect.acquireRelease(
        Effect.sync(() =>
          connectByHttp2(`https://127.0.0.1:${server.port}`, {
            rejectUnauthorized: false,
            settings: { initialWindowSize: 1_000 }
          })
        ),
        (made) => Effect.sync(() => made.destroy())
      )
      const asked = encodeQuestion({ name: "large.test", type: "TXT" }, 7)
      const replies = yield* Effect.replicateEffect(request(client, { ":method": "POST", ...MESSAGE }, asked), 3, {
        concurrency: 3
      })
      for (const { body } of replies) {
        assert.isAbove(body.length, 50_000)
        assert.strictEqual(packet.decode(body).answers?.length, 220)
      }
    })
  )

  it.live("answers a request that has begun to come where its address is taken away, and takes no others", () =>
    Effect.gen(function* () {
      const { port, takeAway } = yield* startRemovable("https")
      const client = yield* openHttps(port)
      let isLeaving = false
      client.on("goaway", () => {
        isLeaving = true
      })
      const asked = query("www.example.test")
      const begun = client.request({ ":path": "/dns-query", ":method": "POST", ...MESSAGE })
      begun.write(asked.subarray(0, 10))
      const answered = Effect.callback<Buffer>((resume) => {
        const parts: Array<Buffer> = []
        begun.on("data", (part: Buffer) => parts.push(part))
        begun.on("close", () => resume(Effect.succeed(Buffer.concat(parts))))
      })
      const waiting = yield* Effect.forkChild(answered, { startImmediately: true })
      // Its headers have come by the time that a ping is answered.
      yield* Effect.callback<void>((resume) => {
        client.ping(() => resume(Effect.void))
      })
      yield* takeAway
      yield* until("the client is told", () => isLeaving)
      begun.end(asked.subarray(10))
      const decoded = packet.decode(yield* Fiber.join(waiting))
      assert.strictEqual(decoded.answers?.length, 1)
      yield* until("the connection is closed", () => client.closed || client.destroyed)
    })
  )

  it.live("answers a request by HTTP/1.1 that has begun to come where its address is taken away, and closes", () =>
    Effect.gen(function* () {
      const { port, takeAway } = yield* startRemovable("http")
      const asked = query("www.example.test")
      const head = `POST /dns-query HTTP/1.1\r\nhost: a.test\r\ncontent-type: application/dns-message\r\ncontent-length: ${asked.length}\r\n\r\n`
      const whole = Buffer.concat([Buffer.from(head), asked])
      let said = ""
      let isClosed = false
      const socket = yield* Effect.acquireRelease(
        Effect.sync(() => connect(port, "127.0.0.1")),
        (opened) => Effect.sync(() => opened.destroy())
      )
      socket.on("data", (chunk: Buffer) => {
        said += chunk.toString("latin1")
      })
      socket.on("end", () => {
        isClosed = true
      })
      const answers = (): number => said.split("HTTP/1.1 200").length - 1
      socket.write(Buffer.concat([whole, whole.subarray(0, whole.length - 9)]))
      yield* until("the first is answered", () => answers() === 1)
      yield* takeAway
      assert.isFalse(isClosed)
      socket.write(whole.subarray(whole.length - 9))
      yield* until("the second is answered", () => answers() === 2)
      assert.include(said.slice(said.lastIndexOf("HTTP/1.1 200")), "connection: close")
      yield* until("the connection is closed", () => isClosed)
    })
  )

  it.live("in JSON of what has no text is an error, of what is long whole; neither keeps the connection open", () =>
    Effect.gen(function* () {
      const long = "l".repeat(60)
      const many = Array.from({ length: 300 }, (_, i) => `10.0.${i >> 8}.${i & 255}`)
      // TLSA with one octet of data, which is too few.
      const odd = (asked: Packet): Buffer => {
        const empty = reply(asked)
        empty.writeUInt16BE(1, 6)
        return Buffer.concat([empty, Buffer.from("c00c003400010000012c000101", "hex")])
      }
      const upstream = yield* fakeUpstream((asked) => {
        const name = nameOf(asked)
        const answers = many.map((data) => ({ name, type: "A" as const, ttl: TTL, data }))
        return [{ reply: name.startsWith("odd") ? odd(asked) : reply(asked, { answers }) }]
      })
      const server = yield* startServer({
        DNS_SERVER_UPSTREAMS: upstream.address,
        DNS_SERVER_LISTEN: "http://127.0.0.1:0",
        DNS_SERVER_TCP_IDLE_TIMEOUT_SECS: "1"
      })
      const get = (name: string, type: string) =>
        Effect.callback<string>((resume) => {
          let said = ""
          const socket = connect(server.port, "127.0.0.1", () =>
            socket.write(`GET /dns-query?name=${name}&type=${type} HTTP/1.1\r\nhost: a.test\r\n\r\n`)
          )
          socket.on("data", (chunk: Buffer) => {
            said += chunk.toString("latin1")
          })
          // The server closes it once it is idle.
          socket.on("close", () => resume(Effect.succeed(said)))
          return Effect.sync(() => socket.destroy())
        })
      assert.match(yield* get("odd.test", "TLSA"), /^HTTP\/1\.1 500 /)
      const whole = yield* get(`${long}.${long}.${long}.test`, "A")
      assert.match(whole, /^HTTP\/1\.1 200 /, whole.slice(0, 500))
      assert.lengthOf(JSON.parse(whole.slice(whole.indexOf("\r\n\r\n"))).Answer, many.length)
      assert.isAbove(whole.length, 66_000)
    })
  )

  it.live("ends sessions of clients that open requests and take them back, and serves the others", () =>
    Effect.gen(function* () {
      const server = yield* started("https://127.0.0.1:0")
      const hostile = yield* openHttps(server.port)
      let isGone = false
      hostile.on("goaway", (code) => {
        isGone = code === constants.NGHTTP2_ENHANCE_YOUR_CALM
      })
      const asked = query("www.example.test")
      for (let round = 0; round < 200 && !isGone && !hostile.destroyed; round++) {
        for (let i = 0; i < 50 && !hostile.destroyed; i++) {
          const stream = hostile.request({ ":path": "/dns-query", ":method": "POST", ...MESSAGE })
          stream.on("error", () => {})
          stream.end(asked)
          stream.close(constants.NGHTTP2_CANCEL)
        }
        yield* Effect.sleep(2)
      }
      assert.isTrue(isGone)
      const client = yield* openHttps(server.port)
      const { status } = yield* request(client, { ":method": "POST", ...MESSAGE }, asked)
      assert.strictEqual(status, 200)
    })
  )

  it.live("is given in the clear to proxies that are trusted, whose word is taken for who asks", () =>
    Effect.gen(function* () {
      const upstream = yield* fakeUpstream(address(ANSWER))
      const server = yield* startServer({
        DNS_SERVER_UPSTREAMS: upstream.address,
        DNS_SERVER_LISTEN: "http://127.0.0.1:0",
        DNS_SERVER_TRUSTED_PROXIES: "127.0.0.1/32",
        DNS_SERVER_ALLOW: "127.0.0.1/32,198.51.100.7/32,2001:db8::7/128"
      })
      const url = `http://127.0.0.1:${server.port}/dns-query?dns=${query("www.example.test").toString("base64url")}`
      const rcodeFor = (forwardedFor: string | undefined): Effect.Effect<number> =>
        Effect.promise(async () => {
          const headers: Record<string, string> = forwardedFor === undefined ? {} : { "x-forwarded-for": forwardedFor }
          const octets = new Uint8Array(await (await fetch(url, { headers })).arrayBuffer())
          return octets[3]! & 15
        })
      assert.strictEqual(yield* rcodeFor(undefined), 0)
      assert.strictEqual(yield* rcodeFor("198.51.100.7"), 0)
      assert.strictEqual(yield* rcodeFor("203.0.113.9"), 5)
      // Some proxies say the port, too.
      for (const said of ["198.51.100.7:4200", "[2001:db8::7]:4200", "[2001:db8::7]", "2001:db8::7"]) {
        assert.strictEqual(yield* rcodeFor(said), 0, said)
      }
      for (const said of ["203.0.113.9:4200", "[2001:db8::9]:4200", "[2001:db8::9]", "2001:db8::9"]) {
        assert.strictEqual(yield* rcodeFor(said), 5, said)
      }
      // What stands before the last, the client may have written itself.
      assert.strictEqual(yield* rcodeFor("198.51.100.7, 203.0.113.9"), 5)
      assert.strictEqual(yield* rcodeFor("what is this"), 0)
    })
  )
})
