/** Addresses of clients, from the words in which they are kept. */
import { NetAddress } from "effect/net"

type Words = readonly [number, number, number, number]

export const formatClient = (words: Words, isIPv4: boolean): string => {
  const [, , , last] = words
  if (isIPv4) return `${last >>> 24}.${(last >>> 16) & 255}.${(last >>> 8) & 255}.${last & 255}`
  const octets = words.flatMap((word) => [word >>> 24, (word >>> 16) & 255, (word >>> 8) & 255, word & 255])
  return NetAddress.formatIp(NetAddress.ipv6FromBytesUnsafe(Uint8Array.from(octets)))
}
