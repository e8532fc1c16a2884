/**
 * Room for a batch of datagrams received by one `recvmmsg`: headers, addresses, control data and payloads in one
 * allocation that the kernel writes into (recvmmsg(2), cmsg(3)).
 *
 * Hot path. A slot's object reads what the kernel wrote only when it is asked.
 */
import { lastingCopyOf } from "../../dns/wire.ts"
import type { Datagram, ReturnPath } from "../datagram.ts"
import { type Peer, readIPv6Words, readWord } from "../peer.ts"
import { IP_PKTINFO, IPPROTO_IP, IPPROTO_IPV6, IPV6_PKTINFO, type Libc, MSG_DONTWAIT, MSG_TRUNC } from "./libc.ts"
import { ADDRESS_ROOM, addressAt, isIPv4At, portAt } from "./socket-address.ts"

/** Datagrams a call. */
export const RECEIVE_BATCH = 64
/** Octets of each: more than any query that makes sense, and than what an upstream should send. */
const PAYLOAD_ROOM = 4096
/**
 * Octets past those of one datagram of a batch: there is no larger one (RFC 768). Of several that need it in one batch
 * the last is whole, the others are seen to be cut off.
 */
const REST_ROOM = 65_536 - PAYLOAD_ROOM
/** One for the slot, one for the rest. */
const VECTORS_PER_SLOT = 2
/** For the address that was asked, which comes with datagrams to a wildcard socket. */
const CONTROL_ROOM = 64

const HEADER_SIZE = 64
const VECTOR_SIZE = 16
const VECTORS = RECEIVE_BATCH * HEADER_SIZE
const ADDRESSES = VECTORS + RECEIVE_BATCH * VECTORS_PER_SLOT * VECTOR_SIZE
const CONTROLS = ADDRESSES + RECEIVE_BATCH * ADDRESS_ROOM
const PAYLOADS = CONTROLS + RECEIVE_BATCH * CONTROL_ROOM
/** Room for the start of a large datagram, copied there, and behind it the rest, received there. */
const LARGE = PAYLOADS + RECEIVE_BATCH * PAYLOAD_ROOM
const REST = LARGE + PAYLOAD_ROOM

export class ReceiveArena {
  readonly datagrams: ReadonlyArray<ReceivedDatagram>
  private readonly libc: Libc
  private readonly memory = new ArrayBuffer(REST + REST_ROOM)
  private readonly words = new Uint32Array(this.memory)
  private readonly base: number
  private readonly large = new Uint8Array(this.memory, LARGE)

  constructor(libc: Libc) {
    this.libc = libc
    this.base = libc.addressOf(this.memory)
    const pointers = new BigUint64Array(this.memory)
    const pointer = (offset: number): bigint => BigInt(this.base + offset)
    for (let slot = 0; slot < RECEIVE_BATCH; slot++) {
      // struct msghdr: name, name length, vectors, their number, control, its length, flags; then the datagram's
      // length.
      const header = (slot * HEADER_SIZE) / 8
      pointers[header] = pointer(ADDRESSES + slot * ADDRESS_ROOM)
      pointers[header + 2] = pointer(VECTORS + slot * VECTORS_PER_SLOT * VECTOR_SIZE)
      pointers[header + 3] = BigInt(VECTORS_PER_SLOT)
      pointers[header + 4] = pointer(CONTROLS + slot * CONTROL_ROOM)
      const vector = (VECTORS + slot * VECTORS_PER_SLOT * VECTOR_SIZE) / 8
      pointers[vector] = pointer(PAYLOADS + slot * PAYLOAD_ROOM)
      pointers[vector + 1] = BigInt(PAYLOAD_ROOM)
      pointers[vector + 2] = pointer(REST)
      pointers[vector + 3] = BigInt(REST_ROOM)
      this.reset(slot)
    }
    this.datagrams = Array.from({ length: RECEIVE_BATCH }, (_, slot) => new ReceivedDatagram(this.memory, slot))
  }

