/** Addresses of clients, from the words in which they are kept. */
import { NetAddress } from "effect/net"

/** Four words of an IPv6 address, or an IPv4 address in the last. */
export type AddressWords = readonly [number, number, number, number]

/** Four octets, or sixteen. */
export const octetsOfWords = (words: AddressWords, isIPv4: boolean): Uint8Array => {
  const octets = new Uint8Array(isIPv4 ? 4 : 16)
  const view = new DataView(octets.buffer)
  if (isIPv4) view.setUint32(0, words[3])
  else for (let i = 0; i < 4; i++) view.setUint32(4 * i, words[i]!)
  return octets
}

/** The text of an address of four octets, or of sixteen (RFC 5952). */
export const formatOctets = (octets: Uint8Array): string =>
  octets.length === 4 ? octets.join(".") : NetAddress.formatIp(NetAddress.ipv6FromBytesUnsafe(octets))

export const formatClient = (words: AddressWords, isIPv4: boolean): string => formatOctets(octetsOfWords(words, isIPv4))
