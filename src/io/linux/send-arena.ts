/**
 * Datagrams that wait to leave together in one `sendmmsg`: payloads, addresses, control data and headers in one
 * allocation that the kernel reads (sendmmsg(2)).
 *
 * Datagrams of one length to one peer travel as one message that the kernel cuts apart (UDP_SEGMENT, udp(7)): the way
 * through the network stack is the dearer half of a small answer, and is gone once for all of them.
 *
 * Hot path: nothing here allocates.
 */
import { MAX_SENT } from "../datagram.ts"
import {
  Errno,
  IP_PKTINFO,
  IPPROTO_IP,
  IPPROTO_IPV6,
  IPPROTO_UDP,
  IPV6_PKTINFO,
  type Libc,
  MSG_DONTWAIT,
  UDP_SEGMENT
} from "./libc.ts"
import type { SocketPath } from "./receive-arena.ts"
import { ADDRESS_ROOM, isIPv4At } from "./socket-address.ts"

/** Datagrams a call. */
export const SEND_BATCH = 128
/** Datagrams that the kernel cuts one message into at most (UDP_MAX_SEGMENTS of its older versions). */
const MAX_SEGMENTS = 64
const MAX_MESSAGE = 65_000
const CONTROL_ROOM = 64
const HEADER_SIZE = 64
const VECTOR_SIZE = 16

const VECTORS = SEND_BATCH * HEADER_SIZE
const ADDRESSES = VECTORS + SEND_BATCH * VECTOR_SIZE
const CONTROLS = ADDRESSES + SEND_BATCH * ADDRESS_ROOM
const PAYLOADS = CONTROLS + SEND_BATCH * CONTROL_ROOM

/** Ends of lists, and places where nothing is. */
const NONE = -1
const TABLE_SIZE = 512

/** What the kernel says of a message that it cannot cut apart; other errors are of the datagrams before it. */
const refusesMerging = (errno: number): boolean =>
  errno === Errno.EIO || errno === Errno.EINVAL || errno === Errno.EMSGSIZE || errno === Errno.EOPNOTSUPP

/** The socket that an arena is flushed to. */
export interface Sender {
  readonly fd: number
  /** Whether datagrams of one length to one peer may share a message. */
  merges: boolean
  /** Told the number of an error that a datagram met; says whether it is worth another try. */
  readonly onSendError: (errno: number) => boolean
}

export class SendArena {
  /** Datagrams that wait. */
  count = 0
  private readonly libc: Libc
  private readonly base: number
  private readonly bytes: Uint8Array
  private readonly words: Uint32Array
  private readonly view: DataView
  private readonly rooms: ReadonlyArray<Uint8Array>
  private readonly lengths = new Uint16Array(SEND_BATCH)
  private readonly addressLengths = new Uint8Array(SEND_BATCH)
  private readonly controlLengths = new Uint8Array(SEND_BATCH)
  /** The datagram after this one in the same message. */
  private readonly following = new Int16Array(SEND_BATCH)
  /** Of each message: its first and last datagram and how many there are. */
  private readonly firsts = new Int16Array(SEND_BATCH)
  private readonly lasts = new Int16Array(SEND_BATCH)
  private readonly segments = new Uint8Array(SEND_BATCH)
  private messages = 0
  /** Messages by peer and length, while they are put together. */
  private readonly table = new Int16Array(TABLE_SIZE).fill(NONE)
  private readonly buckets = new Uint16Array(SEND_BATCH)

  constructor(libc: Libc) {
    this.libc = libc
    const memory = new ArrayBuffer(PAYLOADS + SEND_BATCH * MAX_SENT)
    this.base = libc.addressOf(memory)
    this.bytes = new Uint8Array(memory)
    this.words = new Uint32Array(memory)
    this.view = new DataView(memory)
    this.rooms = Array.from(
      { length: SEND_BATCH },
      (_, slot) => new Uint8Array(memory, PAYLOADS + slot * MAX_SENT, MAX_SENT)
    )
  }

  get isFull(): boolean {
    return this.count === SEND_BATCH
  }

