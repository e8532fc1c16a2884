/**
 * Writes questions on a connection over TCP or TLS: what is asked in one turn of the event loop leaves in one write.
 *
 * Hot: nothing is made for a question.
 */
import type { Socket } from "node:net"
import { writeQuery } from "../../dns/question.ts"
import { MAX_UDP_SIZE } from "../../dns/reply.ts"
import { putU16 } from "../../dns/wire.ts"
import { MAX_SENT } from "../../io/datagram.ts"
import { PREFIX_SIZE } from "../../io/frames.ts"
import type { PendingRequest } from "./connection.ts"

/** Octets that questions are written into, one behind the other, until they are full. */
const CHUNK_SIZE = 16_384
const NO_ROOM = Buffer.alloc(0)

export class QuestionWriter {
  private readonly socket: Socket
  private readonly block: number
  private chunk = NO_ROOM
  /** What of the chunk was handed to the socket, and what was filled. */
  private sent = 0
  private filled = 0
  private isScheduled = false
  private readonly onTurnsEnd: () => void

  /**
   * @param block octets of which each message is a multiple
   * @param guard by which the event loop calls
   */
  constructor(socket: Socket, block: number, guard: (callback: () => void) => () => void) {
    this.socket = socket
    this.block = block
    this.onTurnsEnd = guard(() => {
      this.isScheduled = false
      this.flush()
      this.socket.uncork()
    })
  }

  write({ id, requester, edns, options }: PendingRequest): void {
    if (this.filled + PREFIX_SIZE + MAX_SENT > this.chunk.length) {
      this.flush()
      this.chunk = Buffer.allocUnsafeSlow(CHUNK_SIZE)
      this.sent = this.filled = 0
    }
    const room = this.chunk.subarray(this.filled + PREFIX_SIZE)
    const length = writeQuery(room, id, requester.question, MAX_UDP_SIZE, edns, options, this.block)
    putU16(this.chunk, this.filled, length)
    this.filled += PREFIX_SIZE + length
    if (this.isScheduled) return
    this.isScheduled = true
    this.socket.cork()
    setImmediate(this.onTurnsEnd)
  }

  private flush(): void {
    if (this.filled > this.sent && !this.socket.destroyed)
      this.socket.write(this.chunk.subarray(this.sent, this.filled))
    this.sent = this.filled
  }
}
