/** Octets of a connection, encrypted by OpenSSL on the descriptor itself: the handshake is part of the first reads. */
import { BROKEN, CHUNK, type Channel, LATER } from "./channel.ts"
import { type Libc, SHUT_WR } from "./libc.ts"
import { SslError, type Tls } from "./openssl.ts"
import type { TlsContext } from "./tls-context.ts"

export class TlsChannel implements Channel {
  wantsRoom = false
  private readonly libc: Libc
  private readonly tls: Tls
  private readonly context: TlsContext
  private readonly fd: number
  private readonly chunkAddress: number
  private ssl: number

  /** @throws an Error where there is no memory for it */
  constructor(libc: Libc, context: TlsContext, fd: number, chunkAddress: number) {
    this.libc = libc
    this.context = context
    this.tls = context.tls
    this.fd = fd
    this.chunkAddress = chunkAddress
    this.ssl = context.open(fd)
  }

  get protocol(): string {
    return this.context.protocolOf(this.ssl)
  }

  get clientName(): string | undefined {
    return this.ssl === 0 ? undefined : this.context.clientNameOf(this.ssl)
  }

  read(at: number): number {
    this.wantsRoom = false
    const length = this.tls.SSL_read(this.ssl, this.chunkAddress + at, CHUNK - at)
    return length > 0 ? length : this.outcomeOf(length)
  }

  hasMore(): boolean {
    return this.tls.SSL_has_pending(this.ssl) === 1
  }

  write(length: number): number {
    const taken = this.tls.SSL_write(this.ssl, this.chunkAddress, length)
    if (taken > 0) return taken
    const outcome = this.outcomeOf(taken)
    return outcome === 0 ? BROKEN : outcome
  }

  shut(): void {
    this.tls.ERR_clear_error()
    this.tls.SSL_shutdown(this.ssl)
    this.tls.ERR_clear_error()
    this.libc.shutdown(this.fd, SHUT_WR)
  }

  free(): void {
    if (this.ssl === 0) return
    this.context.close(this.ssl)
    this.ssl = 0
  }

  private outcomeOf(result: number): number {
    // What is in the thread's queue of errors may be of other code's connections, and would be taken for this one's; what
    // this one has left there, Node's own connections would take for theirs. A connection says by itself whether it waits.
    this.tls.ERR_clear_error()
    switch (this.tls.SSL_get_error(this.ssl, result)) {
      case SslError.WantRead:
        return LATER
      case SslError.WantWrite:
        this.wantsRoom = true
        return LATER
      case SslError.ZeroReturn:
        return 0
      default:
        return BROKEN
    }
  }
}
