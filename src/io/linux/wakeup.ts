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
  /** Holds the sockets. */
  private readonly sockets: number
  /** Holds `sockets` alone: what Node watches, and what is muted while the sockets are polled anyway. */
  private readonly watched: number
  private readonly watcher: Socket

  constructor(libc: Libc, descriptors: Descriptors, onReady: () => void) {
    this.libc = libc
    this.descriptors = descriptors
    this.address = libc.addressOf(this.memory)
    this.sockets = libc.epoll_create1(EPOLL_CLOEXEC)
    this.watched = libc.epoll_create1(EPOLL_CLOEXEC)
    descriptors.opened(this.sockets)
    descriptors.opened(this.watched)
    const stand = libc.socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0)
    this.control(this.watched, EPOLL_CTL_ADD, this.sockets, EPOLLIN)
    this.watcher = createSocket("udp4")
    this.watcher.on("error", onReady)
    this.watcher.bind({ fd: stand })
    libc.dup3(this.watched, stand, SOCK_CLOEXEC)
    reportTo(this.watcher, onReady)
  }

  add(fd: number): void {
    this.control(this.sockets, EPOLL_CTL_ADD, fd, EPOLLIN)
  }

  watch(fd: number, events: number): void {
    this.control(this.sockets, EPOLL_CTL_MOD, fd, events)
  }

  remove(fd: number): void {
    this.control(this.sockets, EPOLL_CTL_DEL, fd, 0)
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

  mute(): void {
    this.control(this.watched, EPOLL_CTL_MOD, this.sockets, 0)
  }

  /** Wakes at once if something came in the meantime. */
  unmute(): void {
    this.control(this.watched, EPOLL_CTL_MOD, this.sockets, EPOLLIN)
  }

  close(): void {
    this.watcher.close()
    for (const fd of [this.sockets, this.watched]) {
      this.descriptors.closing(fd)
      this.libc.close(fd)
    }
  }

  private control(epoll: number, operation: number, fd: number, events: number): void {
    this.events.setUint32(0, events, true)
    this.events.setInt32(EVENT_DATA, fd, true)
    this.libc.epoll_ctl(epoll, operation, fd, this.address)
  }
}

/**
 * Has the socket's handle call `onReady` where it would make an `Error` with a stack of each report, which costs more than
 * a query does. Where Node keeps its handles elsewhere, that error goes on being the wakeup.
 */
const reportTo = (socket: Socket, onReady: () => void): void => {
  for (const key of Object.getOwnPropertySymbols(socket)) {
    const state: unknown = Reflect.get(socket, key)
    if (typeof state !== "object" || state === null || !("handle" in state)) continue
    const { handle } = state
    if (typeof handle === "object" && handle !== null && "onmessage" in handle) handle.onmessage = () => onReady()
  }
}
