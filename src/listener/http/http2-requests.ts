/**
 * The requests of a connection that speaks HTTP/2, each on a stream of its own: their bodies, and their answers as far as
 * the client allows them (RFC 9113 §5).
 *
 * Requests, bodies and answers that wait have limits: a client can neither have the server keep much, nor make it send
 * more than it reads.
 */
import { MAX_MESSAGE_SIZE } from "../../dns/wire.ts"
import { ErrorCode } from "../../io/http2.ts"
import type { Speaking, SpeakingTimes } from "../stream/conversation.ts"
import { reserve } from "../stream/reply-buffer.ts"
import { httpDate } from "./date.ts"
import { MAX_HEADER_LIST } from "./hpack.ts"
import { FRAMES_A_RESET, type FrameBudget } from "./http2-budget.ts"
import {
  ConnectionFault,
  Flag,
  FRAME_HEAD,
  Frame,
  MAX_FRAME,
  putFrameHead,
  Setting,
  sendFrame,
  setting,
  unpadded,
  word
} from "./http2-frames.ts"
import { ALLOW, CACHE_CONTROL, CONTENT_LENGTH, CONTENT_TYPE, DATE, MAX_FIELDS, putHeaders } from "./http2-headers.ts"
import { type Site, serve } from "./site.ts"

/** What each side may send before the other says anything (RFC 9113 §6.9.2). */
const WINDOW = 65_535
const MAX_WINDOW = 0x7fffffff
/** Octets that may come of one body: one more than a message has, so that what is longer is seen to be. */
const BODY_WINDOW = MAX_MESSAGE_SIZE + 1
/** Octets of bodies that have come and are no whole queries yet, of one connection. */
const BODIES_WINDOW = 4 * BODY_WINDOW
/** Requests of one connection under way at once. */
const MAX_STREAMS = 128
/** Octets of answers that wait for the client to allow more. */
const MAX_BLOCKED = 256 << 10
/** Octets of a body in a frame that is not the last: fewer are hardly worth their frame. */
const SMALL_DATA = 1_024

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
  /** A query is under way for it, or it is refused. */
  isAsked: boolean
  /** Octets that may be sent. */
  window: number
  /** What of its answer waits for the client to allow it. */
  blocked: Buffer | undefined
  blockedSinceMs: number
}

export class Http2Requests {
  private readonly connection: Speaking
  private readonly site: Site
  private readonly budget: FrameBudget
  private readonly streams = new Map<number, Stream>()
  private lastOpened = 0
  private window = WINDOW
  private initialWindow = WINDOW
  /** Octets of bodies that are not held any more, since the client was last allowed to send as many anew. */
  private released = 0
  /** Octets of bodies that the client may send. */
  private receiveWindow = BODIES_WINDOW
  private blockedOctets = 0
  private isTaking = true

  constructor(connection: Speaking, site: Site, budget: FrameBudget) {
    this.connection = connection
    this.site = site
    this.budget = budget
  }

  /** Tells the client how much it may send. */
  sayLimits(): void {
    sendFrame(this.connection, Frame.Settings, 0, 0, [
      ...setting(Setting.MaxStreams, MAX_STREAMS),
      ...setting(Setting.InitialWindow, BODY_WINDOW),
      ...setting(Setting.MaxHeaderList, MAX_HEADER_LIST)
    ])
    sendFrame(this.connection, Frame.WindowUpdate, 0, 0, word(BODIES_WINDOW - WINDOW))
  }

  get areOpen(): boolean {
    return this.streams.size > 0
  }

  /** Whether a request takes too long to come, or a client to allow its answer. */
  isOverdue(nowMs: number, { receiveMs, sendMs }: SpeakingTimes): boolean {
    for (const { blockedSinceMs, isWhole, openedMs } of this.streams.values()) {
      if (!isWhole && nowMs - openedMs >= receiveMs) return true
      if (blockedSinceMs > 0 && nowMs - blockedSinceMs >= sendMs) return true
    }
    return false
  }

