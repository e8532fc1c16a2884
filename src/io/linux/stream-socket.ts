/**
 * Clients' connections on sockets of our own, polled with the datagrams: what Node spends on a stream, an event and a
 * buffer of 64 KiB for each read, is most of what a query by TCP costs (docs/performance.md).
 */

import type { Incidents } from "../../runtime/incidents.ts"
import type { Endpoint } from "../endpoint.ts"
import type { Peer } from "../peer.ts"
import type { StreamHandler, StreamSocket } from "../stream-transport.ts"
import { BROKEN, CHUNK, type Channel, LATER } from "./channel.ts"
import type { Descriptors } from "./descriptors.ts"
import { EPOLLIN, EPOLLOUT, type Libc, SOCK_CLOEXEC, SOCK_NONBLOCK } from "./libc.ts"
import type { Drained, Reactor } from "./reactor.ts"
import type { Arguments } from "./socket.ts"
import { ADDRESS_ROOM, addressAt, portAt } from "./socket-address.ts"

/** Octets that one record of TLS brings at most (RFC 8446 §5.1). */
const MAX_RECORD = 16 << 10

/** What all connections of a thread share. */
export class StreamShared {
  readonly libc: Libc
  readonly reactor: Reactor
  readonly args: Arguments
  readonly descriptors: Descriptors
  readonly incidents: Incidents
  readonly chunk: Uint8Array
  readonly chunkAddress: number
  private room = new ArrayBuffer(CHUNK)
  private roomUsed = 0
  private readonly address = new ArrayBuffer(ADDRESS_ROOM + 4)
  private readonly addressOctets = new Uint8Array(this.address)
  private readonly addressAddress: number

  constructor(libc: Libc, reactor: Reactor, args: Arguments, descriptors: Descriptors, incidents: Incidents) {
    this.incidents = incidents
    this.libc = libc
    this.reactor = reactor
    this.args = args
    this.descriptors = descriptors
    const memory = new ArrayBuffer(CHUNK)
    this.chunk = new Uint8Array(memory)
    this.chunkAddress = libc.addressOf(memory)
    this.addressAddress = libc.addressOf(this.address)
  }

  /**
   * A copy of the octets that were read. Copies share memory only with each other: most are short-lived, and a query
   * that waits for long would keep alive whatever memory it shared.
   */
  takeChunk(length: number): Buffer {
    if (this.roomUsed + length > this.room.byteLength) {
      this.room = new ArrayBuffer(Math.max(CHUNK, length))
      this.roomUsed = 0
    }
    const copy = Buffer.from(this.room, this.roomUsed, length)
    this.roomUsed += length
    copy.set(length === CHUNK ? this.chunk : this.chunk.subarray(0, length))
    return copy
  }

  /** The next connection that waits at the listener; a number below 0 where there is none. */
  accept(fd: number): number {
    new DataView(this.address).setUint32(ADDRESS_ROOM, ADDRESS_ROOM, true)
    return this.libc.accept4(fd, this.addressAddress, this.addressAddress + ADDRESS_ROOM, SOCK_NONBLOCK | SOCK_CLOEXEC)
  }

  /** Who made the connection accepted last. */
  get accepted(): Endpoint {
    return { address: addressAt(this.addressOctets, 0), port: portAt(this.addressOctets, 0) }
  }
}

export class BatchedStream implements StreamSocket, Drained {
  readonly isShared = false
  readonly fd: number
  readonly peer: Peer
  readonly via: Peer
  isDestroyed = false
  isEnded = false
  private readonly shared: StreamShared
  private readonly channel: Channel
  private handler: StreamHandler | undefined
  private isPaused = false
  private hasPeerEnded = false
  /** Octets that the kernel has not taken yet. */
  private unwritten: Uint8Array | undefined
  private watched = EPOLLIN

  constructor(shared: StreamShared, channel: Channel, fd: number, peer: Peer, via: Peer) {
    this.shared = shared
    this.channel = channel
    this.fd = fd
    this.peer = peer
    this.via = via
    shared.descriptors.opened(fd)
  }

  attach(handler: StreamHandler): void {
    if (this.isDestroyed) return
    this.handler = handler
    this.shared.reactor.add(this)
    if (this.watched !== EPOLLIN) this.shared.reactor.watch(this, this.watched)
  }