  /** Receives what is there; returns how many, or -1 where the call failed. */
  receive(fd: number): number {
    const count = this.libc.recvmmsg(fd, this.base, RECEIVE_BATCH, MSG_DONTWAIT, 0)
    let large = -1
    for (let slot = 0; slot < count; slot++) {
      const datagram = this.datagrams[slot]!
      const header = slot * (HEADER_SIZE / 4)
      datagram.length = this.words[header + 14]!
      datagram.isTruncated = (this.words[header + 12]! & MSG_TRUNC) !== 0
      datagram.controlLength = this.words[header + 10]!
      if (datagram.length > PAYLOAD_ROOM) {
        if (large >= 0) this.datagrams[large]!.cut()
        large = slot
      }
      if (datagram.payload !== datagram.room) datagram.payload = datagram.room
      this.reset(slot)
    }
    if (large >= 0) this.makeWhole(this.datagrams[large]!)
    return count
  }

  private makeWhole(datagram: ReceivedDatagram): void {
    this.large.set(datagram.room)
    datagram.payload = this.large
  }

  /** The kernel has written over the lengths of address and control data. */
  private reset(slot: number): void {
    const header = slot * (HEADER_SIZE / 4)
    this.words[header + 2] = ADDRESS_ROOM
    this.words[header + 10] = CONTROL_ROOM
  }
}

/** One slot's datagram: a new one after every `receive`. */
export class ReceivedDatagram implements Datagram, SocketPath {
  payload: Uint8Array
  /** The slot's own. */
  readonly room: Uint8Array
  readonly memory: Uint8Array
  readonly peerAt: number
  length = 0
  isTruncated = false
  controlLength = 0
  readonly peer: Peer
  private readonly control: DataView

  constructor(memory: ArrayBuffer, slot: number) {
    this.room = new Uint8Array(memory, PAYLOADS + slot * PAYLOAD_ROOM, PAYLOAD_ROOM)
    this.payload = this.room
    this.memory = new Uint8Array(memory)
    this.peerAt = ADDRESSES + slot * ADDRESS_ROOM
    this.control = new DataView(memory, CONTROLS + slot * CONTROL_ROOM, CONTROL_ROOM)
    this.peer = new SocketPeer(this.memory, this.peerAt)
  }

  /** Offset of the address that was asked, in `memory`; -1 where it is the socket's own. */
  get localAt(): number {
    if (this.controlLength === 0) return -1
    const level = this.control.getInt32(8, true)
    const type = this.control.getInt32(12, true)
    // struct in_pktinfo: interface, the address that was asked, the header's; struct in6_pktinfo: address, interface.
    const isKnown = (level === IPPROTO_IP && type === IP_PKTINFO) || (level === IPPROTO_IPV6 && type === IPV6_PKTINFO)
    return isKnown ? this.control.byteOffset + (level === IPPROTO_IP ? 20 : 16) : -1
  }

  /** The rest of it is another's. */
  cut(): void {
    this.length = PAYLOAD_ROOM
    this.isTruncated = true
  }

  keepPath(): ReturnPath {
    const memory = lastingCopyOf(this.memory, this.peerAt, this.peerAt + ADDRESS_ROOM + 16)
    const localAt = this.localAt
    if (localAt >= 0) memory.set(this.memory.subarray(localAt, localAt + 16), ADDRESS_ROOM)
    return new KeptPath(memory, localAt < 0 ? -1 : ADDRESS_ROOM)
  }
}

/** A way back as it stands in memory: the peer's socket address, and the address that it asked. */
export interface SocketPath extends ReturnPath {
  readonly memory: Uint8Array
  readonly peerAt: number
  readonly localAt: number
}

class KeptPath implements SocketPath {
  readonly memory: Uint8Array
  readonly peerAt = 0
  readonly localAt: number

  constructor(memory: Uint8Array, localAt: number) {
    this.memory = memory
    this.localAt = localAt
  }

  get peer(): Peer {
    return new SocketPeer(this.memory, 0)
  }
}

class SocketPeer implements Peer {
  private readonly memory: Uint8Array
  private readonly at: number

  constructor(memory: Uint8Array, at: number) {
    this.memory = memory
    this.at = at
  }

  get address(): string {
    return addressAt(this.memory, this.at)
  }

  get port(): number {
    return portAt(this.memory, this.at)
  }

  readWords(words: Uint32Array): boolean {
    if (!isIPv4At(this.memory, this.at)) return readIPv6Words(this.memory, this.at + 8, words)
    words[3] = readWord(this.memory, this.at + 4)
    return true
  }
}
