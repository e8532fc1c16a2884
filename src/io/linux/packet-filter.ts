/** Programs of the kernel's packet filter, in its first form (bpf(4) of BSD, socket(7): `struct sock_filter`). */
import type { Libc } from "./libc.ts"
import { SOL_SOCKET } from "./libc.ts"

/** What is done, where to go on if a comparison holds and if not (so many instructions further), and a number. */
export type Instruction = readonly [code: number, ifSo: number, ifNot: number, value: number]

/** Instructions. */
export const Bpf = {
  LoadWord: 0x20,
  And: 0x54,
  Modulo: 0x94,
  JumpIfEqual: 0x15,
  Jump: 0x05,
  Return: 0x06,
  ReturnLoaded: 0x16
} as const
/** SKF_AD_OFF + SKF_AD_RANDOM: a random word. */
export const RANDOM_WORD = 0xfffff000 + 56
/** SKF_NET_OFF: what stands behind it is counted from the header of the network. */
export const NETWORK_HEADER = 0xfff00000

/** Octets of an instruction: `struct sock_filter`. */
const INSTRUCTION = 8
/** `struct sock_fprog`: a length, and behind it a pointer at its alignment. */
const PROGRAM = 16

/**
 * Attaches a program to a socket; the kernel keeps a copy of it.
 *
 * @param option SO_ATTACH_FILTER or SO_ATTACH_REUSEPORT_CBPF
 * @returns whether the kernel has taken it
 */
export const attachProgram = (
  libc: Libc,
  fd: number,
  option: number,
  instructions: ReadonlyArray<Instruction>
): boolean => {
  const memory = new ArrayBuffer(PROGRAM + instructions.length * INSTRUCTION)
  const view = new DataView(memory)
  const address = libc.addressOf(memory)
  view.setUint16(0, instructions.length, true)
  view.setBigUint64(8, BigInt(address + PROGRAM), true)
  for (const [i, [code, ifSo, ifNot, value]] of instructions.entries()) {
    const at = PROGRAM + i * INSTRUCTION
    view.setUint16(at, code, true)
    view.setUint8(at + 2, ifSo)
    view.setUint8(at + 3, ifNot)
    view.setUint32(at + 4, value, true)
  }
  const result = libc.setsockopt(fd, SOL_SOCKET, option, address, PROGRAM)
  // The memory is needed until here.
  return view.byteLength > 0 && result === 0
}

/** Takes away what was attached; nothing where there is none. */
export const detachProgram = (libc: Libc, fd: number, option: number): void => {
  libc.setsockopt(fd, SOL_SOCKET, option, libc.addressOf(noValue), 4)
}

/** The kernel reads an integer, whatever it is. */
const noValue = new ArrayBuffer(4)
