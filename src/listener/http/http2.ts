/**
 * HTTP/2 (RFC 9113), as far as queries need it: cuts frames out of what arrives, and checks them. What they are of stands
 * in `http2-requests.ts`.
 */
import { ErrorCode } from "../../io/http2.ts"
import type { Conversation, Speaking, SpeakingTimes } from "../stream/conversation.ts"
import { HeaderFault, HeaderReader } from "./hpack.ts"
import { FrameBudget } from "./http2-budget.ts"
import {
  ConnectionFault,
  Flag,
  FRAME_HEAD,
  Frame,
  MAX_FRAME,
  Setting,
  sendFrame,
  unpadded,
  word
} from "./http2-frames.ts"
import { requestHeaders } from "./http2-headers.ts"
import { Http2Requests } from "./http2-requests.ts"
import { Input } from "./input.ts"
import type { Site } from "./site.ts"

/** What a client sends first (RFC 9113 §3.4). */
export const PREFACE = Buffer.from("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n")

/** Octets of the headers of one request, as they are sent, and frames that they come in. */
const MAX_BLOCK = 32_768
const MAX_CONTINUATIONS = 8

/** Headers that come in several frames. */
interface Block {
  readonly stream: number
  readonly endsStream: boolean
  readonly dependsOnItself: boolean
  readonly parts: Array<Buffer>
  octets: number
}

export class Http2Conversation implements Conversation {
  private readonly input = new Input()
  private readonly connection: Speaking
  private readonly budget = new FrameBudget()
  private readonly requests: Http2Requests
  private readonly reader = new HeaderReader()
  private hasPreface = false
  private hasSettings = false
  /** Headers whose rest is to come. */
  private block: Block | undefined
  private isOver = false

  constructor(connection: Speaking, site: Site) {
    this.connection = connection
    this.requests = new Http2Requests(connection, site, this.budget)
    this.requests.sayLimits()
  }

  readonly isSentApart = true
  readonly isHeld = false

  get isInsideMessage(): boolean {
    return this.input.length > 0 || this.block !== undefined
  }

  get hasNext(): boolean {
    if (this.isOver) return false
    const { at, length, octets } = this.input
    if (!this.hasPreface) return length >= PREFACE.length || !isPrefaceSoFar(octets, at, length)
    if (length < FRAME_HEAD) return false
    const size = octets.readUIntBE(at, 3)
    return size > MAX_FRAME || length >= FRAME_HEAD + size
  }

  append(chunk: Buffer): void {
    if (this.isOver) return
    this.input.append(chunk)
    if (!this.hasNext) this.input.settle()
  }

  next(): boolean {
    try {
      this.readNext()
    } catch (cause) {
      if (cause instanceof ConnectionFault) this.goAway(cause.code, cause.message)
      else if (cause instanceof HeaderFault) this.goAway(ErrorCode.Compression, cause.message)
      else throw cause
    }
    if (!this.hasNext) this.input.settle()
    return true
  }

  isOverdue(nowMs: number, times: SpeakingTimes): boolean {
    return this.requests.isOverdue(nowMs, times)
  }

  get hasOpenRequests(): boolean {
    return this.requests.areOpen
  }

  farewell(): void {
    if (this.requests.takesMore) this.sayGoodbye(ErrorCode.None, "")
  }

  private readNext(): void {
    const { input } = this
    if (!this.hasPreface) {
      if (input.length < PREFACE.length || !input.take(PREFACE.length).equals(PREFACE)) {
        throw new ConnectionFault(ErrorCode.Protocol, "no preface")
      }
      this.hasPreface = true
      return
    }
    const head = input.take(FRAME_HEAD)
    const size = head.readUIntBE(0, 3)
    const type = head[3]!
    const flags = head[4]!
    const stream = head.readUInt32BE(5) & 0x7fffffff
    if (size > MAX_FRAME) throw new ConnectionFault(ErrorCode.FrameSize, "a frame that is too large")
    const payload = input.take(size)
    if (!this.hasSettings && type !== Frame.Settings) throw new ConnectionFault(ErrorCode.Protocol, "no settings first")
    if (this.block !== undefined && (type !== Frame.Continuation || stream !== this.block.stream)) {
      throw new ConnectionFault(ErrorCode.Protocol, "headers that do not go on")
    }
    this.onFrame(type, flags, stream, payload)
  }

