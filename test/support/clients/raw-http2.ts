/** A client of HTTP/2 that sends what no library would: frames octet for octet (RFC 9113 §4.1). */
import type { TLSSocket } from "node:tls"
import { Effect, type Scope } from "effect"
import { clientByTls } from "../servers/stream-server.ts"
import { long, octets, word } from "../wire/messages.ts"

export const FrameType = {
  Data: 0,
  Headers: 1,
  Priority: 2,
  Reset: 3,
  Settings: 4,
  Ping: 6,
  GoAway: 7,
  WindowUpdate: 8,
  Continuation: 9
} as const

export const END_STREAM = 1
export const END_HEADERS = 4
export const ENHANCE_YOUR_CALM = 11

const PREFACE = Buffer.from("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n")
const HEAD = 9

export const frame = (type: number, flags: number, stream: number, payload: ReadonlyArray<number> | Uint8Array = []) =>
  octets([payload.length >> 16], word(payload.length & 0xffff), [type, flags], long(stream), payload)

/** A header that is not put into the table, its name and value as they are (RFC 7541 §6.2.2). */
const literal = (name: string, value: string): Uint8Array =>
  octets([0, name.length], Buffer.from(name), [value.length], Buffer.from(value))

/** The headers of a query by POST. */
export const requestHeaders = (more: Readonly<Record<string, string>> = {}): Uint8Array =>
  octets(
    // :method POST and :scheme https are in the table that never changes (RFC 7541 Appendix A).
    [0x83, 0x87],
    literal(":path", "/dns-query"),
    literal(":authority", "dns.example"),
    literal("content-type", "application/dns-message"),
    ...Object.entries(more).map(([name, value]) => literal(name, value))
  )

export interface RawHttp2 {
  readonly socket: TLSSocket
  /** What is sent is taken, or the server has had enough; says whether it still listens. */
  readonly send: (...frames: ReadonlyArray<Uint8Array>) => Effect.Effect<boolean>
  /** The code of the server's GOAWAY; -1 where there was none. */
  readonly goneFor: () => number
  readonly isClosed: () => boolean
}

export const openRawHttp2 = (port: number): Effect.Effect<RawHttp2, never, Scope.Scope> =>
  Effect.gen(function* () {
    const socket = yield* clientByTls({ address: "127.0.0.1", port }, { ALPNProtocols: ["h2"] })
    let rest = Buffer.alloc(0)
    let code = -1
    let isClosed = socket.destroyed
    socket.on("data", (chunk: Buffer) => {
      rest = Buffer.concat([rest, chunk])
      while (rest.length >= HEAD && rest.length >= HEAD + rest.readUIntBE(0, 3)) {
        const end = HEAD + rest.readUIntBE(0, 3)
        if (rest[3] === FrameType.GoAway) code = rest.readUInt32BE(HEAD + 4)
        rest = rest.subarray(end)
      }
    })
    socket.on("close", () => {
      isClosed = true
    })
    socket.on("end", () => {
      isClosed = true
    })
    socket.write(octets(PREFACE, frame(FrameType.Settings, 0, 0)))
    return {
      socket,
      goneFor: () => code,
      isClosed: () => isClosed,
      send: (...frames) =>
        Effect.callback((resume) => {
          if (isClosed || code >= 0 || socket.destroyed) {
            resume(Effect.succeed(false))
            return
          }
          socket.write(octets(...frames), () => resume(Effect.succeed(!isClosed && code < 0)))
        })
    }
  })
