/** Who sent a message: numbers for decisions, text for people. */
import { Result } from "effect"
import { NetAddress } from "effect/net"
import type { Endpoint } from "./endpoint.ts"

export interface Peer extends Endpoint {
  /**
   * Puts the address into `words`: IPv4 as one word in `words[3]`, IPv6 as four.
   *
   * @param words 32 bits each, unsigned, the most significant first
   * @returns whether it is an IPv4 address; one in IPv6 clothes is (RFC 4291 §2.5.5.2)
   */
  readonly readWords: (words: Uint32Array) => boolean
}

/** Reads 16 octets of an IPv6 address into `words`; whether it is an IPv4-mapped one. */
export const readIPv6Words = (octets: Uint8Array, at: number, words: Uint32Array): boolean => {
  for (let i = 0; i < 4; i++) words[i] = readWord(octets, at + i * 4)
  return words[0] === 0 && words[1] === 0 && words[2] === 0xffff
}

export const readWord = (octets: Uint8Array, at: number): number =>
  ((octets[at]! << 24) | (octets[at + 1]! << 16) | (octets[at + 2]! << 8) | octets[at + 3]!) >>> 0

/** A peer that is known by its text, as Node's sockets tell it. */
export class TextPeer implements Peer {
  readonly address: string
  readonly port: number
  private readonly octets: ReadonlyArray<number>

  constructor({ address, port }: Endpoint) {
    this.address = address
    this.port = port
    this.octets = octetsOf(address)
  }

  readWords(words: Uint32Array): boolean {
    const octets = Uint8Array.from(this.octets)
    if (octets.length === 16) return readIPv6Words(octets, 0, words)
    words[3] = readWord(octets, 0)
    return true
  }
}

const octetsOf = (address: string): ReadonlyArray<number> => {
  const parsed = NetAddress.ipFromString(address.split("%", 1)[0]!)
  if (Result.isFailure(parsed)) return NetAddress.ipv6ToOctets(NetAddress.ipv6Unspecified)
  return NetAddress.isIpv4Address(parsed.success)
    ? NetAddress.ipv4ToOctets(parsed.success)
    : NetAddress.ipv6ToOctets(parsed.success)
}
