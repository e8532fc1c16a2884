/** HTTP/1.1 as a client may write it: in pieces, one behind the other, and wrongly. */
import { assert, describe, it } from "@effect/vitest"
import packet from "dns-packet"
import { TextPeer } from "../../../src/io/peer.ts"
import { Http1Conversation } from "../../../src/listener/http/http1.ts"
import type { Speaking } from "../../../src/listener/stream/conversation.ts"
import { reserve } from "../../../src/listener/stream/reply-buffer.ts"
import type { Packet, ReplyPath } from "../../../src/query/packet.ts"
import { HTTPS } from "../../../src/query/transport.ts"
import { encodeQuestion } from "../../support/servers/server.ts"

/** A connection whose queries the test answers. */
class Client {
  readonly paths: Array<ReplyPath> = []
  readonly names: Array<string> = []
  isEnded = false
  isAnswering = true
  text = ""
  readonly conversation: Http1Conversation

  constructor() {
    const connection: Speaking = {
      peer: new TextPeer({ address: "192.0.2.1", port: 1 }),
      transport: HTTPS,
      nowMs: () => 0,
      begin: (asked: Packet) => {
        this.names.push(packet.decode(Buffer.from(asked.wire)).questions![0]!.name)
        this.paths.push(asked.keepPath())
        if (this.isAnswering) this.answer()
      },
      noteQuery: () => {},
      over: () => {},
      send: (length) => {
        const octets = reserve(length)
        this.text += Buffer.from(octets.buffer, octets.byteOffset, length).toString("latin1")
      },
      end: () => {
        this.isEnded = true
      }
    }
    this.conversation = new Http1Conversation(connection, { path: () => "/dns-query", isProxy: () => false })
  }

  answer(): void {
    const path = this.paths.shift()!
    path.reserve(5).set(Buffer.from("reply"))
    path.send(5, 60)
  }

  say(text: string): this {
    this.conversation.append(Buffer.from(text, "latin1"))
    return this.goOn()
  }

  goOn(): this {
    while (this.conversation.hasNext) this.conversation.next()
    return this
  }

  get statuses(): ReadonlyArray<number> {
    return [...this.text.matchAll(/HTTP\/1\.1 (\d+)/g)].map(([, status]) => Number(status))
  }
}

const message = (name: string): string => encodeQuestion({ name }, 0).toString("latin1")
const post = (name: string, more = ""): string => {
  const body = message(name)
  return `POST /dns-query HTTP/1.1\r\nHost: a\r\nContent-Type: application/dns-message\r\nContent-Length: ${body.length}\r\n${more}\r\n${body}`
}
const get = (name: string, version = "1.1"): string =>
  `GET /dns-query?dns=${Buffer.from(message(name), "latin1").toString("base64url")} HTTP/${version}\r\nHost: a\r\n\r\n`

