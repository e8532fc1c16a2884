/**
 * One client's connection: queries in any pieces, answers in whatever order they are ready (RFC 7766 §6.2.1.1), those that
 * are ready in one turn in one write. What is spoken on it is its conversation's.
 *
 * Bounded in everything: queries under way, octets that wait to be read by the client, time.
 */
import { namedPeer, type Peer } from "../../io/peer.ts"
import type { StreamHandler, StreamSocket } from "../../io/stream-transport.ts"
import type { Packet } from "../../query/packet.ts"
import type { Transport } from "../../query/transport.ts"
import type { Conversation, Converse, Speaking, SpeakingTimes } from "./conversation.ts"
import { octetsOf, type Piece, pieceOf } from "./reply-buffer.ts"

/** Queries of one connection under way at once; past that no more are begun. */
const MAX_UNDER_WAY = 512
/** Octets of answers that wait for the client; past that no more queries are begun. */
const MAX_UNREAD = 256 << 10
/** Octets that may wait for all clients together; past that, one for whom much waits is let go. */
const MAX_UNREAD_IN_ALL = 64 << 20
/** Octets that are written at once, or one answer: how much a slow client must read to be seen to read. */
const WRITE_SIZE = 64 << 10

/** How long a connection is waited for, in milliseconds. */
export interface StreamTimes extends SpeakingTimes {
  /** For a query, with nothing under way (RFC 7766 §6.2.3). */
  readonly idleMs: number
}

/** Octets of answers that wait for all clients together. */
export interface Unread {
  octets: number
}

export interface ClientConnectionOptions {
  readonly transport: Transport
  readonly start: (packet: Packet) => void
  readonly nowMs: () => number
  readonly unreadInAll: Unread
  /** Called before and after the queries of one read are begun. */
  readonly onBatch: () => void
  readonly onBatchEnd: () => void
  readonly onClose: () => void
  /** Queries after which it is closed; 0 for any number. */
  readonly maxQueries: () => number
  /** Called when it has had as many. */
  readonly onWorn: () => void
  /** Called with an exception that would leave a microtask. */
  readonly onDefect: (thrown: unknown) => void
}

export class ClientConnection implements Speaking {
  readonly handler: StreamHandler
  /** When it last sent a well-formed query, or was sent an answer to one. Nothing else keeps it from being idle. */
  activeMs: number
  readonly openedMs: number
  /** When octets came last. */
  private receivedMs = 0
  /** When the message that is arriving began; 0 where none is. */
  private messageSinceMs = 0
  /** When the write under way began; 0 where none is. */
  private writeSinceMs = 0
  private underWay = 0
  /** Queries begun since the connection was made. */
  private begun = 0
  /** The client has shut its side: it asks no more. */
  private hasEnded = false
  /** We take no more queries. */
  private isStopping = false
  /** None but those that have begun to come. */
  private isRetiring = false
  private isPaused = false
  private isReading = false
  private ready: Array<Piece> = []
  private readyOctets = 0
  /** Whether the answer to a well-formed query is among what waits to be read. */
  private hasAnswer = false
  private isScheduled = false
  private readonly conversation: Conversation
  private readonly socket: StreamSocket
  /** The peer, from the first octets on: then it is known what it calls itself, if anything. */
  private named: Peer | undefined
  /** Octets of the write under way. */
  private writing = 0
  /** The key of the client that it counts for. */
  readonly whose: string
  private readonly options: ClientConnectionOptions

  constructor(socket: StreamSocket, whose: string, converse: Converse, options: ClientConnectionOptions) {
    this.socket = socket
    this.whose = whose
    this.options = options
    this.activeMs = options.nowMs()
    this.openedMs = this.activeMs
    this.conversation = converse(this, socket)
    this.receivedMs = this.activeMs
    this.handler = {
      onData: (chunk) => this.receive(chunk),
      onEnd: () => {
        this.hasEnded = true
        this.closeWhenDone()
      },
      onWritten: () => this.written(),
      onClose: () => {
        this.count(-this.readyOctets)
        this.ready = []
        options.onClose()
      }
    }
  }

  get peer(): Peer {
    return this.named ?? this.socket.peer
  }

  nowMs(): number {
    return this.options.nowMs()
  }

  get transport(): Transport {
    return this.options.transport
  }

  get isIdle(): boolean {
    return this.underWay === 0 && !this.isSending
  }

  /** Whether one of its times is over. */
  isExpired(nowMs: number, times: StreamTimes): boolean {
    const { idleMs, receiveMs, sendMs } = times
    if (this.conversation.isOverdue(nowMs, times)) return true
    if (this.writeSinceMs > 0 && nowMs - this.writeSinceMs >= sendMs) return true
    if (this.messageSinceMs > 0 && !this.isPaused && nowMs - this.messageSinceMs >= receiveMs) return true
    // A message that began in time may come to its end.
    return this.isIdle && (this.messageSinceMs > 0 ? this.messageSinceMs : nowMs) - this.activeMs >= idleMs
  }

  destroy(): void {
    this.socket.destroy()
  }

  /** Answers what is under way, and reads no more of what has begun to come; then closes. */
  end(): void {
    if (!this.isStopping) {
      this.isStopping = true
      if (!this.isRetiring) this.conversation.farewell()
      this.socket.pause()
    }
    this.closeWhenDone()
  }

  noteQuery(): void {
    this.activeMs = this.receivedMs
  }

