/**
 * Wakes the event loop when one of our descriptors becomes readable.
 *
 * Node can only watch what it reads itself, and it must not read our sockets: it would read datagrams one by one, and
 * without the address that was asked. So all our sockets are in one epoll instance, and Node is given that instance in
 * the place of a UDP socket: it sees it readable, tries to read a datagram, gets ENOTSOCK, and reports the error. That
 * report is the wakeup (docs/decisions/0008-batched-datagrams.md).
 */
import { createSocket, type Socket } from "node:dgram"
import type { Descriptors } from "./descriptors.ts"
import {
  AF_INET,
  EPOLL_CTL_ADD,
  EPOLL_CTL_DEL,
  EPOLL_CTL_MOD,
  EPOLLIN,
  type Libc,
  SOCK_CLOEXEC,
  SOCK_DGRAM,
  SOCK_NONBLOCK
} from "./libc.ts"

/** Sockets that are told to be readable in one call. */
const MAX_READY = 64
/** struct epoll_event is packed on x86 only (epoll_ctl(2)). */
const EVENT_SIZE = process.arch === "x64" ? 12 : 16
const EVENT_DATA = process.arch === "x64" ? 4 : 8
const EPOLL_CLOEXEC = SOCK_CLOEXEC

export class Wakeup {
  /** After `poll`: descriptors that something can be done with, `ready[0, returned)`. */
  readonly ready = new Int32Array(MAX_READY)
  /** What the kernel says of each of them, as epoll_ctl(2) has it. */
  readonly said = new Uint32Array(MAX_READY)
  private readonly libc: Libc
  private readonly descriptors: Descriptors
  private readonly memory = new ArrayBuffer(MAX_READY * EVENT_SIZE)
  private readonly events = new DataView(this.memory)
  private readonly address: number
  /** Holds the sockets; what Node watches. */
  private readonly sockets: number
  private readonly watcher: Socket
  /** Where there is none, it cannot be muted, and the error that Node makes is the wakeup. */
  private readonly handle: Handle | undefined

  constructor(libc: Libc, descriptors: Descriptors, onReady: () => void) {
    this.libc = libc
    this.descriptors = descriptors
    this.address = libc.addressOf(this.memory)
    this.sockets = libc.epoll_create1(EPOLL_CLOEXEC)
    descriptors.opened(this.sockets)
    const stand = libc.socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0)
    this.watcher = createSocket("udp4")
    this.watcher.on("error", onReady)
    this.watcher.bind({ fd: stand })
    libc.dup3(this.sockets, stand, SOCK_CLOEXEC)
    this.handle = handleOf(this.watcher)
    // Else Node would make an `Error` with a stack of each report, which costs more than a query does.
    if (this.handle !== undefined) this.handle.onmessage = () => onReady()
  }

  add(fd: number): void {
    this.control(EPOLL_CTL_ADD, fd, EPOLLIN)
  }

  watch(fd: number, events: number): void {
    this.control(EPOLL_CTL_MOD, fd, events)
  }

  remove(fd: number): void {
    this.control(EPOLL_CTL_DEL, fd, 0)
  }

  /** Fills `ready`; returns how many there are. Never waits. */
  poll(): number {
    const count = this.libc.epoll_wait(this.sockets, this.address, MAX_READY, 0)
    for (let i = 0; i < count; i++) {
      this.said[i] = this.events.getUint32(i * EVENT_SIZE, true)
      this.ready[i] = this.events.getInt32(i * EVENT_SIZE + EVENT_DATA, true)
    }
    return count
  }

  /** It need not wake for now: the sockets are polled anyway. */
  mute(): void {
    this.handle?.recvStop()
  }

  /** Wakes at once if something came in the meantime. */
  unmute(): void {
    this.handle?.recvStart()
  }

  close(): void {
    this.watcher.close()
    this.descriptors.closing(this.sockets)
    this.libc.close(this.sockets)
  }

  private control(operation: number, fd: number, events: number): void {
    this.events.setUint32(0, events, true)
    this.events.setInt32(EVENT_DATA, fd, true)
    this.libc.epoll_ctl(this.sockets, operation, fd, this.address)
  }
}

/** What Node has of a UDP socket, and libuv works on. */
interface Handle {
  onmessage: () => void
  readonly recvStart: () => unknown
  readonly recvStop: () => unknown
}

const isHandle = (handle: unknown): handle is Handle =>
  typeof handle === "object" &&
  handle !== null &&
  ["onmessage", "recvStart", "recvStop"].every((name) => name in handle)

/** The socket's handle; undefined where Node keeps it elsewhere. */
const handleOf = (socket: Socket): Handle | undefined => {
  for (const key of Object.getOwnPropertySymbols(socket)) {
    const state: unknown = Reflect.get(socket, key)
    if (typeof state === "object" && state !== null && "handle" in state && isHandle(state.handle)) return state.handle
  }
  return undefined
}
