/** One query that came by HTTP, and the way back to its client. */
import { NO_OCTETS } from "../../dns/wire.ts"
import type { Peer } from "../../io/peer.ts"
import type { Packet, ReplyPath } from "../../query/packet.ts"
import type { Transport } from "../../query/transport.ts"

/** What is done with the reply to a request. */
export interface Replied {
  readonly transport: Transport
  readonly noteQuery: () => void
  /** @param message valid until the call returns */
  readonly reply: (message: Uint8Array, ttlSeconds: number) => void
  /** What came was no query, or of a client that is told nothing. */
  readonly refuse: () => void
  /** It is over: called once, behind one of the two. */
  readonly over: (isWellFormed: boolean) => void
}

/** Answers are written here, one after the other, before what is around them is known. */
let scratch = new Uint8Array(4_096)

export class HttpPacket implements Packet {
  wire: Uint8Array
  length: number
  readonly client: Peer
  private isWellFormed = false
  private isOver = false
  private readonly replied: Replied

  constructor(wire: Uint8Array, client: Peer, replied: Replied) {
    this.wire = wire
    this.length = wire.length
    this.client = client
    this.replied = replied
  }

  get transport(): Transport {
    return this.replied.transport
  }

  /** The message is valid until the pipeline suspends or returns: it has. */
  forgetMessage(): void {
    this.wire = NO_OCTETS
    this.length = 0
  }

  noteQuery(): void {
    this.isWellFormed = true
    this.replied.noteQuery()
  }

  reserve(size: number): Uint8Array {
    if (scratch.length < size) scratch = new Uint8Array(size)
    return scratch
  }

  send(length: number, ttlSeconds: number): void {
    if (this.isOver) return
    this.isOver = true
    try {
      this.replied.reply(scratch.subarray(0, length), ttlSeconds)
    } finally {
      this.replied.over(this.isWellFormed)
    }
  }

  drop(): void {
    if (this.isOver) return
    this.isOver = true
    this.replied.refuse()
    this.replied.over(false)
  }

  keepPath(): ReplyPath {
    return this
  }
}
