/**
 * One HTTP/2 connection to an upstream of DNS over HTTPS: each question is a request of its own, many at once
 * (RFC 8484, RFC 9113).
 */
import type { ClientHttp2Session, ClientHttp2Stream, OutgoingHttpHeaders } from "node:http2"
import type { Socket } from "node:net"
import type { HttpsAddress } from "../../config/codec/upstream-address.ts"
import { PADDED_BLOCK, writeQuery } from "../../dns/question.ts"
import { MAX_UDP_SIZE } from "../../dns/reply.ts"
import { type AnswerRules, matchReply, normalise, ReplyMatch } from "../../dns/response.ts"
import { subtractAge } from "../../dns/ttl.ts"
import { MAX_SENT } from "../../io/datagram.ts"
import { ErrorCode, nodeHttp2 } from "../../io/http2.ts"
import { guarded, runGuarded } from "../../runtime/guard.ts"
import { OpenTable } from "../../runtime/open-table.ts"
import { GarbageReceived, NetworkFailure } from "../requester.ts"
import { areElsewhere, type Connection, type ConnectionEvents, IDLE_MS, type PendingRequest } from "./connection.ts"
import { HttpRequest, type HttpRequestEvents, MEDIA_TYPE, type Outcome } from "./https-request.ts"
import { LivenessMonitor, MonitoredConnection } from "./liveness-monitor.ts"

/** Requests at once, where the server allows more, or has not yet said how many (RFC 9113 §6.5.2). */
const MAX_STREAMS = 256
const UNTIL_TOLD = 100
/** A server that answered within this time works. */
const LATELY_MS = 10_000
/** The same message makes the same request, for caches on its way (RFC 8484 §4.1). */
const ID = 0

/** Who calls, as the log says it. */
const BORDER = "a connection to an upstream"

const room = new Uint8Array(MAX_SENT)

export interface HttpsOptions {
  readonly events: ConnectionEvents
  readonly rules: AnswerRules
  /** Questions that it takes in all. */
  readonly lifetime: number
  readonly address: HttpsAddress
}

export class HttpsConnection implements Connection, HttpRequestEvents {
  private asked = 0
  private answered = 0
  private messageMs = Number.NEGATIVE_INFINITY
  /** Streams that were refused, it seems because of their body. */
  private refusals = 0
  /** Questions below this number were asked before the server had said that it takes fewer at once. */
  private tooMany = 0
  isOver = false
  private method: HttpsAddress["method"]
  /** The server takes no more requests (GOAWAY). */
  private isLeaving = false
  private readonly session: ClientHttp2Session
  private readonly options: HttpsOptions
  private readonly liveness: LivenessMonitor
  private readonly requests = new OpenTable<HttpRequest, number>(
    ({ request }) => request.id,
    ({ request }, id) => request.id === id
  )

  constructor(socket: Socket, options: HttpsOptions) {
    this.options = options
    const { events, address } = options
    this.method = address.method
    this.session = nodeHttp2().connect(`https://${address.authority}`, {
      createConnection: () => socket,
      settings: { enablePush: false }
    })
    this.liveness = new LivenessMonitor(events.wheel, new MonitoredConnection(this, events.silenceMs), IDLE_MS)
    this.session.on(
      "goaway",
      this.guard((_code: number, lastId: number) => this.onGoaway(lastId))
    )
    this.session.on(
      "remoteSettings",
      this.guard(() => this.onSettings())
    )
    this.session.on(
      "error",
      this.guard((error: Error) => this.onEnd(error.message))
    )
    this.session.on(
      "close",
      this.guard(() => this.onEnd("the upstream closed the connection"))
    )
  }

  /** All requests on it are awaited: the stream of an abandoned one is closed. */
  get awaited(): number {
    return this.waiting
  }

  get waiting(): number {
    return this.requests.size
  }

  get isSpare(): boolean {
    return this.liveness.isSuspect && areElsewhere(this.requests.values().map(({ request }) => request))
  }

  get isSuspect(): boolean {
    return this.liveness.isSuspect
  }

  get isLively(): boolean {
    return this.liveness.isLively
  }

  get isUsable(): boolean {
    const isSpent = this.asked >= this.options.lifetime
    const isOpen = !this.isOver && !this.session.closed && !this.session.destroyed
    return isOpen && !this.isLeaving && !isSpent && !this.liveness.isSuspect
  }

  get room(): number {
    if (!this.isUsable) return 0
    return Math.min(this.allowed - this.waiting, this.options.lifetime - this.asked)
  }

  /** Requests at once. */
  private get allowed(): number {
    return Math.min(this.session.remoteSettings.maxConcurrentStreams ?? UNTIL_TOLD, MAX_STREAMS)
  }

  /**
   * The server may allow more requests at once than before, or fewer: then it refuses the surplus, and only for that
   * reason.
   */
  private onSettings(): void {
    if (this.waiting > this.allowed) this.tooMany = this.asked
    this.options.events.onRoom()
  }

  ask(request: PendingRequest): void {
    const { requester, edns, options } = request
    const length = writeQuery(room, ID, requester.question, MAX_UDP_SIZE, edns, options, PADDED_BLOCK)
    const message = Buffer.from(room.subarray(0, length))
    this.liveness.asked()
    request.id = this.asked++
    this.requests.add(new HttpRequest(this, request, this.method, this.send(message)))
  }

  forget(request: PendingRequest): void {
    this.requests.get(request.id, request.id)?.cancel()
  }

  heard(): void {
    const { events } = this.options
    events.onBatch()
    const wasSuspect = this.liveness.isSuspect
    this.liveness.heard()
    if (wasSuspect) events.onRoom()
  }

