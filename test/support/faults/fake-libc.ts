/**
 * A C library whose kernel is the test: it reads the messages of `sendmmsg` as the kernel would, and says what the test
 * wants it to say.
 */
import { IP_PKTINFO, IPPROTO_IP, IPPROTO_UDP, type Libc, UDP_SEGMENT } from "../../../src/io/linux/libc.ts"

export interface SentMessage {
  /** Where it goes, as port; -1 where the socket is connected. */
  readonly port: number
  /** The address it is to leave from, as text; undefined where the kernel chooses. */
  readonly source: string | undefined
  /** Octets after which the kernel is told to cut it; 0 where it is one datagram. */
  readonly segmentSize: number
  /** What arrives, cut apart. */
  readonly datagrams: ReadonlyArray<string>
}

/** How many of the messages are taken, or, below 0, the error's number. */
export type SendAnswer = (messages: ReadonlyArray<SentMessage>) => number

const isNotCalled = (): never => {
  throw new Error("a call that the test does not expect")
}

const unused = {
  malloc_trim: undefined,
  socket: isNotCalled,
  setsockopt: isNotCalled,
  getsockopt: isNotCalled,
  fcntl: isNotCalled,
  bind: isNotCalled,
  getsockname: isNotCalled,
  listen: isNotCalled,
  connect: isNotCalled,
  accept4: isNotCalled,
  recv: isNotCalled,
  send: isNotCalled,
  shutdown: isNotCalled,
  dup: isNotCalled,
  dup3: isNotCalled,
  close: isNotCalled,
  recvmmsg: isNotCalled,
  epoll_create1: isNotCalled,
  epoll_ctl: isNotCalled,
  epoll_wait: isNotCalled
}

/** Above 2^32, as addresses are. */
const FIRST_ADDRESS = 0x7f00_1000_0000
const SPACING = 0x1000_0000

export class FakeLibc {
  /** All messages that were taken. */
  readonly sent: Array<SentMessage> = []
  /** How many messages each call offered. */
  readonly calls: Array<number> = []
  onSend: SendAnswer = (messages) => messages.length
  private readonly buffers: Array<ArrayBuffer> = []
  private lastError = 0

  readonly library: Libc = {
    ...unused,
    addressOf: (buffer) => FIRST_ADDRESS + (this.buffers.push(buffer) - 1) * SPACING,
    errno: () => this.lastError,
    sendmmsg: (_fd, headers, count) => {
      const messages = Array.from({ length: count }, (_, i) => this.messageAt(headers + i * 64))
      this.calls.push(count)
      const answer = this.onSend(messages)
      if (answer < 0) {
        this.lastError = -answer
        return -1
      }
      this.sent.push(...messages.slice(0, answer))
      return answer
    }
  }

  private at(address: number): Buffer {
    const offset = address - FIRST_ADDRESS
    const buffer = this.buffers[Math.floor(offset / SPACING)]!
    return Buffer.from(buffer, offset % SPACING)
  }

  private messageAt(address: number): SentMessage {
    const header = this.at(address)
    const pointer = (offset: number): number => Number(header.readBigUInt64LE(offset))
    const vectors = this.at(pointer(16))
    const parts = Array.from({ length: pointer(24) }, (_, i) => {
      const start = this.at(Number(vectors.readBigUInt64LE(i * 16)))
      return start.subarray(0, Number(vectors.readBigUInt64LE(i * 16 + 8)))
    })
    const whole = Buffer.concat(parts)
    const { source, segmentSize } =
      pointer(40) === 0 ? nothing : controlOf(this.at(pointer(32)).subarray(0, pointer(40)))
    const datagrams: Array<string> = []
    if (segmentSize === 0) datagrams.push(whole.toString("hex"))
    else
      for (let at = 0; at < whole.length; at += segmentSize) datagrams.push(whole.toString("hex", at, at + segmentSize))
    return { port: pointer(8) === 0 ? -1 : this.at(pointer(0)).readUInt16BE(2), source, segmentSize, datagrams }
  }
}

const nothing = { source: undefined, segmentSize: 0 } as const

const controlOf = (control: Buffer): { readonly source: string | undefined; readonly segmentSize: number } => {
  let source: string | undefined
  let segmentSize = 0
  for (let at = 0; at < control.length; ) {
    const length = Number(control.readBigUInt64LE(at))
    const [level, type] = [control.readInt32LE(at + 8), control.readInt32LE(at + 12)]
    if (level === IPPROTO_UDP && type === UDP_SEGMENT) segmentSize = control.readUInt16LE(at + 16)
    else if (level === IPPROTO_IP && type === IP_PKTINFO) source = control.subarray(at + 20, at + 24).join(".")
    else throw new Error(`control data of level ${level} and type ${type}`)
    at += Math.ceil(length / 8) * 8
  }
  return { source, segmentSize }
}
