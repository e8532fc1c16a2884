/** One message that came by TCP, and the way back to its client. */
import { NO_OCTETS } from "../../dns/wire.ts"
import type { Peer } from "../../io/peer.ts"
import type { Packet, ReplyPath } from "../../query/packet.ts"
import type { Transport } from "../../query/transport.ts"
import { reserveMessage } from "./reply-buffer.ts"

/** The connection that a message came by. */
export interface PacketConnection {
  readonly transport: Transport
  /** A message that came is a query, well-formed and of a client that may ask. */
  readonly noteQuery: () => void
  /**
   * A query is over; its answer stands, so many octets long, where `reserveMessage` said; -1 where it gets none.
   *
   * @param isWellFormed whether it was one that `noteQuery` was told of
   */
  readonly answer: (length: number, isWellFormed: boolean) => void
}

/**
 * It is the way back for a later answer too: by then it holds no part of the message, however large that was. The parts
 * of a query that an answer needs are copied (`Query.detach`).
 */
export class TcpPacket implements Packet {
  readonly transport: Transport
  wire: Uint8Array
  length: number
  readonly client: Peer
  private isWellFormed = false
  private isOver = false
  private readonly connection: PacketConnection

  constructor(message: Uint8Array, client: Peer, connection: PacketConnection) {
    this.wire = message
    this.length = message.length
    this.client = client
    this.transport = connection.transport
    this.connection = connection
  }

  /** The message is valid until the pipeline suspends or returns: it has. */
  forgetMessage(): void {
    this.wire = NO_OCTETS
    this.length = 0
  }

  noteQuery(): void {
    this.isWellFormed = true
    this.connection.noteQuery()
  }

  reserve(size: number): Uint8Array {
    return reserveMessage(size)
  }

  send(length: number): void {
    this.end(length)
  }

  drop(): void {
    this.end(-1)
  }

  keepPath(): ReplyPath {
    return this
  }

  private end(length: number): void {
    if (this.isOver) return
    this.isOver = true
    this.connection.answer(length, this.isWellFormed)
  }
}
