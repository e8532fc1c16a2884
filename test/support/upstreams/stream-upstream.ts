/** An upstream over TCP or TLS that does with each message, and each connection, what a test wants. */
import { createServer as createTcpServer, type Server, type Socket } from "node:net"
import { createServer as createTlsServer, type TLSSocket } from "node:tls"
import { Effect, type Scope } from "effect"
import type { Certificate } from "../wire/certificates.ts"
import { framed } from "./fake-upstream.ts"
import { mirrorReply } from "./mirror.ts"

/** One connection as the server sees it. */
export interface ServedConnection {
  readonly socket: Socket
  /** From 1, in the order in which they came. */
  readonly number: number
  /** Messages received on it. */
  asked: number
}

export type OnQuery = (query: Buffer, connection: ServedConnection) => void

export interface StreamUpstream {
  readonly port: number
  /** All that there ever were, after their handshakes. */
  readonly connections: ReadonlyArray<ServedConnection>
  /** Those that are open. */
  readonly open: () => number
  readonly queries: ReadonlyArray<Buffer>
}

export const answer = (query: Buffer, { socket }: ServedConnection): void => {
  socket.write(framed(mirrorReply(query)))
}

/** Answers the questions of each connection one after another, each when `ready` says so. */
export const inOrder = (ready: (query: Buffer) => Promise<void>): OnQuery => {
  const last = new WeakMap<ServedConnection, Promise<void>>()
  return (query, connection) => {
    const before = last.get(connection) ?? Promise.resolve()
    last.set(
      connection,
      before.then(() => ready(query)).then(() => answer(query, connection))
    )
  }
}

/** Node resets plain sockets only; under TLS the stream ends without a word of its end. */
export const reset = (socket: Socket): Socket => ("encrypted" in socket ? socket.destroy() : socket.resetAndDestroy())

interface StreamUpstreamOptions {
  /** None: plain TCP. */
  readonly certificate?: Certificate | undefined
  readonly port?: number
  /** On loopback; 127.0.0.1 by default. */
  readonly address?: string
  readonly onQuery?: OnQuery
}

/** Starts it on a loopback port until the scope closes. */
export const streamUpstream = (options: StreamUpstreamOptions): Effect.Effect<StreamUpstream, never, Scope.Scope> =>
  Effect.acquireRelease(
    Effect.promise(async () => {
      const { certificate, onQuery = answer } = options
      const connections: Array<ServedConnection> = []
      const queries: Array<Buffer> = []
      const sockets = new Set<Socket>()
      const onConnection = (socket: Socket): void => {
        const connection: ServedConnection = { socket, number: connections.length + 1, asked: 0 }
        connections.push(connection)
        let rest = Buffer.alloc(0)
        socket.on("error", () => {})
        socket.on("data", (chunk: Buffer) => {
          rest = Buffer.concat([rest, chunk])
          while (rest.length >= 2 && rest.length >= 2 + rest.readUInt16BE(0)) {
            const query = rest.subarray(2, 2 + rest.readUInt16BE(0))
            rest = rest.subarray(2 + query.length)
            connection.asked++
            queries.push(query)
            onQuery(query, connection)
          }
        })
      }
      const server =
        certificate === undefined
          ? createTcpServer(onConnection)
          : createTlsServer({ cert: certificate.cert, key: certificate.key }, (socket: TLSSocket) =>
              onConnection(socket)
            )
      server.on("tlsClientError", () => {})
      const port = await listening(server, sockets, options.port, options.address)
      const open = (): number => sockets.size
      return { upstream: { port, connections, open, queries }, server, sockets }
    }),
    ({ server, sockets }) => Effect.sync(() => stop(server, sockets))
  ).pipe(Effect.map(({ upstream }) => upstream))

/** Listens on loopback and keeps account of the sockets that are open. */
export const listening = (server: Server, sockets: Set<Socket>, port = 0, address = "127.0.0.1"): Promise<number> => {
  server.on("connection", (socket: Socket) => {
    sockets.add(socket)
    socket.on("error", () => {})
    socket.on("close", () => sockets.delete(socket))
  })
  return new Promise((resolve) => {
    server.listen(port, address, () => {
      const bound = server.address()
      resolve(typeof bound === "object" && bound !== null ? bound.port : 0)
    })
  })
}

export const stop = (server: Server, sockets: ReadonlySet<Socket>): void => {
  server.close()
  for (const socket of sockets) socket.destroy()
}