  /** Room for the next datagram. */
  room(): Uint8Array {
    return this.rooms[this.count]!
  }

  /** The next datagram is whole; without a path it goes where the socket is connected to. */
  push(length: number, path: SocketPath | undefined): void {
    const slot = this.count++
    this.lengths[slot] = length
    if (path === undefined) {
      this.addressLengths[slot] = 0
      this.controlLengths[slot] = 0
      return
    }
    const { memory, peerAt, localAt } = path
    const isIPv4 = isIPv4At(memory, peerAt)
    const size = isIPv4 ? 16 : 28
    const to = ADDRESSES + slot * ADDRESS_ROOM
    for (let i = 0; i < size; i++) this.bytes[to + i] = memory[peerAt + i]!
    this.addressLengths[slot] = size
    this.controlLengths[slot] = localAt < 0 ? 0 : this.writeSource(slot, memory, localAt, isIPv4)
  }

  /** The reply leaves from the address that was asked; returns the control data's length. */
  private writeSource(slot: number, memory: Uint8Array, localAt: number, isIPv4: boolean): number {
    const at = CONTROLS + slot * CONTROL_ROOM
    const size = isIPv4 ? 28 : 36
    this.bytes.fill(0, at, at + 40)
    this.view.setUint32(at, size, true)
    this.view.setInt32(at + 8, isIPv4 ? IPPROTO_IP : IPPROTO_IPV6, true)
    this.view.setInt32(at + 12, isIPv4 ? IP_PKTINFO : IPV6_PKTINFO, true)
    const length = isIPv4 ? 4 : 16
    const to = at + (isIPv4 ? 20 : 16)
    for (let i = 0; i < length; i++) this.bytes[to + i] = memory[localAt + i]!
    return isIPv4 ? 32 : 40
  }

  /**
   * Sends all that waits, and is empty afterwards.
   *
   * @returns how many datagrams were lost
   */
  flush(sender: Sender): number {
    this.messages = 0
    if (sender.merges && this.count > 1) this.group()
    else for (let slot = 0; slot < this.count; slot++) this.open(slot)
    this.layOut()
    let lost = 0
    let sent = 0
    let triedAgain = -1
    while (sent < this.messages) {
      const taken = this.libc.sendmmsg(sender.fd, this.base + sent * HEADER_SIZE, this.messages - sent, MSG_DONTWAIT)
      if (taken > 0) {
        sent += taken
        continue
      }
      const errno = this.libc.errno()
      if (errno === Errno.EINTR) continue
      if (errno === Errno.EAGAIN) {
        while (sent < this.messages) lost += this.segments[sent++]!
      } else if (this.segments[sent]! > 1 && refusesMerging(errno)) {
        // No way for such messages, over some interfaces: this one's datagrams go one by one, and so do all later ones.
        sender.merges = false
        this.split(sent)
        sent = 0
      } else if (sender.onSendError(errno) && triedAgain !== sent) {
        triedAgain = sent
      } else {
        lost += this.segments[sent++]!
      }
    }
    this.count = 0
    return lost
  }

  /** Every datagram of the messages from this one on becomes a message of its own. */
  private split(from: number): void {
    const left: Array<number> = []
    for (let message = from; message < this.messages; message++) {
      let slot = this.firsts[message]!
      for (let i = 0; i < this.segments[message]!; i++) {
        left.push(slot)
        slot = this.following[slot]!
      }
    }
    this.messages = 0
    for (const slot of left) this.open(slot)
    this.layOut()
  }

