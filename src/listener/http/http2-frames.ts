/** Frames of HTTP/2 (RFC 9113 §4, §6): their types, flags and codes, and how they are written. */

import { ErrorCode } from "../../io/http2.ts"
import type { Speaking } from "../stream/conversation.ts"
import { reserve } from "../stream/reply-buffer.ts"

/** Octets before the payload of each frame. */
export const FRAME_HEAD = 9
/** Octets of a payload: more are neither taken nor sent, whatever the client allows (RFC 9113 §4.2). */
export const MAX_FRAME = 16_384

export const Frame = {
  Data: 0,
  Headers: 1,
  Priority: 2,
  Reset: 3,
  Settings: 4,
  PushPromise: 5,
  Ping: 6,
  GoAway: 7,
  WindowUpdate: 8,
  Continuation: 9
} as const

export const Flag = { EndStream: 1, Ack: 1, EndHeaders: 4, Padded: 8, Priority: 0x20 } as const

export const Setting = { EnablePush: 2, MaxStreams: 3, InitialWindow: 4, MaxFrame: 5, MaxHeaderList: 6 } as const

/** The connection is over for this reason. */
export class ConnectionFault extends Error {
  readonly code: number

  constructor(code: number, message: string) {
    super(message)
    this.code = code
  }
}

/** One setting, as its frame has it (RFC 9113 §6.5.1). */
export const setting = (name: number, value: number): ReadonlyArray<number> => [0, name, ...word(value)]

/** Four octets. */
export const word = (value: number): Uint8Array => {
  const octets = Buffer.allocUnsafe(4)
  octets.writeUInt32BE(value)
  return octets
}

/** Nine octets (RFC 9113 §4.1). */
export const putFrameHead = (
  out: Uint8Array,
  at: number,
  length: number,
  type: number,
  flags: number,
  stream: number
): void => {
  out[at] = length >>> 16
  out[at + 1] = length >>> 8
  out[at + 2] = length
  out[at + 3] = type
  out[at + 4] = flags
  out[at + 5] = stream >>> 24
  out[at + 6] = stream >>> 16
  out[at + 7] = stream >>> 8
  out[at + 8] = stream
}

export const sendFrame = (
  connection: Speaking,
  type: number,
  flags: number,
  stream: number,
  payload: ArrayLike<number>
): void => {
  const out = reserve(FRAME_HEAD + payload.length)
  putFrameHead(out, 0, payload.length, type, flags, stream)
  out.set(payload, FRAME_HEAD)
  connection.send(FRAME_HEAD + payload.length)
}

/** What is left of a payload without its padding (RFC 9113 §6.1). */
export const unpadded = (flags: number, payload: Buffer): Buffer => {
  if ((flags & Flag.Padded) === 0) return payload
  const padding = payload[0]
  if (padding === undefined || padding >= payload.length) {
    throw new ConnectionFault(ErrorCode.Protocol, "more padding than there is room")
  }
  return payload.subarray(1, payload.length - padding)
}
