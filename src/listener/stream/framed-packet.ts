/** One message that came with its length before it, and the way back to its client. */
import { NO_OCTETS } from "../../dns/wire.ts"
import { PREFIX_SIZE } from "../../io/frames.ts"
import type { Peer } from "../../io/peer.ts"
import type { Packet, ReplyPath } from "../../query/packet.ts"
import type { Transport } from "../../query/transport.ts"
import type { Speaking } from "./conversation.ts"
import { reserve } from "./reply-buffer.ts"

/**
 * It is the way back for a later answer too: by then it holds no part of the message, however large that was. The parts
 * of a query that an answer needs are copied (`Query.detach`).
 */
export class FramedPacket implements Packet {
  readonly transport: Transport
  wire: Uint8Array
  length: number
  readonly client: Peer
  private isWellFormed = false
  private isOver = false
  private room: Uint8Array = NO_OCTETS
  private readonly connection: Speaking

  constructor(message: Uint8Array, connection: Speaking) {
    this.wire = message
    this.length = message.length
    this.client = connection.peer
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
    this.room = reserve(PREFIX_SIZE + size)
    return this.room.subarray(PREFIX_SIZE)
  }

  send(length: number): void {
    if (this.isOver) return
    this.room[0] = length >>> 8
    this.room[1] = length
    this.room = NO_OCTETS
    this.connection.send(PREFIX_SIZE + length)
    this.end()
  }

  drop(): void {
    if (this.isOver) return
    this.isWellFormed = false
    this.end()
  }

  keepPath(): ReplyPath {
    return this
  }

  private end(): void {
    this.isOver = true
    this.connection.over(this.isWellFormed)
  }
}