  private onFrame(type: number, flags: number, stream: number, payload: Buffer): void {
    switch (type) {
      case Frame.Data:
        this.onData(flags, stream, payload)
        return
      case Frame.Headers:
        this.onHeaders(flags, stream, payload)
        return
      case Frame.Continuation:
        this.onContinuation(flags, payload)
        return
      case Frame.Priority:
        this.onPriority(stream, payload)
        return
      case Frame.Reset:
        this.onReset(stream, payload)
        return
      case Frame.Settings:
        this.onSettings(flags, stream, payload)
        return
      case Frame.PushPromise:
        throw new ConnectionFault(ErrorCode.Protocol, "a promise of a client")
      case Frame.Ping:
        this.onPing(flags, stream, payload)
        return
      case Frame.GoAway:
        if (stream !== 0) throw new ConnectionFault(ErrorCode.Protocol, "a goodbye of a stream")
        if (payload.length < 8) throw new ConnectionFault(ErrorCode.FrameSize, "a goodbye that is too short")
        this.budget.spend()
        return
      case Frame.WindowUpdate:
        this.onWindowUpdate(stream, payload)
        return
      default:
        // Frames of other types are passed over (RFC 9113 §5.5).
        this.budget.spend()
    }
  }

  private onHeaders(flags: number, stream: number, payload: Buffer): void {
    if (stream === 0 || stream % 2 === 0) throw new ConnectionFault(ErrorCode.Protocol, "headers of no stream")
    let fragment = unpadded(flags, payload)
    let dependsOnItself = false
    if ((flags & Flag.Priority) !== 0) {
      if (fragment.length < 5) throw new ConnectionFault(ErrorCode.FrameSize, "headers that are too short")
      dependsOnItself = (fragment.readUInt32BE(0) & 0x7fffffff) === stream
      fragment = fragment.subarray(5)
    }
    const progress = this.requests.progressOf(stream)
    if (progress === "none" && !this.requests.isIdle(stream)) {
      throw new ConnectionFault(ErrorCode.StreamClosed, "headers of a stream that is closed")
    }
    if (progress === "all") throw new ConnectionFault(ErrorCode.StreamClosed, "headers behind the end")
    const endsStream = (flags & Flag.EndStream) !== 0
    if (progress === "some" && !endsStream) throw new ConnectionFault(ErrorCode.Protocol, "trailers without an end")
    this.block = { stream, endsStream, dependsOnItself, parts: [Buffer.from(fragment)], octets: fragment.length }
    if ((flags & Flag.EndHeaders) !== 0) this.endHeaders(this.block)
  }

  private onContinuation(flags: number, payload: Buffer): void {
    const { block } = this
    if (block === undefined) throw new ConnectionFault(ErrorCode.Protocol, "headers that were not begun")
    block.parts.push(Buffer.from(payload))
    block.octets += payload.length
    if (block.octets > MAX_BLOCK || block.parts.length > MAX_CONTINUATIONS) {
      throw new ConnectionFault(ErrorCode.EnhanceYourCalm, "headers that are too large")
    }
    if ((flags & Flag.EndHeaders) !== 0) this.endHeaders(block)
  }

  private endHeaders({ stream, dependsOnItself, endsStream, parts }: Block): void {
    this.block = undefined
    // Read whatever becomes of the request: the table of headers goes on.
    const read = this.reader.read(parts.length === 1 ? parts[0]! : Buffer.concat(parts))
    const { requests } = this
    if (dependsOnItself) {
      requests.rejectAtOnce(stream, ErrorCode.Protocol)
    } else if (requests.progressOf(stream) === "none") {
      requests.begin(stream, read === undefined ? undefined : requestHeaders(read), endsStream)
    } else if (read?.some(([name]) => name.startsWith(":")) === false) {
      requests.end(stream)
    } else {
      // Nothing in trailers matters here, but that they are some.
      requests.reset(stream, ErrorCode.Protocol)
    }
  }

  private onData(flags: number, stream: number, payload: Buffer): void {
    if (stream === 0) throw new ConnectionFault(ErrorCode.Protocol, "data of no stream")
    this.requests.take(stream, flags, payload)
  }