  /** Whether requests are taken still: not once the client was told that no more are. */
  get takesMore(): boolean {
    return this.isTaking
  }

  /** The highest stream that the client has opened. */
  get last(): number {
    return this.lastOpened
  }

  /** Whether the client has never opened the stream. */
  isIdle(id: number): boolean {
    return id > this.lastOpened || id % 2 === 0
  }

  /** How much of a request has come; `none` where there is none, or none any more. */
  progressOf(id: number): "none" | "some" | "all" {
    const stream = this.streams.get(id)
    if (stream === undefined) return "none"
    return stream.isWhole ? "all" : "some"
  }

  /**
   * A request begins.
   *
   * @param headers undefined where they are too many to be kept
   */
  begin(id: number, headers: ReadonlyMap<string, string> | "malformed" | undefined, isWhole: boolean): void {
    this.lastOpened = id
    if (!this.isTaking) return
    const hasRoom = this.streams.size < MAX_STREAMS && this.blockedOctets <= MAX_BLOCKED
    if (!hasRoom || headers === "malformed") {
      this.budget.spend()
      this.sendReset(id, hasRoom ? ErrorCode.Protocol : ErrorCode.Refused)
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
    if (headers === undefined) this.refuse(stream, 431, "the headers are too large")
    else if (isWhole) this.ask(stream)
  }

  /** A request that has begun ends with trailers. */
  end(id: number): void {
    const stream = this.streams.get(id)
    if (stream !== undefined) this.ask(stream)
  }

  /** Some of a body, as its frame has it (RFC 9113 §6.1). */
  take(id: number, flags: number, payload: Buffer): void {
    this.receiveWindow -= payload.length
    if (this.receiveWindow < 0) throw new ConnectionFault(ErrorCode.FlowControl, "more than was allowed")
    const stream = this.streams.get(id)
    if (stream === undefined) {
      this.release(payload.length)
      if (this.isIdle(id)) throw new ConnectionFault(ErrorCode.Protocol, "data of a stream that is idle")
      this.budget.spend()
      this.sendReset(id, ErrorCode.StreamClosed)
      return
    }
    const data = unpadded(flags, payload)
    const isLast = (flags & Flag.EndStream) !== 0
    this.release(stream.isAsked ? payload.length : payload.length - data.length)
    if (stream.isWhole) {
      this.reset(id, ErrorCode.StreamClosed)
      return
    }
    if (data.length < SMALL_DATA && !isLast) this.budget.spend()
    if (stream.isAsked) {
      // It was refused while it came.
      if (isLast) stream.isWhole = true
      return
    }
    stream.bodyOctets += data.length
    if (stream.bodyOctets > MAX_MESSAGE_SIZE) {
      this.releaseBody(stream)
      this.refuse(stream, 413, "a query is no longer than 65535 octets")
      return
    }
    if (data.length > 0) stream.body.push(Buffer.from(data))
    if (isLast) this.ask(stream)
  }

  /** The client wants no answer to it any more. */
  onReset(id: number): void {
    this.budget.spend(FRAMES_A_RESET)
    this.forget(id)
  }

  /** It is wrong: the client is told so, and what is under way for it is answered to nobody. */
  reset(id: number, code: number): void {
    this.budget.spend()
    this.forget(id)
    this.sendReset(id, code)
  }

  /** A request that is wrong from its beginning, or trailers that are. */
  rejectAtOnce(id: number, code: number): void {
    this.lastOpened = Math.max(this.lastOpened, id)
    this.reset(id, code)
  }

  /** The client allows so many octets more of one answer. */
  allow(id: number, octets: number): void {
    const stream = this.streams.get(id)
    if (stream === undefined) return
    if (octets === 0) {
      this.reset(id, ErrorCode.Protocol)
      return
    }
    stream.window += octets
    if (stream.window > MAX_WINDOW) this.reset(id, ErrorCode.FlowControl)
    else this.sendBlocked(stream)
  }

  /** The client allows so many octets more of all answers together. */
  allowAll(octets: number): void {
    if (octets === 0) throw new ConnectionFault(ErrorCode.Protocol, "a window that grows by nothing")
    this.window += octets
    if (this.window > MAX_WINDOW) throw new ConnectionFault(ErrorCode.FlowControl, "a window that is too large")
    this.sendAllowed()
  }

  /** The client says how much of each answer it allows at first, of those that are under way too (RFC 9113 §6.9.2). */
  setInitialWindow(octets: number): void {
    if (octets > MAX_WINDOW) throw new ConnectionFault(ErrorCode.FlowControl, "a window that is too large")
    for (const stream of this.streams.values()) {
      stream.window += octets - this.initialWindow
      if (stream.window > MAX_WINDOW) throw new ConnectionFault(ErrorCode.FlowControl, "a window that is too large")
    }
    this.initialWindow = octets
  }

  /** Sends what the client allows by now. */
  sendAllowed(): void {
    for (const stream of [...this.streams.values()]) this.sendBlocked(stream)
  }

  /** Takes no more of them; when those under way are answered the connection ends. */
  takeNoMore(): void {
    this.isTaking = false
  }

  /** The connection is over: what is under way is answered to nobody. */
  forgetAll(): void {
    this.streams.clear()
  }

  private ask(stream: Stream): void {
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
    this.budget.earn()
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
          this.respond(stream, 200, contentType, octets, [CACHE_CONTROL, `max-age=${ttlSeconds}`], method === "HEAD"),
        refuse: (status, reason) => this.refuse(stream, status, reason, method === "HEAD")
      }
    )
  }

  private refuse(stream: Stream, status: number, reason: string, isHead = false): void {
    stream.isAsked = true
    const more: ReadonlyArray<number | string> = status === 405 ? [ALLOW, "GET, HEAD, POST"] : []
    this.respond(stream, status, "text/plain", Buffer.from(`${reason}\n`), more, isHead)
  }

  private respond(
    stream: Stream,
    status: number,
    contentType: string,
    content: Uint8Array,
    more: ReadonlyArray<number | string>,
    isHead: boolean
  ): void {
    // It was reset, or the connection is over.
    if (this.streams.get(stream.id) !== stream) return
    const length = String(content.length)
    const fields = [CONTENT_TYPE, contentType, CONTENT_LENGTH, length, DATE, httpDate(), ...more]
    // Of what is not sent, too, the length is that of what would be (RFC 9110 §8.6).
    const body = isHead ? NOTHING : content
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

  private sendBlocked(stream: Stream): void {
    while (stream.blocked !== undefined) {
      const size = Math.min(stream.blocked.length, stream.window, this.window, MAX_FRAME)
      if (size <= 0) return
      const isLast = size === stream.blocked.length
      const flags = isLast ? Flag.EndStream : 0
      sendFrame(this.connection, Frame.Data, flags, stream.id, stream.blocked.subarray(0, size))
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
    this.endWithLast()
  }

  /** Forgets a stream: what is under way for it is answered to nobody. */
  private forget(id: number): void {
    const stream = this.streams.get(id)
    if (stream === undefined) return
    this.streams.delete(id)
    this.releaseBody(stream)
    this.blockedOctets -= stream.blocked?.length ?? 0
    this.endWithLast()
  }

  private endWithLast(): void {
    if (!this.isTaking && this.streams.size === 0) this.connection.end()
  }

  /** So many octets of bodies are not held any more: the client may send as many. */
  private release(octets: number): void {
    this.released += octets
    if (this.released < WINDOW / 2) return
    sendFrame(this.connection, Frame.WindowUpdate, 0, 0, word(this.released))
    this.receiveWindow += this.released
    this.released = 0
  }

  private releaseBody(stream: Stream): void {
    this.release(stream.bodyOctets)
    stream.body = []
    stream.bodyOctets = 0
  }

  private sendReset(id: number, code: number): void {
    sendFrame(this.connection, Frame.Reset, 0, id, word(code))
  }
}

const NOTHING = new Uint8Array(0)