describe("requests by HTTP/1.1", () => {
  it("come in pieces of any size", () => {
    const text = post("a.test") + get("b.test") + post("c.test")
    for (const size of [1, 2, 3, 7, 40, 1_000]) {
      const client = new Client()
      for (let at = 0; at < text.length; at += size) client.say(text.slice(at, at + size))
      assert.deepStrictEqual(client.names, ["a.test", "b.test", "c.test"])
      assert.deepStrictEqual(client.statuses, [200, 200, 200])
      assert.isFalse(client.conversation.isInsideMessage)
    }
  })

  it("wait for the answer before them", () => {
    const client = new Client()
    client.isAnswering = false
    client.say(get("a.test") + get("b.test"))
    assert.deepStrictEqual(client.names, ["a.test"])
    client.answer()
    client.goOn()
    assert.deepStrictEqual(client.names, ["a.test", "b.test"])
    client.answer()
    assert.strictEqual(client.text.split("cache-control: max-age=60").length - 1, 2)
  })

  it("are not read further while one is answered: what is asked to be held is what the connection does not read", () => {
    const client = new Client()
    client.isAnswering = false
    assert.isFalse(client.conversation.isHeld)
    client.say(get("a.test"))
    assert.isTrue(client.conversation.isHeld)
    client.answer()
    assert.isFalse(client.conversation.isHeld)
  })

  it("are whole where they are taken: a head that comes octet by octet is none yet", () => {
    const client = new Client()
    let whole = 0
    for (const octet of get("a.test")) {
      client.conversation.append(Buffer.from(octet, "latin1"))
      while (client.conversation.hasNext) if (client.conversation.next()) whole++
    }
    assert.strictEqual(whole, 1)
  })

  it("for a head alone get no body, refused or not (RFC 9110 §9.3.2)", () => {
    const client = new Client()
    client.say("HEAD /elsewhere HTTP/1.1\r\nHost: a\r\n\r\n")
    client.say(get("a.test").replace("GET", "HEAD"))
    assert.deepStrictEqual(client.statuses, [404, 200])
    for (const [, behind] of client.text.matchAll(/\r\n\r\n(.{0,4})/gs)) assert.include(["HTTP", ""], behind)
  })

  it("have bodies in chunks", () => {
    const body = message("a.test")
    const [one, two] = [body.slice(0, 9), body.slice(9)]
    const chunks = `${one.length.toString(16)};why=not\r\n${one}\r\n${two.length.toString(16)}\r\n${two}\r\n0\r\n\r\n`
    const head =
      "POST /dns-query HTTP/1.1\r\nHost: a\r\nContent-Type: application/dns-message\r\nTransfer-Encoding: chunked\r\n\r\n"
    for (const size of [1, 5, 1_000]) {
      const client = new Client()
      const text = head + chunks + get("b.test")
      for (let at = 0; at < text.length; at += size) client.say(text.slice(at, at + size))
      assert.deepStrictEqual(client.names, ["a.test", "b.test"])
    }
  })

  it("are the last where the client says so, and by HTTP/1.0", () => {
    for (const text of [post("a.test", "Connection: close\r\n"), get("a.test", "1.0")]) {
      const client = new Client().say(text + get("b.test"))
      assert.deepStrictEqual([client.names, client.isEnded], [["a.test"], true])
      assert.include(client.text, "connection: close")
    }
    const kept = new Client().say(get("a.test", "1.0").replace("Host: a", "Connection: keep-alive"))
    assert.isFalse(kept.isEnded)
  })

  it("are told to go on where they ask", () => {
    const text = post("a.test", "Expect: 100-continue\r\n")
    const end = text.indexOf("\r\n\r\n") + 4
    const client = new Client().say(text.slice(0, end))
    assert.deepStrictEqual(client.statuses, [100])
    assert.deepStrictEqual(client.say(text.slice(end)).statuses, [100, 200])
  })

  it("are refused where they are wrong, and the connection is over where the next one cannot be found", () => {
    const host = "Host: a\r\n"
    const cases: ReadonlyArray<readonly [text: string, status: number, isOver: boolean]> = [
      ["GET /other HTTP/1.1\r\nHost: a\r\n\r\n", 404, false],
      ["PUT /dns-query HTTP/1.1\r\nHost: a\r\n\r\n", 405, false],
      [`POST /dns-query HTTP/1.1\r\n${host}Content-Length: 3\r\n\r\nabc`, 415, false],
      ["GET /dns-query HTTP/1.1\r\n\r\n", 400, true],
      ["GET /dns-query HTTP/2.0\r\nHost: a\r\n\r\n", 505, true],
      ["what is this\r\n\r\n", 400, true],
      ["GET  /dns-query HTTP/1.1\r\nHost: a\r\n\r\n", 400, true],
      [`GET /dns-query HTTP/1.1\r\n${host}${host}\r\n`, 400, true],
      [`GET /dns-query HTTP/1.1\r\n${host} folded: x\r\n\r\n`, 400, true],
      [`GET /dns-query HTTP/1.1\r\n${host}Na me: x\r\n\r\n`, 400, true],
      [`POST /dns-query HTTP/1.1\r\n${host}Content-Length: 1\r\nContent-Length: 2\r\n\r\n`, 400, true],
      [`POST /dns-query HTTP/1.1\r\n${host}Content-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n`, 400, true],
      [`POST /dns-query HTTP/1.1\r\n${host}Transfer-Encoding: gzip\r\n\r\n`, 400, true],
      [`POST /dns-query HTTP/1.1\r\n${host}Content-Length: -1\r\n\r\n`, 400, true],
      [`POST /dns-query HTTP/1.1\r\n${host}Content-Length: 65536\r\n\r\n`, 413, true],
      [`POST /dns-query HTTP/1.1\r\n${host}Transfer-Encoding: chunked\r\n\r\nfffffff\r\n`, 413, true],
      [`POST /dns-query HTTP/1.1\r\n${host}Transfer-Encoding: chunked\r\n\r\nxyz\r\n`, 400, true],
      [`GET /dns-query HTTP/1.1\r\n${host}X: ${"x".repeat(17_000)}`, 431, true]
    ]
    for (const [text, status, isOver] of cases) {
      const client = new Client().say(text)
      assert.deepStrictEqual([client.statuses, client.isEnded], [[status], isOver], text.slice(0, 120))
      if (isOver) assert.deepStrictEqual(client.say(get("late.test")).names, [], text.slice(0, 120))
      else assert.deepStrictEqual(client.say(get("next.test")).names, ["next.test"])
    }
  })
})
