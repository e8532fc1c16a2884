/**
 * Which sockets of a group get what comes: those that are bound to one address with SO_REUSEPORT (socket(7)).
 *
 * By itself the kernel shares clients out among all sockets of a group from the moment that they are bound until they are
 * closed, and what waits in a closed one is lost. A program of the kernel's packet filter keeps clients away from sockets
 * that nobody reads yet, or that are about to be closed.
 */
import type { Libc } from "./libc.ts"
import { SOL_SOCKET } from "./libc.ts"

const SO_ATTACH_REUSEPORT_CBPF = 51
const SO_DETACH_REUSEPORT_BPF = 68
/** Octets of an instruction: `struct sock_filter`. */
const INSTRUCTION = 8
/** `struct sock_fprog`: a length, and behind it a pointer at its alignment. */
const PROGRAM = 16
/** Loads a random word, leaves the rest of its division, and gives that back. */
const LOAD_WORD = 0x20
const MODULO = 0x94
const RETURN_A = 0x16
/** SKF_AD_OFF + SKF_AD_RANDOM. */
const RANDOM = 0xfffff000 + 56

export class Steering {
  private readonly libc: Libc
  private readonly memory = new ArrayBuffer(PROGRAM + 3 * INSTRUCTION)
  private readonly view = new DataView(this.memory)
  private readonly address: number

  constructor(libc: Libc) {
    this.libc = libc
    this.address = libc.addressOf(this.memory)
    this.view.setUint16(0, 3, true)
    this.view.setBigUint64(8, BigInt(this.address + PROGRAM), true)
    for (const [i, [code, value]] of [
      [LOAD_WORD, RANDOM],
      [MODULO, 1],
      [RETURN_A, 0]
    ].entries()) {
      const at = PROGRAM + i * INSTRUCTION
      this.view.setUint16(at, code!, true)
      this.view.setUint32(at + 4, value!, true)
    }
  }

  /**
   * Only the first `count` sockets of the group, in the order in which they were bound, get what comes from now on.
   *
   * @param fd any socket of the group
   * @returns whether the kernel can do that
   */
  toFirst(fd: number, count: number): boolean {
    this.view.setUint32(PROGRAM + INSTRUCTION + 4, count, true)
    return this.libc.setsockopt(fd, SOL_SOCKET, SO_ATTACH_REUSEPORT_CBPF, this.address, PROGRAM) === 0
  }

  /** All sockets of the group share what comes again, each client's packets at one of them. */
  toAll(fd: number): void {
    this.libc.setsockopt(fd, SOL_SOCKET, SO_DETACH_REUSEPORT_BPF, this.address, 4)
  }
}
