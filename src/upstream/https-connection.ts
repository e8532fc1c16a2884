/**
 * One HTTP/2 connection to an upstream of DNS over HTTPS: each question is a request of its own, many at once
 * (RFC 8484, RFC 9113).
 */
import {
  type ClientHttp2Session,
  type ClientHttp2Stream,
  connect,
  constants,
  type IncomingHttpHeaders,
  type IncomingHttpStatusHeader,
  type OutgoingHttpHeaders
} from "node:http2"
import type { Socket } from "node:net"
import type { HttpsAddress } from "../config/upstream-address.ts"
import { lessAge } from "../dns/ageing.ts"
import { PADDED_BLOCK, writeQuery } from "../dns/question.ts"
import { MAX_UDP_SIZE } from "../dns/reply.ts"
import { matchReply, normalise, ReplyMatch, type TtlBounds } from "../dns/response.ts"
import { MAX_MESSAGE_SIZE } from "../dns/wire.ts"
import { MAX_SENT } from "../io/datagram.ts"
import { OpenTable } from "../io/open-table.ts"
import { type AttemptFailure, GarbageReceived, NetworkFailure } from "./attempt.ts"
import { type Call, type Connection, IDLE_MS, type Owner } from "./connection.ts"
import { Vigil, WatchedConnection } from "./vigil.ts"

/** Requests at once, where the server allows more, or has not yet said how many (RFC 9113 §6.5.2). */
const MAX_STREAMS = 256
const UNTIL_TOLD = 100
const MEDIA_TYPE = "application/dns-message"
/** The same message makes the same request, for caches on its way (RFC 8484 §4.1). */
const ID = 0

const room = new Uint8Array(MAX_SENT)

/** What is known of the way in which an upstream wants to be asked; shared by its connections. */
export interface Manner {
  method: "GET" | "POST"
}

export interface HttpsOptions {
  readonly owner: Owner
  readonly ttl: TtlBounds
  readonly address: HttpsAddress
  readonly manner: Manner
}

export class HttpsConnection implements Connection {
  private asked = 0
  private answered = 0
  isOver = false
  /** The server takes no more requests (GOAWAY). */
  private isLeaving = false
  private readonly session: ClientHttp2Session
  private readonly options: HttpsOptions
  private readonly vigil: Vigil
  private readonly requests = new OpenTable<Request, number>(
    ({ call }) => call.id,
    ({ call }, id) => call.id === id
  )

  constructor(socket: Socket, options: HttpsOptions) {
    this.options = options
    const { owner, address } = options
    this.session = connect(`https://${address.authority}`, {
      createConnection: () => socket,
      settings: { enablePush: false }
    })
    this.vigil = new Vigil(owner.wheel, new WatchedConnection(this, owner.silenceMs), IDLE_MS)
    this.session.on("goaway", () => {
      this.isLeaving = true
      this.leaveWhenDone()
    })
    this.session.on("error", (error) => this.break(error.message))
    this.session.on("close", () => {
      if (this.waiting > 0 && !this.isLeaving && !this.isOver) owner.onShortLife(this.answered)
      this.break("the upstream closed the connection")
    })
  }

  /** All that waits on it is awaited: a stream that is given up is closed. */
  get awaited(): number {
    return this.waiting
  }

  get waiting(): number {
    return this.requests.size
  }

  get isUsable(): boolean {
    return !this.isOver && !this.isLeaving && !this.session.closed && !this.vigil.isSuspect
  }

  get room(): number {
    if (!this.isUsable) return 0
    const allowed = this.session.remoteSettings.maxConcurrentStreams ?? UNTIL_TOLD
    return Math.min(allowed, MAX_STREAMS) - this.waiting
  }

  ask(call: Call): void {
    const { exchange, edns, options } = call
    const length = writeQuery(room, ID, exchange.question, MAX_UDP_SIZE, edns, options, PADDED_BLOCK)
    const message = Buffer.from(room.subarray(0, length))
    this.vigil.asked()
    call.id = this.asked++
    this.requests.add(new Request(this, call, this.send(message)))
  }

  forget(call: Call): void {
    this.requests.get(call.id, call.id)?.cancel()
  }

  heard(): void {
    this.options.owner.onBatch()
    this.vigil.heard()
  }

