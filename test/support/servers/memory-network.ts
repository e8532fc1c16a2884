/**
 * A network in memory: datagrams arrive in the order in which they were sent, in a later microtask, those of one turn
 * together. Addresses are not looked at, a port is all there is.
 */
import { Effect, Layer, type Scope } from "effect"
import {
  type BindTarget,
  type Datagram,
  type DatagramHandler,
  type DatagramSocket,
  DatagramTransport,
  MAX_SENT,
  type ReturnPath,
  SocketError
} from "../../../src/io/datagram.ts"
import { type Endpoint, formatEndpoint, isIPv6Endpoint } from "../../../src/io/endpoint.ts"
import { type Peer, TextPeer } from "../../../src/io/peer.ts"
import { randomPort } from "../../../src/runtime/random.ts"

interface InFlight {
  readonly from: MemorySocket
  readonly to: number
  readonly octets: Uint8Array
}

export class MemoryNetwork {
  /** By port; those that share one in the order in which they were bound. */
  private readonly sockets = new Map<number, ReadonlyArray<MemorySocket>>()
  private inFlight: Array<InFlight> = []
  /** Of whom too many have come. */
  readonly limited: Array<string> = []

  readonly layer: Layer.Layer<DatagramTransport> = Layer.succeed(DatagramTransport, {
    name: "memory",
    bind: (local, handler) => this.bind(local, handler),
    connect: (remote, handler) => this.connect(remote, handler)
  })

  connect(
    remote: Endpoint,
    handler: Partial<DatagramHandler>
  ): Effect.Effect<DatagramSocket, SocketError, Scope.Scope> {
    return this.open({ address: loopbackOf(remote), port: 0 }, remote, handler)
  }

  bind(local: BindTarget, handler: Partial<DatagramHandler>): Effect.Effect<DatagramSocket, SocketError, Scope.Scope> {
    return this.open(local, undefined, handler)
  }

  private open(
    local: BindTarget,
    remote: Endpoint | undefined,
    handler: Partial<DatagramHandler>
  ): Effect.Effect<DatagramSocket, SocketError, Scope.Scope> {
    return Effect.acquireRelease(
      Effect.suspend(() => {
        const port = local.port === 0 ? this.freePort() : local.port
        const present = this.sockets.get(port) ?? []
        const isShared = local.isShared === true
        if (present.some((socket) => !socket.isShared || !isShared)) {
          const endpoint = formatEndpoint(local)
          return Effect.fail(new SocketError({ endpoint, message: `EADDRINUSE: address already in use ${endpoint}` }))
        }
        const socket = new MemorySocket(this, { address: local.address, port }, remote, isShared, handler)
        this.sockets.set(port, [...present, socket])
        return Effect.succeed(socket)
      }),
      (socket) =>
        Effect.sync(() => {
          const { port } = socket.local
          const left = this.at(port).filter((other) => other !== socket)
          if (left.length === 0) this.sockets.delete(port)
          else this.sockets.set(port, left)
        })
    )
  }

  carry(datagram: InFlight): void {
    if (this.inFlight.length === 0) queueMicrotask(() => this.deliver())
    this.inFlight.push(datagram)
  }

  private deliver(): void {
    const arrived = this.inFlight
    this.inFlight = []
    const batches = new Map<MemorySocket, Array<MemoryDatagram>>()
    for (const { from, to, octets } of arrived) {
      const sharing = this.at(to)
      const socket = sharing[from.local.port % sharing.length]
      if (socket?.hears(from.local) !== true) {
        from.onUnreachable()
        continue
      }
      const batch = batches.get(socket)
      const datagram = new MemoryDatagram(octets, from.local)
      if (batch === undefined) batches.set(socket, [datagram])
      else batch.push(datagram)
    }
    for (const [socket, batch] of batches) socket.receive(batch)
  }

  /** Sockets that are open. */
  get size(): number {
    let size = 0
    for (const sharing of this.sockets.values()) size += sharing.length
    return size
  }

  private at(port: number): ReadonlyArray<MemorySocket> {
    return this.sockets.get(port) ?? []
  }

  private freePort(): number {
    const port = randomPort()
    return this.sockets.has(port) ? this.freePort() : port
  }
}

const loopbackOf = (remote: Endpoint): string => (isIPv6Endpoint(remote) ? "::1" : "127.0.0.1")

class MemorySocket implements DatagramSocket {
  readonly local: Endpoint
  readonly isShared: boolean
  private readonly network: MemoryNetwork
  private readonly remote: Endpoint | undefined
  private readonly handler: Partial<DatagramHandler>
  private readonly room = new Uint8Array(MAX_SENT)
  private isReceiving = true

  constructor(
    network: MemoryNetwork,
    local: Endpoint,
    remote: Endpoint | undefined,
    isShared: boolean,
    handler: Partial<DatagramHandler>
  ) {
    this.network = network
    this.local = local
    this.remote = remote
    this.isShared = isShared
    this.handler = handler
  }

  /** A socket that is connected is there for its remote only. */
  hears(from: Endpoint): boolean {
    return this.remote === undefined || this.remote.port === from.port
  }

  receive(batch: ReadonlyArray<MemoryDatagram>): void {
    if (this.isReceiving) this.handler.onBatch?.(batch, batch.length)
  }

  /** Nobody was there for what it has sent: a socket that is connected hears of it (ICMP). */
  onUnreachable(): void {
    if (this.remote !== undefined) this.handler.onError?.(new Error("ECONNREFUSED: connection refused"))
  }

  reserve(): Uint8Array {
    return this.room
  }

  send(length: number, path?: ReturnPath): void {
    const to = path === undefined ? this.remote!.port : path.peer.port
    this.network.carry({ from: this, to, octets: this.room.slice(0, length) })
  }

  noteLimited({ address }: Peer): void {
    this.network.limited.push(address)
  }

  stopReceiving(): void {
    this.isReceiving = false
  }

  resumeReceiving(): void {
    this.isReceiving = true
  }
}

class MemoryDatagram implements Datagram {
  readonly payload: Uint8Array
  readonly length: number
  readonly isTruncated = false
  readonly peer: TextPeer

  constructor(payload: Uint8Array, from: Endpoint) {
    this.payload = payload
    this.length = payload.length
    this.peer = new TextPeer(from)
  }

  keepPath(): ReturnPath {
    return { peer: this.peer }
  }
}
