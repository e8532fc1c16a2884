/** One question to one server, by the way that is asked for. */
import { createSocket } from "node:dgram"
import { type ClientHttp2Session, connect as connectHttp2 } from "node:http2"
import type { Socket } from "node:net"
import { Effect, type Scope } from "effect"
import type { HttpsAddress, TlsAddress, UpstreamAddress } from "../../config/codec/upstream-address.ts"
import type { SocketError } from "../../io/datagram.ts"
import { type Endpoint, isIPv6Endpoint } from "../../io/endpoint.ts"
import { FrameReader, frame } from "../../io/frames.ts"
import { type Destination, dial } from "../../io/stream.ts"
import { TlsClient, trustIn } from "../../io/tls.ts"
import { messageOf } from "../../runtime/error-text.ts"
import { CommandFailed } from "../failure.ts"

/** A datagram that gets no answer is sent again after so long. */
const AGAIN_MS = 1_000
const TRUNCATED = 0x02
const MEDIA_TYPE = "application/dns-message"

/** A message that came, and how long after the question was sent; a handshake before that does not count. */
interface Came {
  readonly message: Uint8Array
  readonly tookMs: number
}

export interface Reply extends Came {
  /** By which it came: `udp`, or `tcp` where the one by UDP was truncated. */
  readonly protocol: UpstreamAddress["protocol"]
}

export interface Server {
  readonly address: UpstreamAddress
  /** IP addresses of it; at least one. */
  readonly addresses: ReadonlyArray<string>
  /** Certificates in PEM, beside those that Node knows. */
  readonly authorities: ReadonlyArray<string>
}

export const ask = (server: Server, id: number, query: Uint8Array): Effect.Effect<Reply, CommandFailed> => {
  const { address, addresses } = server
  const destination: Destination = { remote: address.endpoint, addresses }
  switch (address.protocol) {
    case "udp":
      return Effect.flatMap(byUdp({ address: addresses[0]!, port: address.endpoint.port }, id, query), (came) =>
        (came.message[2]! & TRUNCATED) === 0
          ? Effect.succeed({ ...came, protocol: "udp" as const })
          : as("tcp", onStream(dial(destination), id, query))
      )
    case "tcp":
      return as("tcp", onStream(dial(destination), id, query))
    case "tls":
      return as("tls", onStream(secure(server, address, []).dial(destination), id, query))
    case "https":
      return as("https", byHttps(server, address, destination, query))
  }
}

const as = <E>(protocol: Reply["protocol"], coming: Effect.Effect<Came, E>): Effect.Effect<Reply, E> =>
  Effect.map(coming, (came) => ({ ...came, protocol }))

/** Begun when the question is sent. */
const stopwatch = (): ((message: Uint8Array) => Came) => {
  const sentMs = performance.now()
  return (message) => ({ message, tookMs: performance.now() - sentMs })
}

const secure = (
  { authorities }: Server,
  { identity }: TlsAddress | HttpsAddress,
  protocols: ReadonlyArray<string>
): TlsClient => {
  const trust = trustIn(authorities)
  return new TlsClient(
    identity,
    () => trust,
    protocols,
    () => performance.now()
  )
}

const failed = (cause: unknown): CommandFailed => new CommandFailed({ message: messageOf(cause) })

const isReplyTo = (id: number, message: Uint8Array): boolean =>
  message.length >= 12 && ((message[0]! << 8) | message[1]!) === id && (message[2]! & 0x80) !== 0

const byUdp = (server: Endpoint, id: number, query: Uint8Array): Effect.Effect<Came, CommandFailed> =>
  Effect.acquireUseRelease(
    Effect.sync(() => createSocket(isIPv6Endpoint(server) ? "udp6" : "udp4")),
    (socket) =>
      Effect.callback<Came, CommandFailed>((resume) => {
        const send = (): void => socket.send(query)
        let came: ((message: Uint8Array) => Came) | undefined
        socket.on("error", (cause) => resume(Effect.fail(failed(cause))))
        socket.on("message", (message) => {
          if (came !== undefined && isReplyTo(id, message)) resume(Effect.succeed(came(message)))
        })
        // Connected, so that the kernel says when nobody listens there, and lets nobody else answer.
        socket.connect(server.port, server.address, () => {
          came = stopwatch()
          send()
          const again = setInterval(send, AGAIN_MS)
          socket.on("close", () => clearInterval(again))
        })
      }),
    (socket) => Effect.sync(() => socket.close())
  )

const onStream = (
  opening: Effect.Effect<Socket, SocketError, Scope.Scope>,
  id: number,
  query: Uint8Array
): Effect.Effect<Came, CommandFailed> =>
  Effect.scoped(
    Effect.flatMap(Effect.mapError(opening, failed), (socket) =>
      Effect.callback<Came, CommandFailed>((resume) => {
        const frames = new FrameReader()
        const came = stopwatch()
        const fail = (cause: Error): void => resume(Effect.fail(failed(cause)))
        socket.on("error", fail)
        socket.on("close", () => fail(new Error("the connection was closed without an answer")))
        socket.on("data", (chunk: Buffer) =>
          frames.push(chunk, (message) => {
            if (isReplyTo(id, message)) resume(Effect.succeed(came(Uint8Array.from(message))))
          })
        )
        socket.write(frame(query))
      })
    )
  )

const byHttps = (
  server: Server,
  address: HttpsAddress,
  destination: Destination,
  query: Uint8Array
): Effect.Effect<Came, CommandFailed> =>
  Effect.scoped(
    Effect.gen(function* () {
      const socket = yield* Effect.mapError(secure(server, address, ["h2"]).dial(destination), failed)
      const session = yield* Effect.acquireRelease(
        Effect.sync(() => connectHttp2(`https://${address.authority}`, { createConnection: () => socket })),
        (opened) => Effect.sync(() => opened.destroy())
      )
      return yield* request(session, address, query)
    })
  )

const request = (
  session: ClientHttp2Session,
  { method, path }: HttpsAddress,
  query: Uint8Array
): Effect.Effect<Came, CommandFailed> =>
  Effect.callback((resume) => {
    const fail = (cause: unknown): void => resume(Effect.fail(failed(cause)))
    session.on("error", fail)
    // An id of zero lets caches on the way know equal questions (RFC 8484 §4.1).
    const sent = Buffer.from(query)
    sent.writeUInt16BE(0, 0)
    const isPost = method === "POST"
    const stream = session.request({
      ":method": method,
      ":path": isPost ? path : `${path}${path.includes("?") ? "&" : "?"}dns=${sent.toString("base64url")}`,
      accept: MEDIA_TYPE,
      ...(isPost ? { "content-type": MEDIA_TYPE, "content-length": String(sent.length) } : {})
    })
    const came = stopwatch()
    const chunks: Array<Buffer> = []
    stream.on("error", fail)
    stream.on("response", (headers) => {
      const wrong = whatIsWrong(headers[":status"] ?? 0, headers["content-type"] ?? "")
      if (wrong !== undefined) fail(new Error(wrong))
    })
    stream.on("data", (chunk: Buffer) => chunks.push(chunk))
    stream.on("end", () => resume(Effect.succeed(came(Buffer.concat(chunks)))))
    stream.end(isPost ? sent : undefined)
  })

const whatIsWrong = (status: number, type: string): string | undefined =>
  status !== 200
    ? `HTTP status ${status}`
    : type.startsWith(MEDIA_TYPE)
      ? undefined
      : `an HTTP response without a DNS message: its type is "${type}"`
