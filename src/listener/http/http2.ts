/**
 * HTTP/2 (RFC 9113), as far as queries need it: each request a stream, answered in whatever order answers are ready.
 *
 * Hostile clients are counted with: streams, headers, bodies and answers that wait have limits; frames that ask for work
 * and bring no query use up a budget that queries fill again (RFC 9113 §10.5), and who has used it up is sent away.
 */
import { MAX_MESSAGE_SIZE } from "../../dns/wire.ts"
import { ErrorCode } from "../../io/http2.ts"
import type { Conversation, Speaking, SpeakingTimes } from "../stream/conversation.ts"
import { reserve } from "../stream/reply-buffer.ts"
import { HeaderFault, HeaderReader, MAX_HEADER_LIST } from "./hpack.ts"
import {
  ConnectionFault,
  Flag,
  FRAME_HEAD,
  Frame,
  MAX_FRAME,
  putFrameHead,
  Setting,
  setting,
  unpadded,
  word
} from "./http2-frames.ts"
import {
  ALLOW,
  CACHE_CONTROL,
  CONTENT_LENGTH,
  CONTENT_TYPE,
  MAX_FIELDS,
  putHeaders,
  requestHeaders
} from "./http2-headers.ts"
import { Input } from "./input.ts"
import { type Site, serve } from "./site.ts"

/** What a client sends first (RFC 9113 §3.4). */
export const PREFACE = Buffer.from("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n")

const WINDOW = 65_535
/** Octets that may come of one body: one more than a message has, so that what is longer is seen to be. */
const BODY_WINDOW = MAX_MESSAGE_SIZE + 1
/** Octets of bodies that have come and are no whole queries yet, of one connection. */
const BODIES_WINDOW = 4 * BODY_WINDOW
const MAX_WINDOW = 0x7fffffff
/** Requests of one connection under way at once. */
const MAX_STREAMS = 128
/** Octets of the headers of one request, as they are sent, and frames that they come in. */
const MAX_BLOCK = 32_768
const MAX_CONTINUATIONS = 8
/** Octets of answers that wait for the client to allow more. */
const MAX_BLOCKED = 256 << 10
/** Octets of a body in a frame that is not the last: fewer are hardly worth their frame. */
const SMALL_DATA = 1_024
/** Frames that bring no query: so many are for nothing, and so many more for each query that is answered. */
const FREE_FRAMES = 200
const FRAMES_A_QUERY = 10
const MOST_FRAMES = 2_000

