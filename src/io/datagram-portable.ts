/**
 * Datagrams by `node:dgram`: runs wherever Node does, one datagram a system call.
 *
 * Limits: a reply from a socket bound to a wildcard address leaves from the address that the kernel chooses.
 */
import { createSocket, type RemoteInfo, type Socket } from "node:dgram"
import { Effect, Layer, type Scope } from "effect"
import {
  type DatagramHandler,
  type DatagramSocket,
  DatagramTransport,
  type OutgoingDatagram,
  SocketError
} from "./datagram.ts"
import { type Endpoint, formatEndpoint, isIPv6Endpoint } from "./endpoint.ts"
import { randomPort } from "./random.ts"

/** Octets asked of the kernel for datagrams that wait; it may give less. */
const RECEIVE_BUFFER = 4 << 20
const SEND_BUFFER = 1 << 20
/** Octets that may wait in the process when the kernel takes no more. */
const MAX_UNSENT = 4 << 20
const SLAB_SIZE = 64 << 10
const MAX_PORT_DRAWS = 16

/** Addresses are literal: they need no look-up, and no turn of the event loop for one. */
const literal = (
  address: string,
  _options: unknown,
  callback: (error: null, address: string, family: number) => void
): void => callback(null, address, address.includes(":") ? 6 : 4)

const create = (endpoint: Endpoint): Socket => {
  const isIPv6 = isIPv6Endpoint(endpoint)
  return createSocket({
    type: isIPv6 ? "udp6" : "udp4",
    ipv6Only: isIPv6,
    recvBufferSize: RECEIVE_BUFFER,
    sendBufferSize: SEND_BUFFER,
    lookup: literal as never
  })
}

const failure = (endpoint: Endpoint, cause: Error): SocketError =>
  new SocketError({ endpoint: formatEndpoint(endpoint), message: cause.message })

class PortableSocket implements DatagramSocket {
  readonly local: Endpoint
  private readonly socket: Socket
  private readonly connected: boolean
  private slab: Buffer = Buffer.allocUnsafeSlow(SLAB_SIZE)
  private used = 0
  private isClosed = false
  /** A send on a connected socket may report the ICMP error that the one before it met. */
  private readonly onSent: (error: Error | null) => void

  constructor(socket: Socket, connected: boolean, handler: DatagramHandler) {
    this.socket = socket
    this.connected = connected
    const { address, port } = socket.address()
    this.local = { address, port }
    socket.on("message", (payload: Buffer, peer: RemoteInfo) =>
      handler.onBatch([{ payload, length: payload.length, peer }])
    )
    socket.on("error", handler.onError)
    socket.on("close", () => {
      this.isClosed = true
    })
    this.onSent = (error) => {
      if (error !== null) handler.onError(error)
    }
  }

  reserve(size: number): Uint8Array {
    if (this.used + size > this.slab.length) {
      this.slab = Buffer.allocUnsafeSlow(Math.max(SLAB_SIZE, size))
      this.used = 0
    }
    const room = this.slab.subarray(this.used, this.used + size)
    this.used += size
    return room
  }

  send(batch: ReadonlyArray<OutgoingDatagram>): number {
    if (this.isClosed || this.socket.getSendQueueSize() > MAX_UNSENT) return batch.length
    for (const { payload, length, peer } of batch) {
      if (this.connected) this.socket.send(payload, 0, length, this.onSent)
      else this.socket.send(payload, 0, length, peer.port, peer.address, ignore)
    }
    return 0
  }

  stopReceiving(): void {
    this.socket.removeAllListeners("message")
  }
}

/** A reply that could not be sent is the client's to ask for again. */
const ignore = (): void => {}

/** A socket for as long as the scope lives; `open` starts it and must end in one of the two events named. */
const acquire = (
  endpoint: Endpoint,
  ready: "listening" | "connect",
  open: (socket: Socket) => void,
  handler: DatagramHandler
): Effect.Effect<DatagramSocket, SocketError, Scope.Scope> =>
  Effect.acquireRelease(
    Effect.callback<{ readonly socket: Socket; readonly datagrams: PortableSocket }, SocketError>((resume) => {
      const socket = create(endpoint)
      const fail = (cause: Error): void => {
        socket.close()
        resume(Effect.fail(failure(endpoint, cause)))
      }
      socket.once("error", fail)
      socket.once(ready, () => {
        socket.off("error", fail)
        resume(Effect.succeed({ socket, datagrams: new PortableSocket(socket, ready === "connect", handler) }))
      })
      open(socket)
      return Effect.sync(() => socket.close())
    }),
    ({ socket }) =>
      Effect.callback<void>((resume) => {
        socket.removeAllListeners("message")
        socket.close(() => resume(Effect.void))
      })
  ).pipe(Effect.map(({ datagrams }) => datagrams))

/** A port drawn at random may be taken: another is drawn. The last resort is the kernel's own choice. */
const connectFrom = (
  remote: Endpoint,
  handler: DatagramHandler,
  draws: number
): Effect.Effect<DatagramSocket, SocketError, Scope.Scope> =>
  acquire(
    remote,
    "connect",
    (socket) => {
      socket.bind(draws > 0 ? randomPort() : 0, () => socket.connect(remote.port, remote.address))
    },
    handler
  ).pipe(
    Effect.catchTag("SocketError", (error) =>
      draws > 0 ? connectFrom(remote, handler, draws - 1) : Effect.fail(error)
    )
  )

export const layer: Layer.Layer<DatagramTransport> = Layer.succeed(DatagramTransport, {
  bind: (local, handler) => acquire(local, "listening", (socket) => socket.bind(local.port, local.address), handler),
  connect: (remote, handler) => connectFrom(remote, handler, MAX_PORT_DRAWS)
})
