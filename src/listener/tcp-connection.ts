/**
 * One client's TCP connection: queries in any pieces, answers in whatever order they are ready (RFC 7766 §6.2.1.1),
 * those that are ready in one turn in one write.
 *
 * Bounded in everything: queries under way, octets that wait to be read by the client, time.
 */
import type { Socket } from "node:net"
import { FrameReader, PREFIX_SIZE } from "../io/frames.ts"
import { type Peer, TextPeer } from "../io/peer.ts"
import type { Packet, ReplyPath } from "../query/packet.ts"

/** A connection with nothing under way is closed after so long (RFC 7766 §6.2.3). */
const IDLE_MS = 10_000
/** So long may a message take from its first octet to its last. */
const FRAME_MS = 5_000
/** So long may a client not read while answers wait. */
const STALL_MS = 5_000
/** Queries of one connection under way at once; past that it is not read. */
const MAX_UNDER_WAY = 512
/** Octets of answers that may wait for the client; past that it is not read. */
const MAX_UNREAD = 256 << 10

export class TcpClient {
  readonly peer: Peer
  /** When it last did anything. */
  activeMs: number
  private frameSinceMs = 0
  private stalledSinceMs = 0
  private underWay = 0
  private hasEnded = false
  private isPaused = false
  private ready: Array<Uint8Array> = []
  private isScheduled = false
  private readonly frames = new FrameReader()
  private readonly socket: Socket
  private readonly start: (packet: Packet) => void
  private readonly nowMs: () => number
  private readonly onTurn: () => void

  constructor(
    socket: Socket,
    start: (packet: Packet) => void,
    nowMs: () => number,
    onTurn: () => void,
    onClose: () => void
  ) {
    this.socket = socket
    this.onTurn = onTurn
    this.start = start
    this.nowMs = nowMs
    this.activeMs = nowMs()
    this.peer = new TextPeer({ address: socket.remoteAddress ?? "", port: socket.remotePort ?? 0 })
    socket.on("data", (chunk: Buffer) => this.receive(chunk))
    socket.on("end", () => {
      this.hasEnded = true
      this.closeWhenDone()
    })
    socket.on("drain", () => {
      this.stalledSinceMs = 0
      this.resume()
    })
    socket.on("error", () => socket.destroy())
    socket.on("close", onClose)
  }

  get isIdle(): boolean {
    return this.underWay === 0 && this.socket.writableLength === 0
  }

  /** Whether one of its times is over. */
  isExpired(nowMs: number): boolean {
    if (this.stalledSinceMs > 0 && nowMs - this.stalledSinceMs >= STALL_MS) return true
    if (this.frameSinceMs > 0 && !this.isPaused && nowMs - this.frameSinceMs >= FRAME_MS) return true
    return this.isIdle && this.frameSinceMs === 0 && nowMs - this.activeMs >= IDLE_MS
  }

  destroy(): void {
    this.socket.destroy()
  }

  /** Answers what is under way, then closes. */
  end(): void {
    this.hasEnded = true
    this.socket.pause()
    this.closeWhenDone()
  }

  private receive(chunk: Buffer): void {
    this.onTurn()
    this.activeMs = this.nowMs()
    this.frames.push(chunk, (message) => {
      this.underWay++
      this.start(new TcpPacket(message, this.peer, this))
    })
    this.frameSinceMs = this.frames.isInsideFrame ? this.frameSinceMs || this.activeMs : 0
    this.flush()
    if (this.underWay >= MAX_UNDER_WAY) this.pause()
  }

  /** A query is over; `framed` is its answer, or undefined where it gets none. */
  answer(framed: Uint8Array | undefined): void {
    this.underWay--
    if (framed !== undefined) this.ready.push(framed)
    if (this.isScheduled) return
    this.isScheduled = true
    queueMicrotask(() => this.flush())
  }

  private flush(): void {
    this.isScheduled = false
    if (this.socket.destroyed) return
    if (this.ready.length > 0) {
      const octets = this.ready.length === 1 ? this.ready[0]! : Buffer.concat(this.ready)
      this.ready = []
      this.activeMs = this.nowMs()
      if (!this.socket.write(octets) && this.stalledSinceMs === 0) this.stalledSinceMs = this.activeMs
      if (this.socket.writableLength > MAX_UNREAD) this.pause()
    }
    this.resume()
    this.closeWhenDone()
  }

  private pause(): void {
    this.isPaused = true
    this.socket.pause()
  }

  private resume(): void {
    if (!this.isPaused || this.underWay >= MAX_UNDER_WAY || this.socket.writableLength > MAX_UNREAD) return
    this.isPaused = false
    this.socket.resume()
  }

  private closeWhenDone(): void {
    if (this.hasEnded && this.underWay === 0 && !this.socket.writableEnded) this.socket.end()
  }
}

/** Its message is its own: it is the way back for later too. */
class TcpPacket implements Packet {
  readonly transport = "tcp"
  readonly wire: Uint8Array
  readonly length: number
  readonly client: Peer
  private readonly connection: TcpClient
  private room: Uint8Array = new Uint8Array(0)

  constructor(message: Uint8Array, client: Peer, connection: TcpClient) {
    this.wire = message
    this.length = message.length
    this.client = client
    this.connection = connection
  }

  reserve(size: number): Uint8Array {
    this.room = Buffer.allocUnsafe(PREFIX_SIZE + size)
    return this.room.subarray(PREFIX_SIZE)
  }

  send(length: number): void {
    this.room[0] = length >>> 8
    this.room[1] = length
    this.connection.answer(this.room.subarray(0, PREFIX_SIZE + length))
  }

  drop(): void {
    this.connection.answer(undefined)
  }

  keepPath(): ReplyPath {
    return this
  }
}
