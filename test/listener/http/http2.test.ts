/** HTTP/2 as a client may speak it that heeds no limits. */
import { assert, describe, it } from "@effect/vitest"
import { TextPeer } from "../../../src/io/peer.ts"
import { Http2Conversation, PREFACE } from "../../../src/listener/http/http2.ts"
import { reserve } from "../../../src/listener/stream/reply-buffer.ts"
import { HTTPS } from "../../../src/query/transport.ts"

const Type = { Data: 0, Headers: 1, Settings: 4 } as const
const END_HEADERS = 4

const frame = (type: number, flags: number, stream: number, payload: Buffer = Buffer.alloc(0)): Buffer => {
  const head = Buffer.alloc(9)
  head.writeUIntBE(payload.length, 0, 3)
  head[3] = type
  head[4] = flags
  head.writeUInt32BE(stream, 5)
  return Buffer.concat([head, payload])
}

/** Not indexed, and not packed (RFC 7541 §6.2.2). */
const field = (name: string, value: string): Buffer =>
  Buffer.concat([Buffer.from([0, name.length]), Buffer.from(name), Buffer.from([value.length]), Buffer.from(value)])

const post = Buffer.concat([
  field(":method", "POST"),
  field(":scheme", "https"),
  field(":path", "/dns-query"),
  field("content-type", "application/dns-message")
])

/** A client that has said hello. */
const conversation = () => {
  let isEnded = false
  const spoken = new Http2Conversation(
    {
      peer: new TextPeer({ address: "192.0.2.1", port: 1 }),
      transport: HTTPS,
      nowMs: () => 0,
      begin: () => {},
      noteQuery: () => {},
      over: () => {},
      send: (length) => void reserve(length),
      end: () => {
        isEnded = true
      }
    },
    { path: () => "/dns-query", isProxy: () => false }
  )
  const say = (octets: Buffer): void => {
    spoken.append(octets)
    while (spoken.hasNext) spoken.next()
  }
  say(PREFACE)
  say(frame(Type.Settings, 0, 0))
  return { say, isEnded: () => isEnded }
}

describe("bodies by HTTP/2", () => {
  it("that are longer than was allowed end the connection (RFC 9113 §5.2)", () => {
    const { isEnded, say } = conversation()
    let octets = 0
    for (let id = 1; id < 256 && !isEnded(); id += 2) {
      say(frame(Type.Headers, END_HEADERS, id, post))
      for (let i = 0; i < 3 && !isEnded(); i++) {
        say(frame(Type.Data, 0, id, Buffer.alloc(16_384)))
        octets += 16_384
      }
    }
    assert.isTrue(isEnded())
    assert.isAtMost(octets, 300 * 1024)
  })

  it("in frames of an octet each end it, too", () => {
    const { isEnded, say } = conversation()
    say(frame(Type.Headers, END_HEADERS, 1, post))
    let frames = 0
    while (!isEnded() && frames < 10_000) {
      say(frame(Type.Data, 0, 1, Buffer.alloc(1)))
      frames++
    }
    assert.isBelow(frames, 1_000)
  })
})
