/**
 * Datagrams by `node:dgram`: runs wherever Node does, one datagram a system call.
 *
 * Limits: Node does not tell at which address a datagram came in, so that the reply from a socket that is bound to all
 * of them would leave from the one that the kernel chooses, and clients would not know it. Wildcard addresses are
 * refused.
 */
import { createSocket, type RemoteInfo, type Socket } from "node:dgram"
import { Effect, Layer, type Scope } from "effect"
import { guarded } from "../../runtime/guard.ts"
import { Incidents } from "../../runtime/incidents.ts"
import { MAX_PORT_DRAWS, randomPort } from "../../runtime/random.ts"
import {
  type BindTarget,
  type Datagram,
  type DatagramHandler,
  type DatagramSocket,
  DatagramTransport,
  MAX_SENT,
  type ReturnPath,
  SocketError
} from "../datagram.ts"
import { type Endpoint, formatEndpoint, isIPv6Endpoint, isWildcard } from "../endpoint.ts"
import { isExhaustion, reportExhaustion } from "../exhaustion.ts"
import { TextPeer } from "../peer.ts"

/** Octets asked of the kernel for datagrams that wait; it may give less. */
const RECEIVE_BUFFER = 4 << 20
const SEND_BUFFER = 1 << 20
/** Octets that may wait in the process when the kernel takes no more. */
const MAX_UNSENT = 4 << 20
const SLAB_SIZE = 64 << 10
/** Who calls, as the log says it. */
const BORDER = "a socket"

/** Addresses are literal: they need no look-up, and no turn of the event loop for one. */
const literal = (
  address: string,
  _options: unknown,
  callback: (error: null, address: string, family: number) => void
): void => callback(null, address, address.includes(":") ? 6 : 4)

const create = (endpoint: Endpoint, isShared: boolean): Socket => {
  const isIPv6 = isIPv6Endpoint(endpoint)
  return createSocket({
    type: isIPv6 ? "udp6" : "udp4",
    ipv6Only: isIPv6,
    reusePort: isShared,
    recvBufferSize: RECEIVE_BUFFER,
    sendBufferSize: SEND_BUFFER,
    lookup: literal as never
  })
}

const failure = (endpoint: Endpoint, cause: Error): SocketError =>
  new SocketError({
    endpoint: formatEndpoint(endpoint),
    message: cause.message,
    isExhaustion: isExhaustion(cause)
  })

const wildcardRefused = (endpoint: Endpoint): SocketError =>
  new SocketError({
    endpoint: formatEndpoint(endpoint),
    message:
      `listen: ${formatEndpoint(endpoint)} is all addresses, and datagrams that go the portable way (datagrams: portable, ` +
      "or no koffi) cannot be answered from the address that was asked: list the addresses one by one, as 192.0.2.1:53, " +
      `or listen there by TCP only, as tcp://${formatEndpoint(endpoint)}`
  })

class PortableSocket implements DatagramSocket {
  readonly local: Endpoint
  private readonly socket: Socket
  private readonly connected: boolean
  private readonly handler: DatagramHandler
  private readonly batch: [PortableDatagram]
  private slab: Buffer = Buffer.allocUnsafeSlow(SLAB_SIZE)
  private used = 0
  private isClosed = false
  private readonly onMessage: (payload: Buffer, peer: RemoteInfo) => void
  /** A send on a connected socket may report the ICMP error that the one before it met. */
  private readonly onSent: (error: Error | null) => void

  constructor(socket: Socket, connected: boolean, handler: DatagramHandler, incidents: Incidents) {
    this.socket = socket
    this.connected = connected
    this.handler = handler
    const { address, port } = socket.address()
    this.local = { address, port }
    const datagram = new PortableDatagram()
    this.batch = [datagram]
    const remote = connected ? socket.remoteAddress() : undefined
    this.onMessage = (payload: Buffer, peer: RemoteInfo): void => {
      // While the socket was bound and not yet connected, any sender could reach it.
      if (remote !== undefined && (peer.port !== remote.port || peer.address !== remote.address)) return
      datagram.payload = payload
      datagram.length = payload.length
      datagram.from = peer
      try {
        handler.onBatch(this.batch, 1)
      } catch (thrown) {
        incidents.onDefect(BORDER, thrown)
      }
    }
    socket.on("message", this.onMessage)
    socket.on("error", guarded(incidents, BORDER, handler.onError))
    this.onSent = guarded(incidents, BORDER, (error: Error | null) => {
      if (error !== null) handler.onError(error)
    })
  }

