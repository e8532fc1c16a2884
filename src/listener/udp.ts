/** Queries by UDP: a packet and a fiber for each datagram, replies sent in the batches in which they are ready. */
import { Effect, type Scope } from "effect"
import { type Datagram, type DatagramSocket, DatagramTransport, type SocketError } from "../io/datagram.ts"
import type { Endpoint } from "../io/endpoint.ts"
import type { Packet, Responder } from "../query/packet.ts"
import { Counters } from "../telemetry/counters.ts"
import type { Listening } from "./listening.ts"
import { QueryFibers } from "./query-fibers.ts"

/** Listens at `local` for as long as the scope lives. */
export const listenUdp = (
  local: Endpoint
): Effect.Effect<Listening, SocketError, DatagramTransport | QueryFibers | Counters | Scope.Scope> =>
  Effect.gen(function* () {
    const transport = yield* DatagramTransport
    const fibers = yield* QueryFibers
    const counters = yield* Counters
    const outbox = new Outbox(() => counters.add("answers.unsent"))
    const socket = yield* transport.bind(local, {
      onBatch: (batch) => {
        outbox.hold()
        for (const datagram of batch) fibers.start(new UdpPacket(datagram, outbox))
        outbox.release()
      },
      // A receive error concerns one datagram; the socket goes on.
      onError: () => {}
    })
    outbox.socket = socket
    return { protocol: "udp", endpoint: socket.local, stop: socket.stopReceiving.bind(socket) }
  })

/** Replies that are ready in one turn, sent together. */
class Outbox {
  socket: DatagramSocket | undefined
  private ready: Array<Datagram> = []
  private isHeld = false
  private isScheduled = false
  private readonly onUnsent: () => void

  constructor(onUnsent: () => void) {
    this.onUnsent = onUnsent
  }

  /** What is added from now on waits for `release`. */
  hold(): void {
    this.isHeld = true
  }

  release(): void {
    this.isHeld = false
    this.flush()
  }

  add(reply: Datagram): void {
    this.ready.push(reply)
    if (this.isHeld || this.isScheduled) return
    this.isScheduled = true
    queueMicrotask(() => this.flush())
  }

  private flush(): void {
    this.isScheduled = false
    if (this.ready.length === 0 || this.socket === undefined) return
    const batch = this.ready
    this.ready = []
    for (let unsent = this.socket.send(batch); unsent > 0; unsent--) this.onUnsent()
  }
}

class UdpPacket implements Packet, Responder {
  readonly transport = "udp"
  readonly wire: Uint8Array
  readonly length: number
  readonly client: Endpoint
  private readonly outbox: Outbox

  constructor(datagram: Datagram, outbox: Outbox) {
    this.wire = datagram.payload
    this.length = datagram.length
    this.client = datagram.peer
    this.outbox = outbox
  }

  get responder(): Responder {
    return this
  }

  reserve(size: number): Uint8Array {
    return this.outbox.socket!.reserve(size)
  }

  send(message: Uint8Array, length: number): void {
    this.outbox.add({ payload: message, length, peer: this.client })
  }

  drop(): void {}
}
