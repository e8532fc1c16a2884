/** One question's request over HTTPS, and what the response to it is (RFC 8484). */
import type { ClientHttp2Stream, IncomingHttpHeaders, IncomingHttpStatusHeader } from "node:http2"
import type { HttpsAddress } from "../../config/codec/upstream-address.ts"
import { MAX_MESSAGE_SIZE } from "../../dns/wire.ts"
import { ErrorCode } from "../../io/http2.ts"
import { type AttemptFailure, GarbageReceived, NetworkFailure } from "../requester.ts"
import type { PendingRequest } from "./connection.ts"
import { retryAfterMs } from "./retry-after.ts"

export const MEDIA_TYPE = "application/dns-message"
const TOO_MANY_REQUESTS = 429
const SERVICE_UNAVAILABLE = 503

/** The connection that a request is on. */
export interface HttpRequestEvents {
  /** Something came in. */
  readonly heard: () => void
  /**
   * The request's stream is over.
   *
   * @param outcome what came of it; undefined where the server ended it with nothing
   * @param code of the stream's end (RFC 9113 §7)
   */
  readonly onOver: (httpRequest: HttpRequest, outcome: Outcome | undefined, code: number) => void
  /** What one of its stream's events began threw. */
  readonly onDefect: (httpRequest: HttpRequest, thrown: unknown) => void
}

type Headers = IncomingHttpHeaders & IncomingHttpStatusHeader

export type Outcome =
  | { readonly kind: "message"; readonly message: Uint8Array; readonly ageSeconds: number }
  | { readonly kind: "failure"; readonly failure: AttemptFailure }
  /**
   * The server is asked too much, and may say when it wants to be asked again. Where it is not certain, the server may
   * be out of order instead.
   */
  | {
      readonly kind: "busy"
      readonly failure: NetworkFailure
      readonly waitMs: number | undefined
      readonly isCertain: boolean
    }

/** One question's stream. */
export class HttpRequest {
  readonly request: PendingRequest
  readonly method: HttpsAddress["method"]
  private readonly connection: HttpRequestEvents
  private readonly stream: ClientHttp2Stream
  private ageSeconds = 0
  private body: Buffer | undefined
  private hasThrown = false

  constructor(
    connection: HttpRequestEvents,
    request: PendingRequest,
    method: HttpsAddress["method"],
    stream: ClientHttp2Stream
  ) {
    this.connection = connection
    this.request = request
    this.method = method
    this.stream = stream
    stream.on("response", (headers) => this.guard(() => this.onHeaders(headers)))
    stream.on("data", (chunk: Buffer) => this.guard(() => this.onData(chunk)))
    stream.on("end", () => this.guard(() => this.onEnd()))
    stream.on("error", () => {})
    stream.on("close", () => this.guard(() => connection.onOver(this, undefined, stream.rstCode)))
  }

  private guard(callback: () => void): void {
    if (this.hasThrown) return
    try {
      callback()
    } catch (thrown) {
      this.hasThrown = true
      this.connection.onDefect(this, thrown)
    }
  }

  /** 0 before it was sent. */
  get streamId(): number {
    return this.stream.id ?? 0
  }

  cancel(): void {
    this.stream.close(ErrorCode.Cancel)
  }

  private onHeaders(headers: Headers): void {
    this.connection.heard()
    const refusal = refusalOf(headers)
    const age = Number(headers.age ?? 0)
    this.ageSeconds = Number.isInteger(age) && age > 0 ? Math.min(age, 0x7fffffff) : 0
    if (refusal !== undefined) this.finish(refusal)
  }

  private onData(chunk: Buffer): void {
    this.connection.heard()
    this.body = this.body === undefined ? chunk : Buffer.concat([this.body, chunk])
    if (this.body.length > MAX_MESSAGE_SIZE) this.finish({ kind: "failure", failure: new GarbageReceived() })
  }

  private onEnd(): void {
    // A stream that was reset says so when it closes.
    if (this.stream.rstCode !== ErrorCode.None) return
    if (this.body === undefined) this.finish({ kind: "failure", failure: new GarbageReceived() })
    else this.finish({ kind: "message", message: this.body, ageSeconds: this.ageSeconds })
  }

  private finish(outcome: Outcome): void {
    if (outcome.kind !== "message") this.cancel()
    this.connection.onOver(this, outcome, ErrorCode.None)
  }
}

/** Why a response holds no DNS message; undefined where it does (RFC 8484 §4.2.1, §6). */
const refusalOf = (headers: Headers): Outcome | undefined => {
  const status = headers[":status"] ?? 0
  if (status < 200 || status > 299) {
    const failure = new NetworkFailure({ message: `HTTP status ${status}` })
    const waitMs = retryAfterMs(headers["retry-after"], Date.now())
    // RFC 6585 §4, RFC 9110 §15.6.4: one that is overloaded says when it will not be.
    const isCertain = status === TOO_MANY_REQUESTS || waitMs !== undefined
    const isBusy = status === TOO_MANY_REQUESTS || status === SERVICE_UNAVAILABLE
    return isBusy ? { kind: "busy", failure, waitMs, isCertain } : { kind: "failure", failure }
  }
  const [type = ""] = (headers["content-type"] ?? "").toLowerCase().split(";", 1)
  if (type.trim() === MEDIA_TYPE) return undefined
  const message = `an HTTP response without a DNS message: its type is "${type}"`
  return { kind: "failure", failure: new NetworkFailure({ message }) }
}
