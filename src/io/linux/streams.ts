/**
 * Clients' connections on sockets of our own (`linux/stream-socket.ts`), over what the thread's datagrams share too.
 */
import { Effect, type Scope } from "effect"
import { messageOf } from "../../runtime/error-text.ts"
import { type BindTarget, SocketError } from "../datagram.ts"
import { formatEndpoint } from "../endpoint.ts"
import { BACKLOG } from "../stream.ts"
import type { StreamTransport } from "../stream-transport.ts"
import type { TlsTerms } from "../tls-server.ts"
import { type Channel, PlainChannel } from "./channel.ts"
import type { Tls } from "./openssl.ts"
import { openStreamListener } from "./socket.ts"
import { BatchedListener } from "./stream-listener.ts"
import type { StreamShared } from "./stream-socket.ts"
import { TlsChannel } from "./tls-channel.ts"
import { LiveTlsContext, openSsl } from "./tls-context.ts"

type Open = (fd: number) => Channel

const nobody = (): boolean => false

/**
 * @param encrypted how connections are served that are encrypted, where OpenSSL cannot be called
 */
export const makeStreams = (
  shared: StreamShared,
  encrypted: StreamTransport["Service"]
): StreamTransport["Service"] => ({
  listen: (local: BindTarget, onConnection, options = {}) => {
    const { announces = nobody, terms } = options
    const { args, descriptors, libc: library } = shared
    const tls = terms === undefined ? undefined : openSsl()
    if (terms !== undefined && tls === undefined) return encrypted.listen(local, onConnection, options)
    const open =
      local.fd === undefined
        ? openStreamListener(library, args, local, BACKLOG, local.isShared === true)
        : Effect.succeed(local.fd)
    return Effect.gen(function* () {
      const channelOf = yield* channels(shared, local, tls, terms)
      const listener = yield* Effect.acquireRelease(
        Effect.map(open, (fd) => {
          descriptors.opened(fd)
          return new BatchedListener(shared, fd, channelOf, announces, onConnection)
        }),
        (listener) => Effect.sync(() => listener.stop())
      )
      return { endpoint: args.localEndpoint(listener.fd), stop: () => listener.stop() }
    })
  }
})

/** What opens the channels of a listener's connections. */
const channels = (
  { chunkAddress, libc }: StreamShared,
  local: BindTarget,
  tls: Tls | undefined,
  terms: TlsTerms | undefined
): Effect.Effect<Open, SocketError, Scope.Scope> => {
  if (tls === undefined || terms === undefined) {
    return Effect.succeed((fd) => new PlainChannel(libc, fd, chunkAddress))
  }
  const make = Effect.try({
    try: () => new LiveTlsContext(tls, libc, terms),
    catch: (cause) => new SocketError({ endpoint: formatEndpoint(local), message: messageOf(cause) })
  })
  return Effect.map(
    Effect.acquireRelease(make, (context) => Effect.sync(() => context.retire())),
    (context) => (fd) => new TlsChannel(libc, context.current(), fd, chunkAddress)
  )
}
