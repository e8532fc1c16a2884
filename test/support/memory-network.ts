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
} from "../../src/io/datagram.ts"
import type { Endpoint } from "../../src/io/endpoint.ts"
import { TextPeer } from "../../src/io/peer.ts"

const FIRST_FREE_PORT = 40_000

export class MemoryNetwork {
  private readonly sockets = new Map<number, MemorySocket>()
  private nextPort = FIRST_FREE_PORT
  private inFlight: Array<{ readonly to: number; readonly datagram: MemoryDatagram }> = []

  readonly layer: Layer.Layer<DatagramTransport> = Layer.succeed(DatagramTransport, {
    name: "memory",
    bind: (local, handler) => this.open(local, undefined, handler),
    connect: (remote, handler) => this.open({ address: "127.0.0.1", port: 0 }, remote, handler)
  })

  /** A socket of the test's own. */
  open(
    local: BindTarget,
    remote: Endpoint | undefined,
    handler: Partial<DatagramHandler>
  ): Effect.Effect<DatagramSocket, SocketError, Scope.Scope> {
    return Effect.acquireRelease(
      Effect.suspend(() => {
        const port = local.port === 0 ? this.nextPort++ : local.port
        if (this.sockets.has(port)) {
          return Effect.fail(new SocketError({ endpoint: `${local.address}:${port}`, message: "address in use" }))
        }
        const socket = new MemorySocket(this, { address: local.address, port }, remote, handler)
        this.sockets.set(port, socket)
        return Effect.succeed(socket)
      }),
      (socket) => Effect.sync(() => this.sockets.delete(socket.local.port))
    )
  }

  carry(from: Endpoint, to: number, octets: Uint8Array): void {
    if (this.inFlight.length === 0) queueMicrotask(() => this.deliver())
    this.inFlight.push({ to, datagram: new MemoryDatagram(octets, from) })
  }

  private deliver(): void {
    const arrived = this.inFlight
    this.inFlight = []
    const batches = new Map<number, Array<MemoryDatagram>>()
    for (const { to, datagram } of arrived) {
      const batch = batches.get(to)
      if (batch === undefined) batches.set(to, [datagram])
      else batch.push(datagram)
    }
    for (const [port, batch] of batches) this.sockets.get(port)?.receive(batch)
  }
}

class MemorySocket implements DatagramSocket {
  readonly local: Endpoint
  private readonly network: MemoryNetwork
  private readonly remote: Endpoint | undefined
  private readonly handler: Partial<DatagramHandler>
  private readonly room = new Uint8Array(MAX_SENT)
  private isReceiving = true

  constructor(
    network: MemoryNetwork,
    local: Endpoint,
    remote: Endpoint | undefined,
    handler: Partial<DatagramHandler>
  ) {
    this.network = network
    this.local = local
    this.remote = remote
    this.handler = handler
  }

  receive(batch: ReadonlyArray<MemoryDatagram>): void {
    const mine = batch.filter(({ peer }) => this.remote === undefined || peer.port === this.remote.port)
    if (this.isReceiving && mine.length > 0) this.handler.onBatch?.(mine, mine.length)
  }

  reserve(): Uint8Array {
    return this.room
  }

  send(length: number, path?: ReturnPath): void {
    const to = path === undefined ? this.remote!.port : path.peer.port
    this.network.carry(this.local, to, this.room.slice(0, length))
  }

  stopReceiving(): void {
    this.isReceiving = false
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