  reserve(): Uint8Array {
    if (this.used + MAX_SENT > this.slab.length) {
      this.slab = Buffer.allocUnsafeSlow(SLAB_SIZE)
      this.used = 0
    }
    return this.slab.subarray(this.used, this.used + MAX_SENT)
  }

  send(length: number, path?: ReturnPath): void {
    if (this.isClosed || this.socket.getSendQueueSize() > MAX_UNSENT) {
      this.handler.onUnsent(1)
      return
    }
    const at = this.used
    this.used += length
    if (this.connected) this.socket.send(this.slab, at, length, this.onSent)
    // Without a callback, which would cost a turn of its own: an error comes by the socket's event.
    else this.socket.send(this.slab, at, length, path!.peer.port, path!.peer.address)
  }

  stopReceiving(): void {
    this.socket.off("message", this.onMessage)
  }

  resumeReceiving(): void {
    this.stopReceiving()
    if (!this.isClosed) this.socket.on("message", this.onMessage)
  }

  /** What is sent from then on is lost. */
  close(onClosed: () => void): void {
    this.isClosed = true
    this.stopReceiving()
    this.socket.close(onClosed)
  }
}

/** One object a socket: each datagram takes the place of the one before. */
class PortableDatagram implements Datagram {
  payload: Uint8Array = new Uint8Array(0)
  length = 0
  /** Node reads datagrams of any size. */
  readonly isTruncated = false
  private known: TextPeer | undefined
  private remote: Endpoint = { address: "0.0.0.0", port: 0 }

  set from(remote: Endpoint) {
    this.remote = remote
    this.known = undefined
  }

  get peer(): TextPeer {
    this.known ??= new TextPeer(this.remote)
    return this.known
  }

  keepPath(): ReturnPath {
    return { peer: this.peer }
  }
}

/** A socket for as long as the scope lives; `open` starts it and must end in one of the two events named. */
const acquire = (
  incidents: Incidents,
  endpoint: BindTarget,
  ready: "listening" | "connect",
  open: (socket: Socket) => void,
  handler: DatagramHandler
): Effect.Effect<DatagramSocket, SocketError, Scope.Scope> =>
  Effect.acquireRelease(
    Effect.callback<PortableSocket, SocketError>((resume) => {
      const socket = create(endpoint, endpoint.isShared === true)
      const fail = (cause: Error): void => {
        socket.close()
        resume(Effect.fail(failure(endpoint, cause)))
      }
      socket.once("error", fail)
      socket.once(ready, () => {
        socket.off("error", fail)
        resume(Effect.succeed(new PortableSocket(socket, ready === "connect", handler, incidents)))
      })
      open(socket)
      return Effect.sync(() => socket.close())
    }),
    (socket) => Effect.callback<void>((resume) => socket.close(() => resume(Effect.void)))
  ).pipe(reportExhaustion(incidents, "a UDP socket"))

const connectFrom = (
  incidents: Incidents,
  remote: Endpoint,
  handler: DatagramHandler,
  draws: number
): Effect.Effect<DatagramSocket, SocketError, Scope.Scope> =>
  acquire(
    incidents,
    remote,
    "connect",
    (socket) => {
      socket.bind(draws > 0 ? randomPort() : 0, () => socket.connect(remote.port, remote.address))
    },
    handler
  ).pipe(
    Effect.catchTag("SocketError", (error) =>
      draws > 0 && error.isExhaustion !== true ? connectFrom(incidents, remote, handler, draws - 1) : Effect.fail(error)
    )
  )

export const layer: Layer.Layer<DatagramTransport> = Layer.effect(
  DatagramTransport,
  Effect.map(Incidents, (incidents) => ({
    name: "portable",
    bind: (local, handler) => {
      const { address, port, fd } = local
      if (isWildcard(local)) return Effect.fail(wildcardRefused(local))
      const target = fd === undefined ? { address, port } : { fd }
      return acquire(incidents, local, "listening", (socket) => socket.bind(target), handler)
    },
    connect: (remote, handler) => connectFrom(incidents, remote, handler, MAX_PORT_DRAWS)
  }))
)
