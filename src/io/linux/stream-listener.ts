/** Accepts clients' connections on sockets of our own. */
import { guarded } from "../../runtime/guard.ts"
import { type Peer, TextPeer } from "../peer.ts"
import type { StreamHandler, StreamSocket } from "../stream-transport.ts"
import { Announced } from "./announced.ts"
import type { Channel } from "./channel.ts"
import { Errno, IPPROTO_TCP, TCP_NODELAY } from "./libc.ts"
import type { Drained } from "./reactor.ts"
import { BatchedStream, type StreamShared } from "./stream-socket.ts"

/** Connections accepted before others have their turn. */
const MAX_ACCEPTED = 64
/** Pause in accepting, after the process has run out of descriptors or memory. */
const EXHAUSTED_MS = 100

export class BatchedListener implements Drained {
  readonly isShared = false
  readonly fd: number
  private readonly shared: StreamShared
  private readonly open: (fd: number) => Channel
  private readonly announces: (peer: Peer) => boolean
  /** Connections of proxies that have not said yet who is behind them. */
  private readonly announced = new Set<Announced>()
  private readonly onConnection: (socket: StreamSocket) => StreamHandler | undefined
  private isStopped = false

  /**
   * @param open gives the channel of a connection: may throw where there is no room for one
   * @param announces whether a peer is a proxy that says first who is behind it
   */
  constructor(
    shared: StreamShared,
    fd: number,
    open: (fd: number) => Channel,
    announces: (peer: Peer) => boolean,
    onConnection: (socket: StreamSocket) => StreamHandler | undefined
  ) {
    this.shared = shared
    this.fd = fd
    this.open = open
    this.announces = announces
    this.onConnection = onConnection
    shared.reactor.add(this)
  }

  /** Nobody can connect from now on, and the address is free. */
  stop(): void {
    if (this.isStopped) return
    this.isStopped = true
    const { descriptors, libc, reactor } = this.shared
    reactor.remove(this)
    for (const announced of this.announced) announced.close()
    descriptors.closing(this.fd)
    libc.close(this.fd)
  }

  drain(): number {
    const { libc, args, incidents } = this.shared
    for (let count = 0; count < MAX_ACCEPTED; count++) {
      if (this.isStopped) return count
      const fd = this.shared.accept(this.fd)
      if (fd < 0) {
        const errno = libc.errno()
        // What ended before it was accepted is passed over (accept(2)).
        if (errno === Errno.ECONNABORTED || errno === Errno.EINTR) continue
        if (errno === Errno.EMFILE || errno === Errno.ENFILE) incidents.onExhausted("a client's TCP connection")
        if (errno !== Errno.EAGAIN) this.rest()
        return count
      }
      args.setOption(fd, IPPROTO_TCP, TCP_NODELAY, 1)
      const peer = new TextPeer(this.shared.accepted)
      if (this.announces(peer)) this.listenTo(fd, peer)
      else this.welcome(fd, peer, peer)
    }
    return MAX_ACCEPTED
  }

  flush(): void {}

  private welcome(fd: number, peer: Peer, via: Peer): void {
    const { incidents, libc } = this.shared
    const begin = (): void => {
      const socket = new BatchedStream(this.shared, this.open(fd), fd, peer, via)
      const accepting = (): void => {
        const handler = this.onConnection(socket)
        if (handler !== undefined) socket.attach(handler)
      }
      guarded(incidents, "a new connection", accepting, () => socket.destroy())()
    }
    guarded(incidents, "a new connection", begin, () => libc.close(fd))()
  }

  /** Waits for a proxy to say who is behind it. */
  private listenTo(fd: number, peer: Peer): void {
    const announced = new Announced(
      this.shared,
      fd,
      peer,
      (behind) => {
        this.announced.delete(announced)
        if (this.isStopped) this.shared.libc.close(fd)
        else this.welcome(fd, behind, peer)
      },
      () => this.announced.delete(announced)
    )
    this.announced.add(announced)
  }

  /** What is wrong is told by `accept`. */
  onBroken(): void {}

  onDefect(): void {}

  /** No descriptor is left: what waits in the kernel goes on waiting for a moment. */
  private rest(): void {
    const { reactor } = this.shared
    reactor.remove(this)
    setTimeout(() => {
      if (!this.isStopped) reactor.add(this)
    }, EXHAUSTED_MS)
  }
}
