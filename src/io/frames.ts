/**
 * Messages on a stream: two octets of length before each (RFC 1035 §4.2.2), in pieces of any size.
 */
import { u16 } from "../dns/wire.ts"

/** Octets of the length before each message. */
export const PREFIX_SIZE = 2

/** Cuts what arrives on one stream into messages. Holds at most one unfinished message. */
export class FrameReader {
  private rest: Buffer | undefined

  /** Whether a message has begun and not ended. */
  get isInsideFrame(): boolean {
    return this.rest !== undefined
  }

  /**
   * Hands every message that `chunk` completes to `onMessage`, in order.
   *
   * The message is a view of the chunk where it lies whole inside it: what is needed later has to be copied.
   */
  push(chunk: Buffer, onMessage: (message: Uint8Array) => void): void {
    const octets = this.rest === undefined ? chunk : Buffer.concat([this.rest, chunk])
    let at = 0
    while (at + PREFIX_SIZE <= octets.length) {
      const end = at + PREFIX_SIZE + u16(octets, at)
      if (end > octets.length) break
      onMessage(octets.subarray(at + PREFIX_SIZE, end))
      at = end
    }
    this.rest = at === octets.length ? undefined : octets.subarray(at)
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
