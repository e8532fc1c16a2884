/** The kernel that is there, but for what the test says it cannot do. */
import { IPPROTO_UDP, type Libc, UDP_SEGMENT } from "../../../src/io/linux/libc.ts"

/**
 * A kernel that does not cut messages apart.
 *
 * @param answer 0 where it sends them whole, or, below 0, the number of the error that it answers
 */
export const withoutSegments = (libc: Libc, answer: number): Libc => {
  const buffers = new Map<number, ArrayBuffer>()
  let error: number | undefined
  const at = (address: number): Buffer => {
    for (const [base, buffer] of buffers) {
      if (address >= base && address < base + buffer.byteLength) return Buffer.from(buffer, address - base)
    }
    throw new Error("not memory of this test")
  }
  /** Whether the message is to be cut apart; if so, it is not any more. */
  const strip = (header: Buffer): boolean => {
    const length = Number(header.readBigUInt64LE(40))
    if (length === 0) return false
    const control = at(Number(header.readBigUInt64LE(32)))
    const last = length - 24
    if (last < 0 || control.readInt32LE(last + 8) !== IPPROTO_UDP || control.readInt32LE(last + 12) !== UDP_SEGMENT) {
      return false
    }
    header.writeBigUInt64LE(BigInt(last), 40)
    return true
  }
  return {
    ...libc,
    addressOf: (buffer) => {
      const address = libc.addressOf(buffer)
      buffers.set(address, buffer)
      return address
    },
    errno: () => error ?? libc.errno(),
    sendmmsg: (fd, headers, count, flags) => {
      const isMerged = Array.from({ length: count }, (_, i) => strip(at(headers + i * 64)))
      const first = isMerged.indexOf(true)
      error = answer < 0 && first === 0 ? -answer : undefined
      if (error !== undefined) return -1
      return libc.sendmmsg(fd, headers, answer < 0 && first > 0 ? first : count, flags)
    }
  }
}
