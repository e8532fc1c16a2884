/** DNS over HTTPS: by HTTP/2 where the client chose it, or begins with it, else by HTTP/1.1. */
import type { Conversation, Converse, Speaking, SpeakingTimes } from "../stream/conversation.ts"
import { Http1Conversation } from "./http1.ts"
import { Http2Conversation, PREFACE } from "./http2.ts"
import { Input } from "./input.ts"
import type { Site } from "./site.ts"

/** What is chosen by ALPN, most wanted first. */
export const HTTP_PROTOCOLS = ["h2", "http/1.1"]

/** The first octets tell, where nothing was chosen: no method of HTTP/1.1 begins like the preface of HTTP/2. */
const TELLING = 3

class HttpConversation implements Conversation {
  private readonly connection: Speaking
  private readonly chosen: () => string
  private readonly site: Site
  private readonly early = new Input()
  private spoken: Conversation | undefined

  constructor(connection: Speaking, chosen: () => string, site: Site) {
    this.connection = connection
    this.chosen = chosen
    this.site = site
  }

  get isSentApart(): boolean {
    return this.spoken?.isSentApart ?? false
  }

  get isInsideMessage(): boolean {
    return this.spoken?.isInsideMessage ?? this.early.length > 0
  }

  get hasNext(): boolean {
    return this.spoken?.hasNext ?? false
  }

  append(chunk: Buffer): void {
    if (this.spoken !== undefined) {
      this.spoken.append(chunk)
      return
    }
    this.early.append(chunk)
    this.spoken = this.tell()
    if (this.spoken !== undefined) this.spoken.append(this.early.take(this.early.length))
  }

  get isHeld(): boolean {
    return this.spoken?.isHeld ?? false
  }

  next(): boolean {
    return this.spoken?.next() ?? false
  }

  isOverdue(nowMs: number, times: SpeakingTimes): boolean {
    return this.spoken?.isOverdue(nowMs, times) ?? false
  }

  get hasOpenRequests(): boolean {
    return this.spoken?.hasOpenRequests ?? false
  }

  farewell(): void {
    this.spoken?.farewell()
  }

  private tell(): Conversation | undefined {
    const chosen = this.chosen()
    if (chosen === "h2") return new Http2Conversation(this.connection, this.site)
    if (chosen === "" && this.early.length < TELLING) return undefined
    const { at, octets } = this.early
    const isPreface = octets.compare(PREFACE, 0, TELLING, at, at + TELLING) === 0
    return chosen === "" && isPreface
      ? new Http2Conversation(this.connection, this.site)
      : new Http1Conversation(this.connection, this.site)
  }
}

export const converseAt =
  (site: Site): Converse =>
  (connection, socket) =>
    new HttpConversation(connection, () => socket.protocol, site)
