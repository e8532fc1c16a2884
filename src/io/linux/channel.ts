/** How octets come out of a connection and go into it: as they are, or encrypted. */
import { Errno, type Libc, MSG_DONTWAIT, MSG_NOSIGNAL, SHUT_WR } from "./libc.ts"

/** Octets read or written in one call: more than the longest message with its length. */
export const CHUNK = 66 << 10

/** Nothing can be read, or written, for now. */
export const LATER = -1
/** The connection is gone. */
export const BROKEN = -2

export interface Channel {
  /** The protocol that was chosen by ALPN; empty where none was. */
  readonly protocol: string
  /** What the client calls itself (`client-name.ts`), once octets have come. */
  readonly clientName: string | undefined
  /** Whether what is waited for is room to write, although the channel was read. */
  readonly wantsRoom: boolean
  /** Reads into the chunk from `at` on: how many octets; 0 where the client has shut its side; else `LATER` or `BROKEN`. */
  readonly read: (at: number) => number
  /** Whether more can be read than the kernel knows of. */
  readonly hasMore: () => boolean
  /** Writes the first `length` octets of the chunk: how many were taken; else `LATER` or `BROKEN`. */
  readonly write: (length: number) => number
  /** Shuts our side. */
  readonly shut: () => void
  /** Gives back what it holds; not the descriptor. */
  readonly free: () => void
}

/** As they are. */
export class PlainChannel implements Channel {
  readonly protocol = ""
  readonly clientName = undefined
  readonly wantsRoom = false
  private readonly libc: Libc
  private readonly fd: number
  private readonly chunkAddress: number

  /** @param chunkAddress where the chunk lies, of `CHUNK` octets */
  constructor(libc: Libc, fd: number, chunkAddress: number) {
    this.libc = libc
    this.fd = fd
    this.chunkAddress = chunkAddress
  }

  read(at: number): number {
    const length = this.libc.recv(this.fd, this.chunkAddress + at, CHUNK - at, MSG_DONTWAIT)
    if (length >= 0) return length
    const errno = this.libc.errno()
    return errno === Errno.EAGAIN || errno === Errno.EINTR ? LATER : BROKEN
  }

  hasMore(): boolean {
    return false
  }

  write(length: number): number {
    for (;;) {
      const taken = this.libc.send(this.fd, this.chunkAddress, length, MSG_DONTWAIT | MSG_NOSIGNAL)
      if (taken >= 0) return taken
      const errno = this.libc.errno()
      if (errno !== Errno.EINTR) return errno === Errno.EAGAIN ? LATER : BROKEN
    }
  }

  shut(): void {
    this.libc.shutdown(this.fd, SHUT_WR)
  }

  free(): void {}
}