  onOver(httpRequest: HttpRequest, outcome: Outcome | undefined, code: number): void {
    if (!this.requests.delete(httpRequest)) return
    const { request } = httpRequest
    const { events } = this.options
    if (outcome !== undefined) this.answered++
    if (!request.isOver) {
      if (outcome === undefined) this.onReset(request, httpRequest.method, code)
      else if (outcome.kind === "message") this.receive(request, outcome.message, outcome.ageSeconds)
      else if (outcome.kind === "busy" && (outcome.isCertain || this.hasAnsweredLately)) {
        events.onBusy(request, outcome.waitMs, outcome.failure.message)
      } else request.onFailure(outcome.failure)
    }
    events.onRoom()
    this.leaveWhenDone()
  }

  /**
   * A stream ended without a response. A refused one was not processed (RFC 9113 §8.7): the connection is ending, or
   * there are too many streams. For another reason the question failed, where the connection goes on.
   *
   * Knot Resolver takes one body at a time, and refuses others that come meanwhile. A server has to support both
   * methods (RFC 8484 §4.1), and GET has no body: this connection uses GET after the second refusal. One alone says
   * little.
   */
  private onReset(request: PendingRequest, method: HttpsAddress["method"], code: number): void {
    const { events } = this.options
    const message = "the upstream reset the stream"
    const isRefused = code === ErrorCode.Refused
    const isOfRequest = isRefused && !this.isLeaving && request.id >= this.tooMany
    if (isOfRequest && method === "POST") {
      if (++this.refusals > 1) this.method = "GET"
    } else if (isOfRequest || (code === ErrorCode.EnhanceYourCalm && !this.isLeaving)) {
      events.onBusy(request, undefined, message)
      return
    }
    const goesOn = !this.isLeaving && !this.session.closed && !this.session.destroyed
    if (!isRefused && goesOn) request.onFailure(new NetworkFailure({ message }))
    else events.onLost(request, message, this.answered > 0 || (isRefused && goesOn))
  }

  /** A PING has to be answered (RFC 9113 §6.7). Where it is not, all questions are asked on another connection too. */
  onSilence(times: number): void {
    if (this.isOver || this.session.destroyed) return
    if (times === 2) this.options.events.onSilent(this.requests.values().map(({ request }) => request))
    if (times > 1) return
    this.session.ping(
      this.guard((error: Error | null) => {
        if (error === null) this.heard()
      })
    )
  }

  break(message: string): void {
    if (this.isOver) return
    this.isOver = true
    this.liveness.end()
    const { events } = this.options
    this.session.destroy()
    runGuarded(events.incidents, BORDER, () => events.onClosed(this))
    for (const httpRequest of this.requests.values()) {
      this.requests.delete(httpRequest)
      const { request } = httpRequest
      if (!request.isOver)
        runGuarded(events.incidents, BORDER, () => events.onLost(request, message, this.answered > 0))
    }
  }

  /** A stream's event threw: its question fails, the others on the connection go on. */
  onDefect(httpRequest: HttpRequest, thrown: unknown): void {
    const { incidents } = this.options.events
    incidents.onDefect(BORDER, thrown)
    runGuarded(incidents, BORDER, () => {
      this.requests.delete(httpRequest)
      httpRequest.cancel()
      httpRequest.request.onDefect()
    })
  }

  /** What throws ends the connection: what waits on it is asked elsewhere. */
  private guard<Arguments extends ReadonlyArray<unknown>>(callback: (...args: Arguments) => void) {
    return guarded(this.options.events.incidents, BORDER, callback, () => this.break("internal error"))
  }

  /** The server takes no more; streams above this id it has not looked at (RFC 9113 §6.8). */
  private onGoaway(lastId: number): void {
    this.isLeaving = true
    const isAnyLeftOut = this.requests.values().some(({ streamId }) => streamId > lastId)
    if (isAnyLeftOut) this.options.events.onShortLife((lastId + 1) >>> 1)
    this.leaveWhenDone()
  }

  private onEnd(message: string): void {
    if (this.waiting > 0 && !this.isLeaving && !this.isOver) this.options.events.onShortLife(this.answered)
    this.break(message)
  }

  private send(message: Buffer): ClientHttp2Stream {
    const { path, authority } = this.options.address
    const { method } = this
    const headers: OutgoingHttpHeaders = {
      ":method": method,
      ":scheme": "https",
      ":authority": authority,
      ":path": method === "POST" ? path : `${path}?dns=${message.toString("base64url")}`,
      accept: MEDIA_TYPE
    }
    if (method === "GET") return this.session.request(headers, { endStream: true })
    const stream = this.session.request({ ...headers, "content-type": MEDIA_TYPE, "content-length": message.length })
    stream.end(message)
    return stream
  }

  private receive(request: PendingRequest, message: Uint8Array, ageSeconds: number): void {
    const { requester } = request
    const { events } = this.options
    this.messageMs = events.wheel.nowMs()
    events.onAnswered()
    // The stream says which question is answered; some servers put an id of their own into the message.
    const id = message.length < 2 ? ID : (message[0]! << 8) | message[1]!
    const isReply = matchReply(message, message.length, id, requester.question) !== ReplyMatch.Mismatch
    if (isReply && ageSeconds > 0) subtractAge(message, message.length, ageSeconds)
    const response = isReply ? normalise(message, message.length, requester.question, this.options.rules) : undefined
    if (response === undefined) request.onFailure(new GarbageReceived())
    else request.onResponse(response)
  }

  /** A server that has answered others lately is not out of order. */
  private get hasAnsweredLately(): boolean {
    return this.options.events.wheel.nowMs() - this.messageMs < LATELY_MS
  }

  private leaveWhenDone(): void {
    if (this.waiting > 0) return
    if (this.isLeaving || this.asked >= this.options.lifetime) this.break("the connection's time is over")
  }
}
