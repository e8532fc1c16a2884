/**
 * The socket at which the admin side listens. What is spoken on its connections is loaded by those who have one
 * (`admin.ts`): address and certificate can change while the server runs, one without the other.
 */
import * as net from "node:net"
import { Effect, Schema, type Scope } from "effect"
import { type Endpoint, formatEndpoint } from "../io/endpoint.ts"
import { messageOf } from "../runtime/error-text.ts"

/** Connections at a time, of all clients together and of one. */
const MAX_CONNECTIONS = 256
const MAX_CONNECTIONS_PER_CLIENT = 64
/**
 * Connections that are too many wait to be closed: so many, for so long. A client that comes again at once would have a
 * processor busy with being turned away, its own and ours.
 */
const MAX_TURNED_AWAY = 64
const TURNED_AWAY_MS = 1_000
/** How long replies that are under way have, once the socket is closed. */
const LAST_REPLIES_MS = 500

/** The admin side cannot listen, or cannot speak HTTPS: why. */
export class AdminUnavailable extends Schema.TaggedError<AdminUnavailable>()("AdminUnavailable", {
  message: Schema.String
}) {}

export interface AdminListening {
  readonly endpoint: Endpoint
  /** Takes no more connections, from now on; replies that are under way have a moment. */
  readonly stop: () => void
}

/** Listens until it is stopped, or the scope closes. */
export const listening = (
  { address, port }: Endpoint,
  accept: (socket: net.Socket) => void
): Effect.Effect<AdminListening, AdminUnavailable, Scope.Scope> =>
  Effect.suspend(() => {
    const sockets = new Set<net.Socket>()
    const made = Effect.map(open({ address, port }, accept, sockets), (server): AdminListening => {
      const bound = server.address()
      let isStopped = false
      return {
        endpoint: bound === null || typeof bound === "string" ? { address, port } : bound,
        stop: () => {
          if (isStopped) return
          isStopped = true
          server.close()
          // The reply to who has ended it is on its way.
          setTimeout(() => {
            for (const socket of sockets) socket.destroy()
          }, LAST_REPLIES_MS).unref()
        }
      }
    })
    return Effect.acquireRelease(made, ({ stop }) => Effect.sync(stop))
  })

const open = (
  { address, port }: Endpoint,
  accept: (socket: net.Socket) => void,
  sockets: Set<net.Socket>
): Effect.Effect<net.Server, AdminUnavailable> =>
  Effect.callback<net.Server, AdminUnavailable>((resume) => {
    const byClient = new Map<string, number>()
    let taken = 0
    let turnedAway = 0
    const turnAway = (socket: net.Socket): void => {
      if (turnedAway >= MAX_TURNED_AWAY) {
        socket.destroy()
        return
      }
      turnedAway++
      const close = setTimeout(() => socket.destroy(), TURNED_AWAY_MS)
      socket.on("close", () => {
        clearTimeout(close)
        turnedAway--
      })
    }
    const server = net.createServer((socket) => {
      socket.on("error", () => {})
      sockets.add(socket)
      socket.on("close", () => sockets.delete(socket))
      const client = socket.remoteAddress ?? ""
      const count = (byClient.get(client) ?? 0) + 1
      if (count > MAX_CONNECTIONS_PER_CLIENT || taken >= MAX_CONNECTIONS) {
        turnAway(socket)
        return
      }
      taken++
      byClient.set(client, count)
      socket.on("close", () => {
        taken--
        const left = (byClient.get(client) ?? 1) - 1
        if (left > 0) byClient.set(client, left)
        else byClient.delete(client)
      })
      accept(socket)
    })
    server.maxConnections = MAX_CONNECTIONS + MAX_TURNED_AWAY
    server.once("error", (cause) =>
      resume(Effect.fail(new AdminUnavailable({ message: why({ address, port }, cause) })))
    )
    server.listen({ host: address, port, exclusive: true }, () => {
      server.on("error", () => {})
      resume(Effect.succeed(server))
    })
    return Effect.sync(() => server.close())
  })

const why = (endpoint: Endpoint, cause: unknown): string => {
  const { code } = cause as { readonly code?: string }
  const at = `admin: nothing can listen at ${formatEndpoint(endpoint)}`
  if (code === "EADDRINUSE") return `${at}: another program does; set admin to another address, or to off`
  return `${at}: ${messageOf(cause)}`
}
