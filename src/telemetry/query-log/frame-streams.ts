/**
 * Frame Streams, in which dnstap is carried: frames with their length before them, and control frames behind a length of
 * zero, which begin and end a stream (https://farsightsec.github.io/fstrm/).
 */

const CONTENT_TYPE = Buffer.from("protobuf:dnstap.Dnstap", "ascii")
const FIELD_CONTENT_TYPE = 1
/** A control frame is no longer than this. */
const MAX_CONTROL_OCTETS = 512

export const Control = { Accept: 1, Start: 2, Stop: 3, Ready: 4, Finish: 5 } as const
export type Control = (typeof Control)[keyof typeof Control]

/** Whether a control frame of this type says what is in the frames. */
const NAMES_CONTENT: ReadonlySet<number> = new Set([Control.Accept, Control.Start, Control.Ready])

export const controlFrame = (type: Control): Uint8Array => {
  const content = NAMES_CONTENT.has(type) ? 8 + CONTENT_TYPE.length : 0
  const frame = Buffer.alloc(12 + content)
  frame.writeUInt32BE(4 + content, 4)
  frame.writeUInt32BE(type, 8)
  if (content > 0) {
    frame.writeUInt32BE(FIELD_CONTENT_TYPE, 12)
    frame.writeUInt32BE(CONTENT_TYPE.length, 16)
    CONTENT_TYPE.copy(frame, 20)
  }
  return frame
}

/** Control frames as they come from a reader, in whatever pieces. */
export class ControlReader {
  private waiting = Buffer.alloc(0)

  /**
   * The types of the frames that are whole now.
   *
   * @returns undefined for what is no control frame, or one that wants other content than dnstap
   */
  read(chunk: Uint8Array): ReadonlyArray<number> | undefined {
    this.waiting = Buffer.concat([this.waiting, chunk])
    const types: Array<number> = []
    while (this.waiting.length >= 12) {
      const length = this.waiting.readUInt32BE(4)
      if (this.waiting.readUInt32BE(0) !== 0 || length < 4 || length > MAX_CONTROL_OCTETS) return undefined
      if (this.waiting.length < 8 + length) return types
      const frame = this.waiting.subarray(8, 8 + length)
      this.waiting = this.waiting.subarray(8 + length)
      const type = frame.readUInt32BE(0)
      if (type === Control.Accept && !takesDnstap(frame.subarray(4))) return undefined
      types.push(type)
    }
    return this.waiting.length >= 4 && this.waiting.readUInt32BE(0) !== 0 ? undefined : types
  }
}

/** A reader that names no content takes any. */
const takesDnstap = (fields: Buffer): boolean => {
  let isAny = true
  for (let at = 0; at + 8 <= fields.length; ) {
    const length = fields.readUInt32BE(at + 4)
    if (fields.readUInt32BE(at) === FIELD_CONTENT_TYPE) {
      if (fields.subarray(at + 8, at + 8 + length).equals(CONTENT_TYPE)) return true
      isAny = false
    }
    at += 8 + length
  }
  return isAny
}
