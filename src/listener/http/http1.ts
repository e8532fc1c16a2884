/**
 * HTTP/1.1 (RFC 9112), as far as queries need it: one request after the other, each answered before the next is read.
 *
 * Bounded: a head of 16 KiB, a body of one message.
 */
import { MAX_MESSAGE_SIZE } from "../../dns/wire.ts"
import type { Conversation, Speaking } from "../stream/conversation.ts"
import { reserve, WRAPPING_SIZE } from "../stream/reply-buffer.ts"
import { httpDate } from "./date.ts"
import { Input } from "./input.ts"
import { type Site, serve } from "./site.ts"

const MAX_HEAD = 16_384
const END_OF_HEAD = Buffer.from("\r\n\r\n")
const REQUEST_LINE = /^([A-Z]{1,20}) (\/[\x21-\x7e]*) HTTP\/1\.([01])$/
const FIELD = /^([!#$%&'*+.^_`|~\w-]+):[ \t]*([\x20-\x7e\t\x80-\xff]*?)[ \t]*$/

const phrases: Readonly<Record<number, string>> = {
  200: "OK",
  400: "Bad Request",
  404: "Not Found",
  405: "Method Not Allowed",
  411: "Length Required",
  413: "Content Too Large",
  415: "Unsupported Media Type",
  431: "Request Header Fields Too Large",
  500: "Internal Server Error",
  505: "HTTP Version Not Supported"
}

interface Head {
  readonly method: string
  readonly target: string
  readonly fields: ReadonlyMap<string, string>
  readonly isLast: boolean
  /** Octets of the body; -1 where they come in chunks. */
  readonly length: number
}

export class Http1Conversation implements Conversation {
  private readonly input = new Input()
  private readonly connection: Speaking
  private readonly site: Site
  private head: Head | undefined
  /** What has come of a body that comes in chunks. */
  private body: Array<Buffer> = []
  private bodyOctets = 0
  /** A request waits for its answer. */
  private isAnswering = false
  private isOver = false
  /** The answer that comes next says that it is the last. */
  private isLeaving = false

  constructor(connection: Speaking, site: Site) {
    this.connection = connection
    this.site = site
  }

  readonly isSentApart = false

  /** What stands behind a request waits where it is until that is answered. */
  get isHeld(): boolean {
    return this.isAnswering
  }

  get isInsideMessage(): boolean {
    return !this.isAnswering && (this.input.length > 0 || this.head !== undefined)
  }

  /** Whether there is more than was looked at: what is there may still be no whole request. */
  hasNext = false

  append(chunk: Buffer): void {
    if (this.isOver) return
    this.input.append(chunk)
    this.hasNext = !this.isAnswering
  }

  next(): boolean {
    const wasAnswering = this.isAnswering
    const isReady = !this.isOver && !wasAnswering && this.readRequest()
    if (!isReady) this.hasNext = false
    this.input.settle()
    return isReady || this.isAnswering !== wasAnswering
  }

  isOverdue(): boolean {
    return false
  }

  get hasOpenRequests(): boolean {
    return !this.isOver && this.isInsideMessage
  }

  farewell(): void {
    this.isLeaving = true
  }

  /** Returns whether a request was begun, and another may stand behind it. */
  private readRequest(): boolean {
    if (this.head === undefined) {
      this.head = this.readHead()
      if (this.head === undefined) return false
    }
    const { fields, length, method, target, isLast } = this.head
    const body = length < 0 ? this.readChunks() : this.input.length < length ? undefined : this.input.take(length)
    if (body === undefined) return false
    this.head = undefined
    this.isAnswering = true
    const { connection } = this
    serve(
      this.site,
      connection,
      {
        method,
        target,
        contentType: fields.get("content-type") ?? "",
        forwardedFor: fields.get("x-forwarded-for") ?? "",
        body
      },
      {
        answer: (contentType, octets, ttlSeconds) =>
          this.answer(200, contentType, octets, `cache-control: max-age=${ttlSeconds}\r\n`, isLast, method === "HEAD"),
        refuse: (status, reason) => this.refuse(status, reason, isLast, method === "HEAD")
      }
    )
    return !this.isAnswering
  }

  /** The head of the next request; undefined where it is not whole, or none. */
  private readHead(): Head | undefined {
    const { input } = this
    // Empty lines before a request are nothing (RFC 9112 §2.2).
    while (input.length >= 2 && input.octets[input.at] === 0x0d && input.octets[input.at + 1] === 0x0a) input.take(2)
    if (input.length === 0) return undefined
    const end = input.octets.indexOf(END_OF_HEAD, input.at)
    if (end < 0 || end - input.at > MAX_HEAD) {
      if (end >= 0 || input.length > MAX_HEAD) this.fail(431, "the head is too large")
      return undefined
    }
    const size = end - input.at
    return this.parseHead(input.take(size + END_OF_HEAD.length).toString("latin1", 0, size))
  }

  private parseHead(text: string): Head | undefined {
    const [line = "", ...lines] = text.split("\r\n")
    const [, method, target, minor] = REQUEST_LINE.exec(line) ?? []
    if (method === undefined || target === undefined) {
      return this.fail(/ HTTP\/[02-9]/.test(line) ? 505 : 400, "this is no request by HTTP/1.1")
    }
    const fields = new Map<string, string>()
    for (const each of lines) {
      const [, name, value = ""] = FIELD.exec(each) ?? []
      if (name === undefined) return this.fail(400, "a field of the head is none")
      const key = name.toLowerCase()
      const before = fields.get(key)
      // Two lengths are a way to smuggle a request (RFC 9112 §6.3).
      if (before !== undefined && (key === "content-length" || key === "transfer-encoding" || key === "host")) {
        return this.fail(400, `${key} twice`)
      }
      fields.set(key, before === undefined ? value : `${before}, ${value}`)
    }
    if (minor === "1" && !fields.has("host")) return this.fail(400, "a host is missing")
    const length = this.lengthOf(fields)
    if (length === undefined) return undefined
    const wishes = (fields.get("connection") ?? "").toLowerCase()
    const isLast = minor === "0" ? !wishes.includes("keep-alive") : wishes.includes("close")
    if (fields.get("expect")?.toLowerCase() === "100-continue" && length !== 0)
      this.put("HTTP/1.1 100 Continue\r\n\r\n")
    return { method, target, fields, isLast, length }
  }

  private lengthOf(fields: ReadonlyMap<string, string>): number | undefined {
    const encoding = fields.get("transfer-encoding")
    const text = fields.get("content-length")
    if (encoding !== undefined) {
      if (text !== undefined || encoding.toLowerCase() !== "chunked")
        return this.fail(400, "an encoding that is not known")
      return -1
    }
    if (text === undefined) return 0
    if (!/^\d{1,15}$/.test(text)) return this.fail(400, "a length that is none")
    return Number(text) > MAX_MESSAGE_SIZE ? this.fail(413, "a query is no longer than 65535 octets") : Number(text)
  }

  /** The body, once its last chunk is there (RFC 9112 §7.1). */
  private readChunks(): Buffer | undefined {
    const { input } = this
    for (;;) {
      const end = input.octets.indexOf("\r\n", input.at)
      if (end < 0) {
        if (input.length > 1_024) this.fail(400, "a chunk without a size")
        return undefined
      }
      const [, digits] = /^([0-9a-fA-F]{1,8})[ \t]*(?:;.*)?$/.exec(input.octets.toString("latin1", input.at, end)) ?? []
      if (digits === undefined) return this.fail(400, "a chunk without a size")
      const size = Number.parseInt(digits, 16)
      if (this.bodyOctets + size > MAX_MESSAGE_SIZE) return this.fail(413, "a query is no longer than 65535 octets")
      const whole = end + 2 - input.at + size + 2
      if (input.length < whole) return undefined
      const chunk = input.take(whole)
      if (chunk.toString("latin1", whole - 2) !== "\r\n") return this.fail(400, "a chunk that is longer than it says")
      if (size === 0) {
        const body = Buffer.concat(this.body, this.bodyOctets)
        this.body = []
        this.bodyOctets = 0
        return body
      }
      this.body.push(Buffer.from(chunk.subarray(whole - 2 - size, whole - 2)))
      this.bodyOctets += size
    }
  }

  private answer(
    status: number,
    contentType: string,
    octets: Uint8Array,
    more: string,
    isLast: boolean,
    isHead = false
  ): void {
    const head =
      `HTTP/1.1 ${status} ${phrases[status] ?? "Error"}\r\ndate: ${httpDate()}\r\ncontent-type: ${contentType}\r\n` +
      `content-length: ${octets.length}\r\n${more}${isLast || this.isLeaving ? "connection: close\r\n" : ""}\r\n`
    const room = reserve(WRAPPING_SIZE + octets.length)
    const start = Buffer.from(room.buffer, room.byteOffset, room.length).write(head, "latin1")
    if (!isHead) room.set(octets, start)
    this.connection.send(start + (isHead ? 0 : octets.length))
    this.isAnswering = false
    this.hasNext = this.input.length > 0
    // What was said to be the last is the last (RFC 9112 §9.6).
    if (isLast || this.isLeaving) this.finish()
  }

  private refuse(status: number, reason: string, isLast: boolean, isHead = false): void {
    const more = status === 405 ? "allow: GET, HEAD, POST\r\n" : ""
    this.answer(status, "text/plain", Buffer.from(`${reason}\n`), more, isLast, isHead)
  }

  /** Where the next request begins is not known any more: the connection is over. */
  private fail(status: number, reason: string): undefined {
    this.refuse(status, reason, true)
    return undefined
  }

  private finish(): void {
    this.isOver = true
    this.hasNext = false
    this.input.clear()
    this.head = undefined
    this.connection.end()
  }

  private put(text: string): void {
    const room = reserve(WRAPPING_SIZE)
    this.connection.send(Buffer.from(room.buffer, room.byteOffset, room.length).write(text, "latin1"))
  }
}