/** A request, until its answer has left. */
interface Stream {
  readonly id: number
  readonly openedMs: number
  headers: ReadonlyMap<string, string> | undefined
  /** What has come of its body. */
  body: Array<Buffer>
  bodyOctets: number
  /** The client has sent all of it. */
  isWhole: boolean
  /** A query is under way for it. */
  isAsked: boolean
  /** Octets that may be sent. */
  window: number
  /** What of its answer waits for the client to allow it. */
  blocked: Buffer | undefined
  blockedSinceMs: number
}

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
  private readonly site: Site
  private readonly reader = new HeaderReader()
  private readonly streams = new Map<number, Stream>()
  private hasPreface = false
  private hasSettings = false
  /** The highest stream that the client has opened. */
  private last = 0
  /** Headers whose rest is to come. */
  private block: Block | undefined
  private window = WINDOW
  private initialWindow = WINDOW
  /** Octets of bodies that are not held any more, since the client was last allowed to send as many anew. */
  private released = 0
  /** Octets of bodies that the client may send. */
  private receiveWindow = BODIES_WINDOW
  private blockedOctets = 0
  private budget = FREE_FRAMES
  private hasGone = false
  private isOver = false

  constructor(connection: Speaking, site: Site) {
    this.connection = connection
    this.site = site
    this.sendFrame(Frame.Settings, 0, 0, [
      ...setting(Setting.MaxStreams, MAX_STREAMS),
      ...setting(Setting.InitialWindow, BODY_WINDOW),
      ...setting(Setting.MaxHeaderList, MAX_HEADER_LIST)
    ])
    this.sendFrame(Frame.WindowUpdate, 0, 0, word(BODIES_WINDOW - WINDOW))
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

  /** Whether a request takes too long to come, or a client to allow its answer. */
  isOverdue(nowMs: number, { receiveMs, sendMs }: SpeakingTimes): boolean {
    for (const { blockedSinceMs, isWhole, openedMs } of this.streams.values()) {
      if (!isWhole && nowMs - openedMs >= receiveMs) return true
      if (blockedSinceMs > 0 && nowMs - blockedSinceMs >= sendMs) return true
    }
    return false
  }

  get hasOpenRequests(): boolean {
    return this.streams.size > 0
  }

  farewell(): void {
    if (!this.hasGone && !this.isOver) this.sayGoodbye(ErrorCode.None, "")
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
        this.spend()
        if (stream === 0) throw new ConnectionFault(ErrorCode.Protocol, "a priority of no stream")
        if (payload.length !== 5) {
          this.reset(stream, ErrorCode.FrameSize)
          return
        }
        if ((payload.readUInt32BE(0) & 0x7fffffff) === stream) this.reset(stream, ErrorCode.Protocol)
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
        if (stream !== 0) throw new ConnectionFault(ErrorCode.Protocol, "a ping of a stream")
        if (payload.length !== 8) throw new ConnectionFault(ErrorCode.FrameSize, "a ping of another size")
        this.spend()
        if ((flags & Flag.Ack) === 0) this.sendFrame(Frame.Ping, Flag.Ack, 0, payload)
        return
      case Frame.GoAway:
        if (stream !== 0) throw new ConnectionFault(ErrorCode.Protocol, "a goodbye of a stream")
        if (payload.length < 8) throw new ConnectionFault(ErrorCode.FrameSize, "a goodbye that is too short")
        this.spend()
        return
      case Frame.WindowUpdate:
        this.onWindowUpdate(stream, payload)
        return
      default:
        // Frames of other types are passed over (RFC 9113 §5.5).
        this.spend()
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
    const known = this.streams.get(stream)
    if (known === undefined && stream <= this.last) {
      throw new ConnectionFault(ErrorCode.StreamClosed, "headers of a stream that is closed")
    }
    if (known?.isWhole === true) throw new ConnectionFault(ErrorCode.StreamClosed, "headers behind the end")
    const endsStream = (flags & Flag.EndStream) !== 0
    if (known !== undefined && !endsStream) throw new ConnectionFault(ErrorCode.Protocol, "trailers without an end")
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

  private endHeaders({ stream: id, dependsOnItself, endsStream, parts }: Block): void {
    this.block = undefined
    // Read whatever becomes of the request: the table of headers goes on.
    const read = this.reader.read(parts.length === 1 ? parts[0]! : Buffer.concat(parts))
    if (dependsOnItself) {
      this.last = Math.max(this.last, id)
      this.reset(id, ErrorCode.Protocol)
      return
    }
    const known = this.streams.get(id)
    if (known !== undefined) {
      // Trailers: nothing in them matters here, but that they are some.
      if (read?.some(([name]) => name.startsWith(":")) !== false) {
        this.reset(id, ErrorCode.Protocol)
        return
      }
      this.endRequest(known)
      return
    }
    this.last = id
    if (this.hasGone) return
    if (this.streams.size >= MAX_STREAMS || this.blockedOctets > MAX_BLOCKED) {
      this.spend()
      this.sendReset(id, ErrorCode.Refused)
      return
    }
    const headers = read === undefined ? undefined : requestHeaders(read)
    if (headers === "malformed") {
      this.spend()
      this.sendReset(id, ErrorCode.Protocol)
      return
    }
    const stream: Stream = {
      id,
      openedMs: this.connection.nowMs(),
      headers,
      body: [],
      bodyOctets: 0,
      isWhole: false,
      isAsked: false,
      window: this.initialWindow,
      blocked: undefined,
      blockedSinceMs: 0
    }
    this.streams.set(id, stream)
    if (headers === undefined) {
      this.refuse(stream, 431, "the headers are too large")
      return
    }
    if (endsStream) this.endRequest(stream)
  }

  private onData(flags: number, id: number, payload: Buffer): void {
    if (id === 0) throw new ConnectionFault(ErrorCode.Protocol, "data of no stream")
    this.receiveWindow -= payload.length
    if (this.receiveWindow < 0) throw new ConnectionFault(ErrorCode.FlowControl, "more than was allowed")
    const stream = this.streams.get(id)
    if (stream === undefined) {
      this.release(payload.length)
      if (id > this.last || id % 2 === 0) throw new ConnectionFault(ErrorCode.Protocol, "data of a stream that is idle")
      this.spend()
      this.sendReset(id, ErrorCode.StreamClosed)
      return
    }
    const data = unpadded(flags, payload)
    const endsStream = (flags & Flag.EndStream) !== 0
    this.release(stream.isAsked ? payload.length : payload.length - data.length)
    if (stream.isWhole) {
      this.reset(id, ErrorCode.StreamClosed)
      return
    }
    if (data.length < SMALL_DATA && !endsStream) this.spend()
    if (stream.isAsked) {
      // It was refused while it came.
      if (endsStream) stream.isWhole = true
      return
    }
    stream.bodyOctets += data.length
    if (stream.bodyOctets > MAX_MESSAGE_SIZE) {
      this.releaseBody(stream)
      this.refuse(stream, 413, "a query is no longer than 65535 octets")
      return
    }
    if (data.length > 0) stream.body.push(Buffer.from(data))
    if (endsStream) this.endRequest(stream)
  }

  /** So many octets of bodies are not held any more: the client may send as many. */
  private release(octets: number): void {
    this.released += octets
    if (this.released < WINDOW / 2) return
    this.sendFrame(Frame.WindowUpdate, 0, 0, word(this.released))
    this.receiveWindow += this.released
    this.released = 0
  }

  private releaseBody(stream: Stream): void {
    this.release(stream.bodyOctets)
    stream.body = []
    stream.bodyOctets = 0
  }

  private endRequest(stream: Stream): void {
    stream.isWhole = true
    // It was refused while it came.
    if (stream.isAsked) return
    stream.isAsked = true
    const { body, bodyOctets, headers } = stream
    const length = headers?.get("content-length")
    if (length !== undefined && Number(length) !== bodyOctets) {
      this.reset(stream.id, ErrorCode.Protocol)
      return
    }
    this.releaseBody(stream)
    const field = (name: string): string => headers?.get(name) ?? ""
    const method = field(":method")
    this.budget = Math.min(MOST_FRAMES, this.budget + FRAMES_A_QUERY)
    serve(
      this.site,
      this.connection,
      {
        method,
        target: field(":path"),
        contentType: field("content-type"),
        forwardedFor: field("x-forwarded-for"),
        body: body.length === 1 ? body[0]! : Buffer.concat(body, bodyOctets)
      },
      {
        answer: (contentType, octets, ttlSeconds) =>
          this.respond(stream, 200, contentType, method === "HEAD" ? NOTHING : octets, [
            CACHE_CONTROL,
            `max-age=${ttlSeconds}`
          ]),
        refuse: (status, reason) => this.refuse(stream, status, reason, method === "HEAD")
      }
    )
  }

  private refuse(stream: Stream, status: number, reason: string, isHead = false): void {
    stream.isAsked = true
    const more: ReadonlyArray<number | string> = status === 405 ? [ALLOW, "GET, HEAD, POST"] : []
    this.respond(stream, status, "text/plain", isHead ? NOTHING : Buffer.from(`${reason}\n`), more)
  }

  private respond(
    stream: Stream,
    status: number,
    contentType: string,
    body: Uint8Array,
    more: ReadonlyArray<number | string>
  ): void {
    // It was reset, or the connection is over.
    if (this.streams.get(stream.id) !== stream || this.isOver) return
    const fields = [CONTENT_TYPE, contentType, CONTENT_LENGTH, String(body.length), ...more]
    const isWhole = body.length <= Math.min(stream.window, this.window, MAX_FRAME)
    if (!isWhole && this.blockedOctets > MAX_BLOCKED) {
      this.forget(stream.id)
      this.sendReset(stream.id, ErrorCode.EnhanceYourCalm)
      return
    }
    const room = reserve(2 * FRAME_HEAD + MAX_FIELDS + (isWhole ? body.length : 0))
    const out = Buffer.from(room.buffer, room.byteOffset, room.length)
    const headersEnd = putHeaders(out, FRAME_HEAD, status, fields)
    putFrameHead(out, 0, headersEnd - FRAME_HEAD, Frame.Headers, Flag.EndHeaders, stream.id)
    if (isWhole) {
      putFrameHead(out, headersEnd, body.length, Frame.Data, Flag.EndStream, stream.id)
      out.set(body, headersEnd + FRAME_HEAD)
      this.window -= body.length
      this.connection.send(headersEnd + FRAME_HEAD + body.length)
      this.close(stream)
      return
    }
    this.connection.send(headersEnd)
    stream.blocked = Buffer.from(body)
    stream.blockedSinceMs = this.connection.nowMs()
    this.blockedOctets += body.length
    this.sendBlocked(stream)
  }

  /** Sends what the client allows. */
  private sendBlocked(stream: Stream): void {
    while (stream.blocked !== undefined) {
      const size = Math.min(stream.blocked.length, stream.window, this.window, MAX_FRAME)
      if (size <= 0) return
      const isLast = size === stream.blocked.length
      this.sendFrame(Frame.Data, isLast ? Flag.EndStream : 0, stream.id, stream.blocked.subarray(0, size))
      stream.window -= size
      this.window -= size
      this.blockedOctets -= size
      stream.blockedSinceMs = this.connection.nowMs()
      if (isLast) {
        this.close(stream)
        return
      }
      stream.blocked = stream.blocked.subarray(size)
    }
  }

  private close(stream: Stream): void {
    this.streams.delete(stream.id)
    stream.blocked = undefined
    // The client need not send the rest (RFC 9113 §8.1).
    if (!stream.isWhole) this.sendReset(stream.id, ErrorCode.None)
    if (this.hasGone && this.streams.size === 0) this.connection.end()
  }

  private onReset(id: number, payload: Buffer): void {
    if (id === 0) throw new ConnectionFault(ErrorCode.Protocol, "a reset of no stream")
    if (payload.length !== 4) throw new ConnectionFault(ErrorCode.FrameSize, "a reset of another size")
    if (id > this.last || id % 2 === 0)
      throw new ConnectionFault(ErrorCode.Protocol, "a reset of a stream that is idle")
    // A query that was begun goes on to its end: who asks and resets, again and again, pays more than a query brings.
    this.spend(2 * FRAMES_A_QUERY)
    this.forget(id)
  }

  private onSettings(flags: number, stream: number, payload: Buffer): void {
    if (stream !== 0) throw new ConnectionFault(ErrorCode.Protocol, "settings of a stream")
    if ((flags & Flag.Ack) !== 0) {
      if (payload.length > 0) throw new ConnectionFault(ErrorCode.FrameSize, "an acknowledgement with settings")
      if (!this.hasSettings) throw new ConnectionFault(ErrorCode.Protocol, "no settings first")
      this.spend()
      return
    }
    if (payload.length % 6 !== 0) throw new ConnectionFault(ErrorCode.FrameSize, "settings of another size")
    if (this.hasSettings) this.spend()
    this.hasSettings = true
    for (let at = 0; at < payload.length; at += 6) {
      this.onSetting(payload.readUInt16BE(at), payload.readUInt32BE(at + 2))
    }
    this.sendFrame(Frame.Settings, Flag.Ack, 0, NOTHING)
    for (const each of [...this.streams.values()]) this.sendBlocked(each)
  }

  private onSetting(name: number, value: number): void {
    switch (name) {
      case Setting.EnablePush:
        if (value > 1) throw new ConnectionFault(ErrorCode.Protocol, "a push that is neither on nor off")
        return
      case Setting.InitialWindow:
        if (value > MAX_WINDOW) throw new ConnectionFault(ErrorCode.FlowControl, "a window that is too large")
        for (const stream of this.streams.values()) {
          stream.window += value - this.initialWindow
          if (stream.window > MAX_WINDOW) throw new ConnectionFault(ErrorCode.FlowControl, "a window that is too large")
        }
        this.initialWindow = value
        return
      case Setting.MaxFrame:
        if (value < MAX_FRAME || value > 0xffffff) throw new ConnectionFault(ErrorCode.Protocol, "frames of no size")
    }
  }

  private onWindowUpdate(id: number, payload: Buffer): void {
    if (payload.length !== 4) throw new ConnectionFault(ErrorCode.FrameSize, "a window of another size")
    const more = payload.readUInt32BE(0) & 0x7fffffff
    this.spend()
    if (id === 0) {
      if (more === 0) throw new ConnectionFault(ErrorCode.Protocol, "a window that grows by nothing")
      this.window += more
      if (this.window > MAX_WINDOW) throw new ConnectionFault(ErrorCode.FlowControl, "a window that is too large")
      for (const stream of [...this.streams.values()]) this.sendBlocked(stream)
      return
    }
    if (id > this.last || id % 2 === 0)
      throw new ConnectionFault(ErrorCode.Protocol, "a window of a stream that is idle")
    const stream = this.streams.get(id)
    if (stream === undefined) return
    if (more === 0) {
      this.reset(id, ErrorCode.Protocol)
      return
    }
    stream.window += more
    if (stream.window > MAX_WINDOW) {
      this.reset(id, ErrorCode.FlowControl)
      return
    }
    this.sendBlocked(stream)
  }

  /** A frame that brings no query. */
  private spend(frames = 1): void {
    this.budget -= frames
    if (this.budget < 0) throw new ConnectionFault(ErrorCode.EnhanceYourCalm, "too much is asked that is no query")
  }

  /** Forgets a stream: what is under way for it is answered to nobody. */
  private forget(id: number): void {
    const stream = this.streams.get(id)
    if (stream === undefined) return
    this.streams.delete(id)
    this.releaseBody(stream)
    this.blockedOctets -= stream.blocked?.length ?? 0
    if (this.hasGone && this.streams.size === 0) this.connection.end()
  }

  private reset(id: number, code: number): void {
    this.spend()
    this.forget(id)
    this.sendReset(id, code)
  }

  private sendReset(id: number, code: number): void {
    this.sendFrame(Frame.Reset, 0, id, word(code))
  }

  private sayGoodbye(code: number, reason: string): void {
    this.hasGone = true
    this.sendFrame(Frame.GoAway, 0, 0, Buffer.concat([word(this.last), word(code), Buffer.from(reason)]))
  }

  /** The connection is over: nothing more is read of it. */
  private goAway(code: number, reason: string): void {
    this.sayGoodbye(code, reason)
    this.isOver = true
    this.input.clear()
    this.block = undefined
    this.streams.clear()
    this.connection.end()
  }

  private sendFrame(type: number, flags: number, stream: number, payload: ArrayLike<number>): void {
    const out = reserve(FRAME_HEAD + payload.length)
    putFrameHead(out, 0, payload.length, type, flags, stream)
    out.set(payload, FRAME_HEAD)
    this.connection.send(FRAME_HEAD + payload.length)
  }
}

const NOTHING = new Uint8Array(0)

const isPrefaceSoFar = (octets: Buffer, at: number, length: number): boolean =>
  octets.compare(PREFACE, 0, Math.min(length, PREFACE.length), at, at + Math.min(length, PREFACE.length)) === 0