  private onPriority(stream: number, payload: Buffer): void {
    this.budget.spend()
    if (stream === 0) throw new ConnectionFault(ErrorCode.Protocol, "a priority of no stream")
    if (payload.length !== 5) this.requests.reset(stream, ErrorCode.FrameSize)
    else if ((payload.readUInt32BE(0) & 0x7fffffff) === stream) this.requests.reset(stream, ErrorCode.Protocol)
  }

  private onReset(stream: number, payload: Buffer): void {
    if (stream === 0) throw new ConnectionFault(ErrorCode.Protocol, "a reset of no stream")
    if (payload.length !== 4) throw new ConnectionFault(ErrorCode.FrameSize, "a reset of another size")
    if (this.requests.isIdle(stream)) {
      throw new ConnectionFault(ErrorCode.Protocol, "a reset of a stream that is idle")
    }
    this.requests.onReset(stream)
  }

  private onSettings(flags: number, stream: number, payload: Buffer): void {
    if (stream !== 0) throw new ConnectionFault(ErrorCode.Protocol, "settings of a stream")
    if ((flags & Flag.Ack) !== 0) {
      if (payload.length > 0) throw new ConnectionFault(ErrorCode.FrameSize, "an acknowledgement with settings")
      if (!this.hasSettings) throw new ConnectionFault(ErrorCode.Protocol, "no settings first")
      this.budget.spend()
      return
    }
    if (payload.length % 6 !== 0) throw new ConnectionFault(ErrorCode.FrameSize, "settings of another size")
    if (this.hasSettings) this.budget.spend()
    this.hasSettings = true
    for (let at = 0; at < payload.length; at += 6) {
      this.onSetting(payload.readUInt16BE(at), payload.readUInt32BE(at + 2))
    }
    sendFrame(this.connection, Frame.Settings, Flag.Ack, 0, [])
    this.requests.sendAllowed()
  }

  private onSetting(name: number, value: number): void {
    switch (name) {
      case Setting.EnablePush:
        if (value > 1) throw new ConnectionFault(ErrorCode.Protocol, "a push that is neither on nor off")
        return
      case Setting.InitialWindow:
        this.requests.setInitialWindow(value)
        return
      case Setting.MaxFrame:
        if (value < MAX_FRAME || value > 0xffffff) throw new ConnectionFault(ErrorCode.Protocol, "frames of no size")
    }
  }

  private onPing(flags: number, stream: number, payload: Buffer): void {
    if (stream !== 0) throw new ConnectionFault(ErrorCode.Protocol, "a ping of a stream")
    if (payload.length !== 8) throw new ConnectionFault(ErrorCode.FrameSize, "a ping of another size")
    this.budget.spend()
    if ((flags & Flag.Ack) === 0) sendFrame(this.connection, Frame.Ping, Flag.Ack, 0, payload)
  }

  private onWindowUpdate(stream: number, payload: Buffer): void {
    if (payload.length !== 4) throw new ConnectionFault(ErrorCode.FrameSize, "a window of another size")
    const octets = payload.readUInt32BE(0) & 0x7fffffff
    this.budget.spend()
    if (stream === 0) {
      this.requests.allowAll(octets)
      return
    }
    if (this.requests.isIdle(stream)) {
      throw new ConnectionFault(ErrorCode.Protocol, "a window of a stream that is idle")
    }
    this.requests.allow(stream, octets)
  }

  private sayGoodbye(code: number, reason: string): void {
    this.requests.takeNoMore()
    const payload = Buffer.concat([word(this.requests.last), word(code), Buffer.from(reason)])
    sendFrame(this.connection, Frame.GoAway, 0, 0, payload)
  }

  /** The connection is over: nothing more is read of it. */
  private goAway(code: number, reason: string): void {
    this.sayGoodbye(code, reason)
    this.isOver = true
    this.input.clear()
    this.block = undefined
    this.requests.forgetAll()
    this.connection.end()
  }
}

const isPrefaceSoFar = (octets: Buffer, at: number, length: number): boolean =>
  octets.compare(PREFACE, 0, Math.min(length, PREFACE.length), at, at + Math.min(length, PREFACE.length)) === 0