  /** Puts each datagram to the message of its peer and length, or begins one. */
  private group(): void {
    for (let slot = 0; slot < this.count; slot++) {
      const at = (ADDRESSES + slot * ADDRESS_ROOM) / 4
      const hasAddress = this.addressLengths[slot] !== 0
      let bucket = this.lengths[slot]! * 31
      if (hasAddress)
        bucket ^= Math.imul(this.words[at]! ^ this.words[at + 1]! ^ this.words[at + 5]!, 0x9e3779b1) >>> 16
      bucket &= TABLE_SIZE - 1
      for (;;) {
        const message = this.table[bucket]!
        if (message === NONE) {
          this.buckets[this.messages] = bucket
          this.table[bucket] = this.messages
          this.open(slot)
          break
        }
        const first = this.firsts[message]!
        if (this.belongTogether(first, slot)) {
          const length = this.lengths[slot]!
          const isFull = this.segments[message]! >= MAX_SEGMENTS || (this.segments[message]! + 1) * length > MAX_MESSAGE
          if (isFull) {
            this.buckets[this.messages] = bucket
            this.table[bucket] = this.messages
            this.open(slot)
          } else {
            this.following[this.lasts[message]!] = slot
            this.lasts[message] = slot
            this.segments[message]!++
          }
          break
        }
        bucket = (bucket + 1) & (TABLE_SIZE - 1)
      }
    }
    for (let message = 0; message < this.messages; message++) this.table[this.buckets[message]!] = NONE
  }

  private open(slot: number): void {
    const message = this.messages++
    this.firsts[message] = slot
    this.lasts[message] = slot
    this.segments[message] = 1
  }

  /** The kernel cannot cut at a length of 0. */
  private belongTogether(a: number, b: number): boolean {
    if (this.lengths[a] === 0) return false
    if (this.lengths[a] !== this.lengths[b] || this.addressLengths[a] !== this.addressLengths[b]) return false
    const addressA = (ADDRESSES + a * ADDRESS_ROOM) / 4
    const addressB = (ADDRESSES + b * ADDRESS_ROOM) / 4
    for (let i = 0; i * 4 < this.addressLengths[a]!; i++) {
      if (this.words[addressA + i] !== this.words[addressB + i]) return false
    }
    if (this.controlLengths[a] !== this.controlLengths[b]) return false
    const controlA = (CONTROLS + a * CONTROL_ROOM) / 4
    const controlB = (CONTROLS + b * CONTROL_ROOM) / 4
    for (let i = 0; i * 4 < this.controlLengths[a]!; i++) {
      if (this.words[controlA + i] !== this.words[controlB + i]) return false
    }
    return true
  }

  /** Writes headers and vectors: one message after the other, each with the payloads of its datagrams. */
  private layOut(): void {
    let vector = 0
    for (let message = 0; message < this.messages; message++) {
      const first = this.firsts[message]!
      const count = this.segments[message]!
      const header = message * (HEADER_SIZE / 4)
      this.setPointer(header, this.addressLengths[first] === 0 ? 0 : this.base + ADDRESSES + first * ADDRESS_ROOM)
      this.words[header + 2] = this.addressLengths[first]!
      this.setPointer(header + 4, this.base + VECTORS + vector * VECTOR_SIZE)
      this.words[header + 6] = count
      let control = this.controlLengths[first]!
      if (count > 1) control = this.writeSegmentSize(first, control)
      this.setPointer(header + 8, control === 0 ? 0 : this.base + CONTROLS + first * CONTROL_ROOM)
      this.words[header + 10] = control
      let slot = first
      for (let i = 0; i < count; i++) {
        const at = (VECTORS + vector * VECTOR_SIZE) / 4
        this.setPointer(at, this.base + PAYLOADS + slot * MAX_SENT)
        this.words[at + 2] = this.lengths[slot]!
        vector++
        slot = this.following[slot]!
      }
    }
  }

  private writeSegmentSize(slot: number, length: number): number {
    const at = CONTROLS + slot * CONTROL_ROOM + length
    this.view.setUint32(at, 18, true)
    this.view.setUint32(at + 4, 0, true)
    this.view.setInt32(at + 8, IPPROTO_UDP, true)
    this.view.setInt32(at + 12, UDP_SEGMENT, true)
    this.view.setUint16(at + 16, this.lengths[slot]!, true)
    return length + 24
  }

  /** Addresses of memory are below 2^53: two words each. */
  private setPointer(word: number, address: number): void {
    this.words[word] = address
    this.words[word + 1] = Math.floor(address / 0x1_0000_0000)
  }
}
