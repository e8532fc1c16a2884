/**
 * Which sockets of a group get what comes: those that are bound to one address with SO_REUSEPORT (socket(7)).
 *
 * By itself the kernel shares clients out among all sockets of a group from the moment that they are bound until they are
 * closed, and what waits in a closed one is lost. A program of the kernel's packet filter keeps clients away from sockets
 * that nobody reads yet, or that are about to be closed.
 */
import type { Libc } from "./libc.ts"
import { attachProgram, Bpf, detachProgram, RANDOM_WORD } from "./packet-filter.ts"

const SO_ATTACH_REUSEPORT_CBPF = 51
const SO_DETACH_REUSEPORT_BPF = 68

export class Steering {
  private readonly libc: Libc

  constructor(libc: Libc) {
    this.libc = libc
  }

  /**
   * Only the first `count` sockets of the group, in the order in which they were bound, get what comes from now on.
   *
   * @param fd any socket of the group
   * @returns whether the kernel can do that
   */
  toFirst(fd: number, count: number): boolean {
    return attachProgram(this.libc, fd, SO_ATTACH_REUSEPORT_CBPF, [
      [Bpf.LoadWord, 0, 0, RANDOM_WORD],
      [Bpf.Modulo, 0, 0, count],
      [Bpf.ReturnLoaded, 0, 0, 0]
    ])
  }

  /** All sockets of the group share what comes again, each client's packets at one of them. */
  toAll(fd: number): void {
    detachProgram(this.libc, fd, SO_DETACH_REUSEPORT_BPF)
  }
}
