/** TCP by `node:net`: listening and connecting, each for as long as a scope lives. */
import { connect, createServer, isIPv6, type LookupFunction, type Server, type Socket } from "node:net"
import { Effect, type Scope } from "effect"
import { Incidents } from "../runtime/incidents.ts"
import { type BindTarget, SocketError } from "./datagram.ts"
import { type Endpoint, formatEndpoint, isIPv6Endpoint } from "./endpoint.ts"
import { isExhaustion, reportExhaustion } from "./exhaustion.ts"
import type { StreamListener } from "./stream-transport.ts"

/** Connections that wait in the kernel to be accepted. */
export const BACKLOG = 1024

const failure = (endpoint: Endpoint, cause: Error): SocketError =>
  new SocketError({
    endpoint: formatEndpoint(endpoint),
    message: messageOf(cause),
    isExhaustion: isExhaustion(cause)
  })

/** Where several addresses were tried, the text is in what each of them came to. */
const messageOf = (cause: Error): string =>
  cause instanceof AggregateError ? cause.errors.map((error: Error) => error.message).join("; ") : cause.message

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

/** Where to connect to: what `addresses` say, in turn where one does not answer at once (RFC 8305). */
export interface Destination {
  readonly remote: Endpoint
  /** IP addresses of the remote; at least one. */
  readonly addresses: ReadonlyArray<string>
}

/** The options of `node:net` and `node:tls` for it. */
export const connectOptions = ({ remote, addresses }: Destination) => ({
  host: remote.address,
  port: remote.port,
  noDelay: true,
  autoSelectFamily: addresses.length > 1,
  lookup: lookUpIn(addresses)
})

const lookUpIn =
  (addresses: ReadonlyArray<string>): LookupFunction =>
  (_name, options, callback) => {
    const found = addresses.map((address) => ({ address, family: isIPv6(address.split("%", 1)[0]!) ? 6 : 4 }))
    if (options.all === true) callback(null, found)
    else callback(null, found[0]!.address, found[0]!.family)
  }

/** A connection for as long as the scope lives. */
export const dial = (destination: Destination): Effect.Effect<Socket, SocketError, Scope.Scope> =>
  establish(destination, "connect", () => connect(connectOptions(destination)))

/**
 * Opens a socket and waits for `event` on it; it is destroyed with the scope, or when it is waited for no longer.
 *
 * @param check what is wrong with it then; undefined where nothing is
 */
export const establish = <A extends Socket>(
  { remote }: Destination,
  event: "connect" | "secureConnect",
  open: () => A,
  check: (socket: A) => string | undefined = () => undefined
): Effect.Effect<A, SocketError, Scope.Scope> =>
  Effect.flatMap(Incidents, (incidents) =>
    reportExhaustion(incidents, "a connection to an upstream")(establishOnce(remote, event, open, check))
  )

const establishOnce = <A extends Socket>(
  remote: Endpoint,
  event: "connect" | "secureConnect",
  open: () => A,
  check: (socket: A) => string | undefined
): Effect.Effect<A, SocketError, Scope.Scope> =>
  Effect.acquireRelease(
    Effect.callback<A, SocketError>((resume) => {
      const socket = open()
      // Whoever takes it over listens later: an error in between must not end the process.
      socket.on("error", () => {})
      const fail = (cause: Error): void => {
        socket.destroy()
        resume(Effect.fail(failure(remote, cause)))
      }
      const onClose = (): void => fail(new Error("the connection was closed before it was established"))
      socket.once("error", fail)
      socket.once("close", onClose)
      socket.once(event, () => {
        const wrong = check(socket)
        if (wrong !== undefined) return fail(new Error(wrong))
        socket.off("error", fail)
        socket.off("close", onClose)
        resume(Effect.succeed(socket))
      })
      return Effect.sync(() => socket.destroy())
    }),
    (socket) => Effect.sync(() => socket.destroy()),
    { interruptible: true }
  )
