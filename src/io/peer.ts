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
  /** What the client calls itself, in small letters; undefined where it does not. Anybody may call himself so. */
  readonly clientName?: string | undefined
}

/** The same peer, by the name that it calls itself; undefined for none. */
export const namedPeer = (peer: Peer, clientName: string | undefined): Peer =>
  clientName === undefined ? peer : new NamedPeer(peer, clientName)

class NamedPeer implements Peer {
  readonly clientName: string
  private readonly peer: Peer

  constructor(peer: Peer, clientName: string) {
    this.peer = peer
    this.clientName = clientName
  }

  get address(): string {
    return this.peer.address
  }

  get port(): number {
    return this.peer.port
  }

  readWords(words: Uint32Array): boolean {
    return this.peer.readWords(words)
  }
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
  /** The address as it was read the first time: a connection asks many times. */
  private ipv4: number | undefined
  private ipv6: Uint8Array | undefined

  constructor({ address, port }: Endpoint) {
    this.address = address
    this.port = port
  }

  readWords(words: Uint32Array): boolean {
    this.ipv4 ??= dottedQuad(this.address)
    if (this.ipv4 < 0) {
      this.ipv6 ??= octetsOf(this.address)
      return readIPv6Words(this.ipv6, 0, words)
    }
    words[3] = this.ipv4
    return true
  }
}

/** An IPv4 address as a number; -1 where the text is none. Every datagram that Node reads brings such a text. */
const dottedQuad = (text: string): number => {
  let word = 0
  let octet = -1
  let octets = 0
  for (let i = 0; i <= text.length; i++) {
    const digit = i === text.length ? -2 : text.charCodeAt(i) - 0x30
    if (digit >= 0 && digit <= 9) {
      octet = Math.max(0, octet) * 10 + digit
    } else {
      if ((digit !== -2 && i !== text.length) || octet < 0 || octet > 255) return -1
      word = word * 256 + octet
      octet = -1
      octets++
    }
  }
  return octets === 4 ? word : -1
}

/** The octets of an IPv6 address; of what is none, those of no address at all. */
const octetsOf = (address: string): Uint8Array => {
  const parsed = NetAddress.ipv6FromString(address.split("%", 1)[0]!)
  return Uint8Array.from(
    NetAddress.ipv6ToOctets(Result.isSuccess(parsed) ? parsed.success : NetAddress.ipv6Unspecified)
  )
}
