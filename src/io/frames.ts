/**
 * Messages on a stream: two octets of length before each (RFC 1035 §4.2.2), in pieces of any size.
 */
import { u16 } from "../dns/wire.ts"

/** Octets of the length before each message. */
export const PREFIX_SIZE = 2

/** Room that is made for the beginning of a message at least. */
const LEAST_ROOM = 64

/**
 * Cuts what arrives on one stream into messages. Holds what was pushed and not yet taken.
 *
 * A message in pieces is put together in memory that grows with it, so that one that comes octet by octet costs no more
 * than its length, and nobody is given room for what only its length promises.
 */
export class FrameReader {
  /** What is there: `octets[at, end)`; never written over, for messages are views of it. */
  private octets: Buffer | undefined
  private at = 0
  private end = 0
  /** Whether what is behind `end` is room for more. */
  private isOwn = false

  /** Whether a message has begun and not ended. */
  get isInsideFrame(): boolean {
    return this.octets !== undefined
  }

  /** Whether a whole message waits to be taken. */
  get hasMessage(): boolean {
    return this.messageEnd() > 0
  }

  /** Takes in what arrived. */
  append(chunk: Buffer): void {
    if (chunk.length === 0) return
    if (this.octets === undefined) {
      this.octets = chunk
      this.at = 0
      this.end = chunk.length
      this.isOwn = false
      return
    }
    if (!this.isOwn || this.end + chunk.length > this.octets.length) this.move(this.end - this.at + chunk.length)
    chunk.copy(this.octets, this.end)
    this.end += chunk.length
  }

  /**
   * Takes the next whole message; undefined where there is none.
   *
   * The message is a view of the chunk where it lies whole inside it: what is needed later has to be copied.
   */
  next(): Uint8Array | undefined {
    const { octets } = this
    if (octets === undefined) return undefined
    const end = this.messageEnd()
    if (end === 0) {
      // What is left of a chunk would keep all of it, and its neighbours, until the rest comes.
      if (!this.isOwn) this.move(this.end - this.at)
      return undefined
    }
    const message = octets.subarray(this.at + PREFIX_SIZE, end)
    this.at = end
    if (end === this.end) this.octets = undefined
    return message
  }

  /** Hands every message that `chunk` completes to `onMessage`, in order. */
  push(chunk: Buffer, onMessage: (message: Uint8Array) => void): void {
    this.append(chunk)
    for (let message = this.next(); message !== undefined; message = this.next()) onMessage(message)
  }

  /**
   * Moves what is there to memory of its own with room for `size` octets, and as many again that the message may need.
   */
  private move(size: number): void {
    const held = this.octets!.subarray(this.at, this.end)
    const whole = held.length < PREFIX_SIZE ? LEAST_ROOM : PREFIX_SIZE + u16(held, 0)
    this.octets = Buffer.allocUnsafeSlow(Math.max(size, Math.min(whole, Math.max(2 * size, LEAST_ROOM))))
    held.copy(this.octets, 0)
    this.at = 0
    this.end = held.length
    this.isOwn = true
  }

  /** Where the first message ends; 0 where it is not whole. */
  private messageEnd(): number {
    const { at, end, octets } = this
    if (octets === undefined || at + PREFIX_SIZE > end) return 0
    const messageEnd = at + PREFIX_SIZE + u16(octets, at)
    return messageEnd > end ? 0 : messageEnd
  }
}

/** The message with its length before it. */
export const frame = (message: Uint8Array): Uint8Array => {
  const framed = new Uint8Array(PREFIX_SIZE + message.length)
  framed[0] = message.length >>> 8
  framed[1] = message.length
  framed.set(message, PREFIX_SIZE)
  return framed
}
