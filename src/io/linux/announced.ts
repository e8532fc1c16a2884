/** A connection of a proxy, until it has said who is behind it. */
import type { Peer } from "../peer.ts"
import { INCOMPLETE, MAX_PROXY_HEADER, PROXY_HEADER_MS, readProxyHeader, WRONG } from "../proxy-header.ts"
import { Errno, MSG_DONTWAIT, MSG_PEEK } from "./libc.ts"
import type { Drained } from "./reactor.ts"
import type { StreamShared } from "./stream-socket.ts"

export class Announced implements Drained {
  readonly isShared = false
  readonly fd: number
  private readonly shared: StreamShared
  private readonly peer: Peer
  private readonly begin: (peer: Peer) => void
  private readonly onClose: () => void
  private readonly timer: NodeJS.Timeout
  private came = Buffer.alloc(0)
  private isOver = false

  /**
   * @param begin takes the connection over, and the descriptor with it
   * @param onClose called where it is closed instead
   */
  constructor(shared: StreamShared, fd: number, peer: Peer, begin: (peer: Peer) => void, onClose: () => void) {
    this.shared = shared
    this.fd = fd
    this.peer = peer
    this.begin = begin
    this.onClose = onClose
    shared.descriptors.opened(fd)
    this.timer = setTimeout(() => this.close(), PROXY_HEADER_MS)
    shared.reactor.add(this)
  }

  drain(): number {
    if (this.isOver) return 0
    const { chunk, chunkAddress, libc } = this.shared
    // What stands behind the header is the connection's own, and not for here to take.
    const length = libc.recv(this.fd, chunkAddress, MAX_PROXY_HEADER, MSG_DONTWAIT | MSG_PEEK)
    if (length <= 0) {
      if (length === 0 || libc.errno() !== Errno.EAGAIN) this.close()
      return 0
    }
    const before = this.came.length
    this.came = Buffer.concat([this.came, chunk.subarray(0, length)])
    const header = readProxyHeader(this.came)
    if (header === WRONG || (header === INCOMPLETE && this.came.length >= MAX_PROXY_HEADER)) {
      this.close()
      return 0
    }
    libc.recv(this.fd, chunkAddress, header === INCOMPLETE ? length : header.length - before, MSG_DONTWAIT)
    if (header !== INCOMPLETE) {
      this.leave()
      this.begin(header.peer ?? this.peer)
    }
    return 0
  }

  flush(): void {}

  onBroken(): void {
    this.close()
  }

  onDefect(): void {
    this.close()
  }

  /** Of a listener that ends. */
  close(): void {
    if (this.isOver) return
    this.leave()
    this.shared.descriptors.closing(this.fd)
    this.shared.libc.close(this.fd)
    this.onClose()
  }

  private leave(): void {
    this.isOver = true
    clearTimeout(this.timer)
    this.shared.reactor.remove(this)
  }
}
