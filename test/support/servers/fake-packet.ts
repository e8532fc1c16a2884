/** A packet whose listener is the test: what is sent is kept. */
import { MAX_MESSAGE_SIZE } from "../../../src/dns/wire.ts"
import { TextPeer } from "../../../src/io/peer.ts"
import type { Packet, ReplyPath } from "../../../src/query/packet.ts"
import { type Transport, UDP } from "../../../src/query/transport.ts"

export class FakePacket implements Packet {
  readonly client = new TextPeer({ address: "127.0.0.1", port: 4711 })
  readonly sent: Array<Uint8Array> = []
  /** How long each may be kept, in seconds. */
  readonly ttls: Array<number> = []
  readonly wire: Uint8Array
  readonly transport: Transport
  isDropped = false
  private readonly room = new Uint8Array(MAX_MESSAGE_SIZE)

  constructor(wire: Uint8Array, transport: Transport = UDP) {
    this.wire = wire
    this.transport = transport
  }

  get length(): number {
    return this.wire.length
  }

  reserve(): Uint8Array {
    return this.room
  }

  send(length: number, ttlSeconds: number): void {
    this.sent.push(this.room.slice(0, length))
    this.ttls.push(ttlSeconds)
  }

  drop(): void {
    this.isDropped = true
  }

  noteQuery(): void {}

  keepPath(): ReplyPath {
    return this
  }
}