  begin(packet: Packet): void {
    this.underWay++
    this.begun++
    const most = this.options.maxQueries()
    if (most > 0 && this.begun >= most) this.retire()
    this.options.start(packet)
  }

  /** It has had its time, or its queries. */
  retire(): void {
    if (this.isStopping || this.isRetiring) return
    this.options.onWorn()
    this.leave()
  }

  /** Queries that have begun to come are answered, and no others; then it closes. */
  leave(): void {
    if (this.isStopping || this.isRetiring) return
    this.isRetiring = true
    this.conversation.farewell()
    if (!this.conversation.hasOpenRequests) this.end()
  }

  over(isWellFormed: boolean): void {
    this.underWay--
    if (this.socket.isDestroyed) return
    this.hasAnswer ||= isWellFormed
    this.goOnSoon()
  }

  send(length: number): void {
    if (this.socket.isDestroyed) return
    const last = this.conversation.isSentApart ? undefined : this.ready.at(-1)
    const piece = pieceOf(length, last)
    if (piece !== last) this.ready.push(piece)
    this.count(length)
    if (this.isUnbearable) this.socket.destroy()
    else this.goOnSoon()
  }

  private goOnSoon(): void {
    if (this.isReading || this.isScheduled) return
    this.isScheduled = true
    queueMicrotask(this.goOnLater)
  }

  private readonly goOnLater = (): void => {
    this.isScheduled = false
    try {
      this.goOn()
    } catch (thrown) {
      this.options.onDefect(thrown)
      this.socket.destroy()
    }
  }

  private get isSending(): boolean {
    return this.writeSinceMs > 0 || this.ready.length > 0
  }

  private get isFull(): boolean {
    return this.underWay >= MAX_UNDER_WAY || this.readyOctets > MAX_UNREAD
  }

  private get isUnbearable(): boolean {
    return this.readyOctets > MAX_UNREAD && this.options.unreadInAll.octets > MAX_UNREAD_IN_ALL
  }

  private count(octets: number): void {
    this.readyOctets += octets
    this.options.unreadInAll.octets += octets
  }

  private receive(chunk: Buffer): number {
    const before = this.begun
    this.receivedMs = this.options.nowMs()
    if (!this.conversation.isInsideMessage) this.messageSinceMs = this.receivedMs
    this.named ??= namedPeer(this.socket.peer, this.socket.clientName)
    this.conversation.append(chunk)
    this.goOn()
    return this.begun - before
  }

  /** Begins the queries that are there and may be, sends what is ready, and reads on. */
  private goOn(): void {
    do {
      if (this.socket.isDestroyed) return
      this.beginQueries()
      this.write()
    } while (this.conversation.hasNext && !this.isFull && !this.isStopping)
    // After the writing: an answer that the socket has taken at once causes no `onWritten`, so that nothing else would read on.
    this.setPaused(this.isStopping || this.conversation.hasNext || this.conversation.isHeld || this.isFull)
    this.closeWhenDone()
  }

  private beginQueries(): void {
    if (this.conversation.hasNext) this.options.onBatch()
    this.isReading = true
    while (this.conversation.hasNext && !this.isFull && !this.isStopping && !this.socket.isDestroyed) {
      // The next message begins where this one ended.
      if (this.conversation.next()) this.messageSinceMs = this.receivedMs
    }
    this.isReading = false
    this.options.onBatchEnd()
    if (!this.conversation.isInsideMessage) this.messageSinceMs = 0
  }

  private setPaused(isPaused: boolean): void {
    if (this.isPaused === isPaused) return
    this.isPaused = isPaused
    if (isPaused) {
      this.socket.pause()
    } else {
      this.messageSinceMs = this.conversation.isInsideMessage ? this.options.nowMs() : 0
      this.socket.resume()
    }
  }

  private write(): void {
    if (this.hasAnswer) this.activeMs = this.options.nowMs()
    while (this.writeSinceMs === 0 && this.ready.length > 0) {
      let count = 0
      let size = 0
      const most = this.conversation.isSentApart ? 1 : this.ready.length
      while (count < most && (count === 0 || size + lengthOf(this.ready[count]!) <= WRITE_SIZE)) {
        size += lengthOf(this.ready[count++]!)
      }
      const batch = count === this.ready.length ? this.ready : this.ready.slice(0, count)
      this.ready = count === this.ready.length ? [] : this.ready.slice(count)
      const octets = batch.length === 1 ? octetsOf(batch[0]!) : Buffer.concat(batch.map(octetsOf), size)
      if (!this.socket.write(octets)) {
        this.writeSinceMs = this.options.nowMs()
        this.writing = size
        return
      }
      this.count(-size)
    }
    if (this.ready.length === 0) this.hasAnswer = false
  }

  private written(): void {
    this.writeSinceMs = 0
    this.count(-this.writing)
    if (this.hasAnswer) this.activeMs = this.options.nowMs()
    if (this.ready.length === 0) this.hasAnswer = false
    this.goOn()
  }

  private closeWhenDone(): void {
    if (this.isRetiring && !this.isStopping && !this.conversation.hasOpenRequests) {
      this.end()
      return
    }
    const isLast = this.isStopping || (this.hasEnded && !this.conversation.hasNext)
    if (isLast && this.isIdle && !this.socket.isEnded) this.socket.end()
  }
}

const lengthOf = ({ start, end }: Piece): number => end - start
