/** DNS over TCP and over TLS: messages with their length before them (RFC 1035 §4.2.2, RFC 7858 §3.3). */
import { FrameReader } from "../../io/frames.ts"
import type { Conversation, Speaking } from "./conversation.ts"
import { FramedPacket } from "./framed-packet.ts"

export class FramedConversation implements Conversation {
  private readonly frames = new FrameReader()
  private readonly connection: Speaking

  constructor(connection: Speaking) {
    this.connection = connection
  }

  readonly isSentApart = false

  get isInsideMessage(): boolean {
    return this.frames.isInsideFrame
  }

  get hasNext(): boolean {
    return this.frames.hasMessage
  }

  append(chunk: Buffer): void {
    this.frames.append(chunk)
    this.settle()
  }

  readonly isHeld = false

  next(): boolean {
    const message = this.frames.next()
    if (message === undefined) return false
    const packet = new FramedPacket(message, this.connection)
    this.connection.begin(packet)
    packet.forgetMessage()
    this.settle()
    return true
  }

  isOverdue(): boolean {
    return false
  }

  readonly hasOpenRequests = false

  farewell(): void {}

  /** What is left of a chunk, where no message is whole, is moved to memory of its own. */
  private settle(): void {
    if (!this.frames.hasMessage) this.frames.next()
  }
}