  /** A request's stream is over; the outcome is what came of it, undefined where the server ended it with nothing. */
  onOver(request: Request, outcome: Outcome | undefined, wasRefused: boolean): void {
    if (!this.requests.delete(request)) return
    const { call } = request
    const { owner } = this.options
    if (outcome !== undefined) this.answered++
    // Knot Resolver takes one body at a time, and refuses those that come between; a server has to know both methods
    // (RFC 8484 §4.1), and GET has no body.
    if (wasRefused) this.options.manner.method = "GET"
    if (!call.isGivenUp) {
      if (outcome === undefined) owner.onLost(call, "the upstream reset the stream", wasRefused || this.answered > 0)
      else if (outcome.kind === "message") this.receive(call, outcome.message, outcome.ageSeconds)
      else call.exchange.onFailure(outcome.failure)
    }
    owner.onRoom()
    this.leaveWhenDone()
  }

  /** Whether anybody is there: a PING wants an answer (RFC 9113 §6.7). */
  probe(): void {
    if (this.isOver || this.session.destroyed) return
    this.session.ping((error) => {
      if (error === null) this.heard()
    })
  }

  break(message: string): void {
    if (this.isOver) return
    this.isOver = true
    this.vigil.end()
    const { owner } = this.options
    this.session.destroy()
    owner.onClosed(this)
    for (const request of this.requests.values()) {
      this.requests.delete(request)
      if (!request.call.isGivenUp) owner.onLost(request.call, message, this.answered > 0)
    }
  }

  private send(message: Buffer): ClientHttp2Stream {
    const { path, authority } = this.options.address
    const { method } = this.options.manner
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

  private receive(call: Call, message: Uint8Array, ageSeconds: number): void {
    const { exchange } = call
    // Whose answer it is, the stream says; an id of their own is what some servers give it.
    const id = message.length < 2 ? ID : (message[0]! << 8) | message[1]!
    const isReply = matchReply(message, message.length, id, exchange.question) !== ReplyMatch.Stranger
    if (isReply && ageSeconds > 0) lessAge(message, message.length, ageSeconds)
    const response = isReply ? normalise(message, message.length, exchange.question, this.options.ttl) : undefined
    if (response === undefined) exchange.onFailure(new GarbageReceived())
    else exchange.onResponse(response)
  }

  private leaveWhenDone(): void {
    if (this.isLeaving && this.waiting === 0) this.break("the upstream closes the connection")
  }
}

type Headers = IncomingHttpHeaders & IncomingHttpStatusHeader

type Outcome =
  | { readonly kind: "message"; readonly message: Uint8Array; readonly ageSeconds: number }
  | { readonly kind: "failure"; readonly failure: AttemptFailure }

/** One question's stream. */
class Request {
  readonly call: Call
  private readonly connection: HttpsConnection
  private readonly stream: ClientHttp2Stream
  private failure: AttemptFailure | undefined
  private ageSeconds = 0
  private body: Buffer | undefined

  constructor(connection: HttpsConnection, call: Call, stream: ClientHttp2Stream) {
    this.connection = connection
    this.call = call
    this.stream = stream
    stream.on("response", (headers) => this.onHeaders(headers))
    stream.on("data", (chunk: Buffer) => this.onData(chunk))
    stream.on("end", () => this.onEnd())
    stream.on("error", () => {})
    stream.on("close", () => {
      connection.onOver(this, undefined, stream.rstCode === constants.NGHTTP2_REFUSED_STREAM)
    })
  }

  cancel(): void {
    this.stream.close(constants.NGHTTP2_CANCEL)
  }

  private onHeaders(headers: Headers): void {
    this.connection.heard()
    this.failure = refusalOf(headers)
    const age = Number(headers.age ?? 0)
    this.ageSeconds = Number.isInteger(age) && age > 0 ? Math.min(age, 0x7fffffff) : 0
    if (this.failure !== undefined) this.finish({ kind: "failure", failure: this.failure })
  }

  private onData(chunk: Buffer): void {
    this.connection.heard()
    this.body = this.body === undefined ? chunk : Buffer.concat([this.body, chunk])
    if (this.body.length > MAX_MESSAGE_SIZE) this.finish({ kind: "failure", failure: new GarbageReceived() })
  }

  private onEnd(): void {
    if (this.body === undefined) return
    this.finish({ kind: "message", message: this.body, ageSeconds: this.ageSeconds })
  }

  private finish(outcome: Outcome): void {
    if (outcome.kind === "failure") this.cancel()
    this.connection.onOver(this, outcome, false)
  }
}

/** Why a response holds no DNS message; undefined where it does (RFC 8484 §4.2.1, §6). */
const refusalOf = (headers: Headers): AttemptFailure | undefined => {
  const status = headers[":status"] ?? 0
  if (status < 200 || status > 299) return new NetworkFailure({ message: `HTTP status ${status}` })
  const [type = ""] = (headers["content-type"] ?? "").toLowerCase().split(";", 1)
  return type.trim() === MEDIA_TYPE
    ? undefined
    : new NetworkFailure({ message: `an HTTP response without a DNS message: its type is "${type}"` })
}
