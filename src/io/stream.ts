/** TCP by `node:net`: listening and connecting, each for as long as a scope lives. */
import { connect, createServer, type Server, type Socket } from "node:net"
import { Effect, type Scope } from "effect"
import { type BindTarget, SocketError } from "./datagram.ts"
import { type Endpoint, formatEndpoint, isIPv6Endpoint } from "./endpoint.ts"
import type { StreamListener } from "./stream-transport.ts"

/** Connections that wait in the kernel to be accepted. */
export const BACKLOG = 1024

const failure = (endpoint: Endpoint, cause: Error): SocketError =>
  new SocketError({ endpoint: formatEndpoint(endpoint), message: cause.message })

/**
 * Accepts connections at `local` and hands them to `onConnection`.
 *
 * Sockets are half-open: a client that has sent its last query and shut its side still reads our answers
 * (RFC 7766 §6.2.4). Closing the scope stops accepting; the connections are their owner's to close.
 */
export const listen = (
  local: BindTarget,
  onConnection: (socket: Socket) => void
): Effect.Effect<StreamListener, SocketError, Scope.Scope> =>
  Effect.acquireRelease(
    Effect.callback<Server, SocketError>((resume) => {
      const server = createServer({ allowHalfOpen: true, noDelay: true }, onConnection)
      server.once("error", (cause) => resume(Effect.fail(failure(local, cause))))
      server.listen(
        local.fd === undefined
          ? {
              host: local.address,
              port: local.port,
              backlog: BACKLOG,
              ipv6Only: isIPv6Endpoint(local),
              exclusive: true,
              reusePort: local.isShared === true
            }
          : { fd: local.fd, backlog: BACKLOG },
        () => {
          // Running out of descriptors while accepting must not end the process.
          server.on("error", () => {})
          resume(Effect.succeed(server))
        }
      )
      return Effect.sync(() => server.close())
    }),
    (server) => Effect.sync(() => server.close())
  ).pipe(
    Effect.map((server) => {
      const bound = server.address()
      const isBound = typeof bound === "object" && bound !== null
      return {
        endpoint: isBound ? { address: bound.address, port: bound.port } : local,
        stop: () => {
          server.close()
        }
      }
    })
  )

/** A connection to `remote` for as long as the scope lives. */
export const dial = (remote: Endpoint): Effect.Effect<Socket, SocketError, Scope.Scope> =>
  Effect.acquireRelease(
    Effect.callback<Socket, SocketError>((resume) => {
      const socket = connect({ host: remote.address, port: remote.port, noDelay: true })
      const fail = (cause: Error): void => resume(Effect.fail(failure(remote, cause)))
      socket.once("error", fail)
      socket.once("connect", () => {
        socket.off("error", fail)
        resume(Effect.succeed(socket))
      })
      return Effect.sync(() => socket.destroy())
    }),
    (socket) => Effect.sync(() => socket.destroy())
  )
