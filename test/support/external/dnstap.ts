/** Those who read dnstap: protobufjs with dnstap's own definition, and a reader of Frame Streams that may misbehave. */
import { createServer, type Server, type Socket } from "node:net"
import { Effect, type Scope } from "effect"
import protobuf from "protobufjs"
import { findTool } from "./tools.ts"

/** From fstrm: takes frames at a socket and writes them to a file. */
export const fstrmCapture = findTool("fstrm_capture")
/** From golang-dnstap: prints what is in a file. */
export const dnstapTool = findTool("dnstap")

/** https://github.com/dnstap/dnstap.pb/blob/main/dnstap.proto, what clients ask and are told. */
const definition = `
syntax = "proto2";
package dnstap;
message Dnstap {
  enum Type { MESSAGE = 1; }
  optional bytes identity = 1;
  optional bytes version = 2;
  optional bytes extra = 3;
  required Type type = 15;
  optional Message message = 14;
}
enum SocketFamily { INET = 1; INET6 = 2; }
enum SocketProtocol { UDP = 1; TCP = 2; DOT = 3; DOH = 4; DNSCryptUDP = 5; DNSCryptTCP = 6; DOQ = 7; }
message Message {
  enum Type { AUTH_QUERY = 1; AUTH_RESPONSE = 2; RESOLVER_QUERY = 3; RESOLVER_RESPONSE = 4; CLIENT_QUERY = 5; CLIENT_RESPONSE = 6; }
  required Type type = 1;
  optional SocketFamily socket_family = 2;
  optional SocketProtocol socket_protocol = 3;
  optional bytes query_address = 4;
  optional bytes response_address = 5;
  optional uint32 query_port = 6;
  optional uint32 response_port = 7;
  optional uint64 query_time_sec = 8;
  optional fixed32 query_time_nsec = 9;
  optional bytes query_message = 10;
  optional bytes query_zone = 11;
  optional uint64 response_time_sec = 12;
  optional fixed32 response_time_nsec = 13;
  optional bytes response_message = 14;
}`

const Dnstap = protobuf.parse(definition, { keepCase: true }).root.lookupType("dnstap.Dnstap")

export interface DnstapFrame {
  readonly identity: Uint8Array
  readonly version: Uint8Array
  readonly type: string
  readonly message: Readonly<Record<string, unknown>> & {
    readonly type: "CLIENT_QUERY" | "CLIENT_RESPONSE"
    readonly query_message?: Uint8Array
    readonly response_message?: Uint8Array
  }
}

export const decodeFrame = (frame: Uint8Array): DnstapFrame => {
  return Dnstap.toObject(Dnstap.decode(frame), { enums: String, longs: Number }) as unknown as DnstapFrame
}

/** Control frames by their types, data frames as they are. */
export type Frame = { readonly control: number; readonly content: string } | { readonly data: Buffer }

/** What is whole of a stream, and the rest. */
export const framesIn = (octets: Buffer): { readonly frames: ReadonlyArray<Frame>; readonly rest: Buffer } => {
  const frames: Array<Frame> = []
  let at = 0
  while (at + 4 <= octets.length) {
    const length = octets.readUInt32BE(at)
    if (length > 0) {
      if (at + 4 + length > octets.length) break
      frames.push({ data: octets.subarray(at + 4, at + 4 + length) })
      at += 4 + length
      continue
    }
    if (at + 8 > octets.length) break
    const end = at + 8 + octets.readUInt32BE(at + 4)
    if (end > octets.length) break
    frames.push({ control: octets.readUInt32BE(at + 8), content: octets.subarray(at + 20, end).toString("ascii") })
    at = end
  }
  return { frames, rest: octets.subarray(at) }
}

const controlOf = (type: number, content = "protobuf:dnstap.Dnstap"): Buffer => {
  const named = Buffer.alloc(content === "" ? 0 : 8)
  if (content !== "") {
    named.writeUInt32BE(1, 0)
    named.writeUInt32BE(content.length, 4)
  }
  const head = Buffer.alloc(12)
  head.writeUInt32BE(4 + named.length + content.length, 4)
  head.writeUInt32BE(type, 8)
  return Buffer.concat([head, named, Buffer.from(content)])
}

const [ACCEPT, STOP, READY, FINISH] = [1, 3, 4, 5]

export interface FrameReader {
  readonly port: number
  /** All data frames, decoded. */
  readonly frames: () => ReadonlyArray<DnstapFrame>
  /** Types of the control frames of each connection. */
  readonly controls: ReadonlyArray<Array<number>>
  /** Nothing is read any more, until it is called with false. */
  readonly pause: (isPaused: boolean) => void
  /** Closes all connections, as one that is restarted. */
  readonly hangUp: () => void
}

/** Listens by TCP, or at the path of a Unix socket. */
export const frameReader = (
  at: { readonly path?: string; readonly port?: number; readonly accepts?: string; readonly isMute?: boolean } = {}
): Effect.Effect<FrameReader, never, Scope.Scope> =>
  Effect.gen(function* () {
    const found: Array<DnstapFrame> = []
    const controls: Array<Array<number>> = []
    const sockets = new Set<Socket>()
    const take = (socket: Socket): void => {
      let waiting = Buffer.alloc(0)
      const seen: Array<number> = []
      controls.push(seen)
      sockets.add(socket)
      socket.on("error", () => {})
      socket.on("close", () => sockets.delete(socket))
      socket.on("data", (chunk) => {
        const { frames, rest } = framesIn(Buffer.concat([waiting, chunk as Buffer]))
        waiting = Buffer.from(rest)
        for (const frame of frames) {
          if ("data" in frame) found.push(decodeFrame(frame.data))
          else {
            seen.push(frame.control)
            if (frame.control === READY && at.isMute !== true)
              socket.write(controlOf(ACCEPT, at.accepts ?? frame.content))
            if (frame.control === STOP) socket.end(controlOf(FINISH, ""))
          }
        }
      })
    }
    const server = yield* Effect.acquireRelease(
      Effect.callback<Server>((resume) => {
        const listening = createServer(take)
        const listen = at.path === undefined ? { host: "127.0.0.1", port: at.port ?? 0 } : { path: at.path }
        listening.listen(listen, () => resume(Effect.succeed(listening)))
      }),
      (listening) =>
        Effect.callback<void>((resume) => {
          for (const socket of sockets) socket.destroy()
          listening.close(() => resume(Effect.void))
        })
    )
    const where = server.address()
    return {
      port: typeof where === "object" && where !== null ? where.port : 0,
      frames: () => found,
      controls,
      pause: (isPaused) => {
        for (const socket of sockets) isPaused ? socket.pause() : socket.resume()
      },
      hangUp: () => {
        for (const socket of sockets) socket.destroy()
      }
    }
  })
