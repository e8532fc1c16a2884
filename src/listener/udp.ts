/**
 * Queries by UDP: a packet and a fiber for each datagram.
 *
 * Hot path: packets are objects that are used again from batch to batch, each with the effect that its fibers run.
 */
import { Effect, type Scope } from "effect"
import {
  type BindTarget,
  type Datagram,
  type DatagramSocket,
  DatagramTransport,
  type ReturnPath,
  type SocketError
} from "../io/datagram.ts"
import { formatEndpoint } from "../io/endpoint.ts"
import type { Peer } from "../io/peer.ts"
import { readProxyHeader } from "../io/proxy-header.ts"
import type { Packet, ReplyPath } from "../query/packet.ts"
import { ReplyRates } from "../query/reply-rates.ts"
import { countedBy, type Transport, UDP } from "../query/transport.ts"
import { Incidents } from "../runtime/incidents.ts"
import { Counters } from "../telemetry/counters.ts"
import type { Listening } from "./listening.ts"
import { QueryFibers } from "./query-fibers.ts"

/**
 * Listens at `local` for as long as the scope lives.
 *
 * @param announces whether a peer is a proxy that says in each datagram who is behind it
 */
export const listenUdp = (
  local: BindTarget,
  announces: (peer: Peer) => boolean
): Effect.Effect<Listening, SocketError, DatagramTransport | QueryFibers | Counters | Scope.Scope> =>
  Effect.gen(function* () {
    const datagrams = yield* DatagramTransport
    const fibers = yield* QueryFibers
    const counters = yield* Counters
    const incidents = yield* Incidents
    const rates = yield* ReplyRates
    const packets: Array<{ readonly packet: UdpPacket; readonly handling: Effect.Effect<unknown> }> = []
    const receive = (batch: ReadonlyArray<Datagram>, count: number): void => {
      fibers.beginBatch()
      for (let i = 0; i < count; i++) {
        try {
          take(batch[i]!, i)
        } catch (thrown) {
          incidents.onDefect("a datagram", thrown)
        }
      }
      fibers.endBatch()
    }
    const take = (datagram: Datagram, i: number): void => {
      // Nothing can be sent to port 0: the sender wants no answer (RFC 768), or harm.
      if (datagram.isTruncated || datagram.peer.port === 0) {
        counters.add("queries.dropped")
        return
      }
      while (i >= packets.length) {
        const packet = new UdpPacket(socket, counted)
        packets.push({ packet, handling: fibers.handling(packet) })
      }
      const { packet, handling } = packets[i]!
      packet.datagram = datagram
      packet.behind = undefined
      if (announces(datagram.peer) && !packet.readHeader()) {
        counters.add("queries.dropped")
        return
      }
      fibers.start(handling)
    }
    const socket: DatagramSocket = yield* datagrams.bind(local, {
      onBatch: receive,
      // A receive error concerns one datagram; the socket goes on.
      onError: () => {},
      onUnsent: (count) => counters.add("answers.unsent", count),
      onFlood: incidents.onFlood
    })
    const server = formatEndpoint(socket.local)
    const transport = { ...UDP, judgeReply: rates.judge }
    const counted = countedBy(transport, counters.trafficAt("udp", server), server)
    return {
      protocol: "udp",
      endpoint: socket.local,
      stop: () => socket.stopReceiving(),
      resume: () => socket.resumeReceiving()
    }
  })

/** Who is behind a proxy, and what it hands on. */
interface Behind {
  readonly peer: Peer
  readonly message: Uint8Array
}

class UdpPacket implements Packet {
  readonly transport: Transport
  datagram: Datagram = emptyDatagram
  /** Undefined where no proxy stands between. */
  behind: Behind | undefined
  private readonly socket: DatagramSocket

  constructor(socket: DatagramSocket, transport: Transport) {
    this.socket = socket
    this.transport = transport
  }

  /** Reads what a proxy says of who is behind it; whether it does. */
  readHeader(): boolean {
    const { length, payload, peer } = this.datagram
    const octets = Buffer.from(payload.buffer, payload.byteOffset, length)
    const header = readProxyHeader(octets)
    if (typeof header === "string") return false
    this.behind = { peer: header.peer ?? peer, message: octets.subarray(header.length) }
    return true
  }

  get wire(): Uint8Array {
    return this.behind === undefined ? this.datagram.payload : this.behind.message
  }

  get length(): number {
    return this.behind === undefined ? this.datagram.length : this.behind.message.length
  }

  get client(): Peer {
    return this.behind === undefined ? this.datagram.peer : this.behind.peer
  }

  reserve(): Uint8Array {
    return this.socket.reserve()
  }

  send(length: number): void {
    this.socket.send(length, this.datagram)
  }

  drop(): void {}

  noteQuery(): void {}

  /** What comes by way of a proxy comes from its address. */
  noteLimited(): void {
    if (this.behind === undefined) this.socket.noteLimited?.(this.datagram.peer)
  }

  keepPath(): ReplyPath {
    return new UdpReplyPath(this.socket, this.datagram.keepPath(), this.transport, this.behind?.peer)
  }
}

class UdpReplyPath implements ReplyPath {
  readonly transport: Transport
  private readonly socket: DatagramSocket
  private readonly path: ReturnPath
  private readonly behind: Peer | undefined

  constructor(socket: DatagramSocket, path: ReturnPath, transport: Transport, behind: Peer | undefined) {
    this.socket = socket
    this.path = path
    this.behind = behind
    this.transport = transport
  }

  get client(): Peer {
    return this.behind ?? this.path.peer
  }

  reserve(): Uint8Array {
    return this.socket.reserve()
  }

  send(length: number): void {
    this.socket.send(length, this.path)
  }

  drop(): void {}
}

const noPeer: Peer = { address: "", port: 0, readWords: () => false }

/** What a packet holds before its first datagram. */
const emptyDatagram: Datagram = {
  payload: new Uint8Array(0),
  length: 0,
  isTruncated: false,
  peer: noPeer,
  keepPath: () => ({ peer: noPeer })
}
