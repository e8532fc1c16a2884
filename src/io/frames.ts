/**
 * Messages on a stream: two octets of length before each (RFC 1035 §4.2.2), in pieces of any size.
 */
import { u16 } from "../dns/wire.ts"

/** Octets of the length before each message. */
export const PREFIX_SIZE = 2

/** Cuts what arrives on one stream into messages. Holds what was pushed and not yet taken. */
export class FrameReader {
  private octets: Buffer | undefined
  private at = 0

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
    this.octets = this.octets === undefined ? chunk : Buffer.concat([this.octets.subarray(this.at), chunk])
    this.at = 0
  }

  /**
   * Takes the next whole message; undefined where there is none.
   *
   * The message is a view of the chunk where it lies whole inside it: what is needed later has to be copied.
   */
  next(): Uint8Array | undefined {
    const end = this.messageEnd()
    if (end === 0) return undefined
    const octets = this.octets!
    const message = octets.subarray(this.at + PREFIX_SIZE, end)
    this.at = end
    if (end === octets.length) {
      this.octets = undefined
      this.at = 0
    }
    return message
  }

  /** Hands every message that `chunk` completes to `onMessage`, in order. */
  push(chunk: Buffer, onMessage: (message: Uint8Array) => void): void {
    this.append(chunk)
    for (let message = this.next(); message !== undefined; message = this.next()) onMessage(message)
  }

  /** Where the first message ends; 0 where it is not whole. */
  private messageEnd(): number {
    const { octets, at } = this
    if (octets === undefined || at + PREFIX_SIZE > octets.length) return 0
    const end = at + PREFIX_SIZE + u16(octets, at)
    return end > octets.length ? 0 : end
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