  get protocol(): string {
    return this.channel.protocol
  }

  get clientName(): string | undefined {
    return this.channel.clientName
  }

  drain(): number {
    if (this.unwritten !== undefined) this.writeOn()
    if (this.isDestroyed || this.isPaused || this.hasPeerEnded) return 0
    // Records that came together are one chunk, and their answers leave as one.
    let length = 0
    let last: number
    let hasMore: boolean
    do {
      last = this.channel.read(length)
      hasMore = last > 0 && this.channel.hasMore()
      if (last > 0) length += last
    } while (hasMore && length < CHUNK - MAX_RECORD)
    const came = length === 0 ? 0 : this.isEnded ? 1 : (this.handler?.onData(this.shared.takeChunk(length)) ?? 1)
    if (this.isDestroyed) return came
    if (last === BROKEN) this.destroy()
    else if (last === 0) this.peerEnded()
    else if (hasMore && !this.isPaused) this.shared.reactor.serveLater(this)
    else this.watch()
    return came
  }

  flush(): void {}

  /** Where the socket is read, reading meets the error. Else it is closed here: no peer is left to be answered. */
  onBroken(): void {
    if (this.isPaused || this.hasPeerEnded) this.destroy()
  }

  /** How far its messages were read is not known any more. */
  onDefect(): void {
    this.destroy()
  }

  write(octets: Uint8Array): boolean {
    const sent = this.send(octets)
    if (sent === octets.length) return true
    if (sent < 0) return false
    this.unwritten = octets.subarray(sent)
    this.watch()
    return false
  }

  pause(): void {
    this.isPaused = true
    this.watch()
  }

  resume(): void {
    this.isPaused = false
    this.watch()
    // The kernel does not know of what the channel has read and not given yet.
    if (!this.isDestroyed && this.channel.hasMore()) this.shared.reactor.serveLater(this)
  }

  end(): void {
    if (this.isEnded || this.isDestroyed) return
    this.isEnded = true
    if (this.unwritten !== undefined) return
    this.shutOrClose()
  }

  destroy(): void {
    if (this.isDestroyed) return
    this.isDestroyed = true
    const { descriptors, libc, reactor } = this.shared
    reactor.remove(this)
    descriptors.closing(this.fd)
    this.channel.free()
    libc.close(this.fd)
    this.handler?.onClose()
  }

  private peerEnded(): void {
    this.hasPeerEnded = true
    this.watch()
    if (this.isEnded && this.unwritten === undefined) this.destroy()
    else this.handler?.onEnd()
  }

  /** Where the client has shut its side, it is told of our end, too (RFC 8446 §6.1), and then all is over. */
  private shutOrClose(): void {
    if (!this.hasPeerEnded) {
      this.shut()
      return
    }
    this.channel.shut()
    this.destroy()
  }

  /** Shuts our side; what the client still sends is read and forgotten, until it closes too. */
  private shut(): void {
    this.channel.shut()
    this.isPaused = false
    this.watch()
  }

  private writeOn(): void {
    const octets = this.unwritten!
    const sent = this.send(octets)
    if (sent < 0) return
    if (sent < octets.length) {
      this.unwritten = octets.subarray(sent)
      return
    }
    this.unwritten = undefined
    this.watch()
    this.handler?.onWritten()
    if (this.isEnded && !this.isDestroyed) this.shutOrClose()
  }

  /** How many octets were taken; -1 where the connection is gone. */
  private send(octets: Uint8Array): number {
    const { chunk } = this.shared
    let sent = 0
    while (sent < octets.length) {
      const length = Math.min(octets.length - sent, CHUNK)
      chunk.set(sent === 0 && length === octets.length ? octets : octets.subarray(sent, sent + length))
      const taken = this.channel.write(length)
      if (taken === LATER) return sent
      if (taken < 0) {
        this.destroy()
        return -1
      }
      sent += taken
    }
    return sent
  }

  private watch(): void {
    const reads = !this.isPaused && !this.hasPeerEnded
    const events = (reads ? EPOLLIN : 0) | (this.unwritten === undefined && !this.channel.wantsRoom ? 0 : EPOLLOUT)
    if (events === this.watched || this.isDestroyed) return
    this.watched = events
    if (this.handler !== undefined) this.shared.reactor.watch(this, events)
  }
}
