/**
 * The header by which a proxy says who is behind it (the PROXY protocol of HAProxy, versions 1 and 2): before everything
 * else on a connection, before the message in a datagram.
 */
import { isIP } from "node:net"
import { type Peer, TextPeer } from "./peer.ts"

export interface ProxyHeader {
  /** Octets of it. */
  readonly length: number
  /** Who is behind the proxy; undefined where it speaks for itself, or does not know. */
  readonly peer: Peer | undefined
}

/** What there is of it is no header. */
export const WRONG = "wrong"
/** More of it has to come. */
export const INCOMPLETE = "incomplete"

const SIGNATURE = Buffer.from("0d0a0d0a000d0a515549540a", "hex")
const V2_HEAD = 16
/** Addresses and what else is said: of certificates, of networks. */
const MAX_V2 = 2_048
const V1 = Buffer.from("PROXY ")
const MAX_V1 = 107
/** Octets of a header at most. */
export const MAX_PROXY_HEADER = V2_HEAD + MAX_V2
/** Milliseconds that a header is waited for: it comes with the connection, or it does not come. */
export const PROXY_HEADER_MS = 5_000

/** Reads the header at the beginning of `octets`. */
export const readProxyHeader = (octets: Buffer): ProxyHeader | typeof WRONG | typeof INCOMPLETE => {
  if (startsLike(octets, SIGNATURE)) return octets.length < V2_HEAD ? INCOMPLETE : readV2(octets)
  if (startsLike(octets, V1)) return readV1(octets)
  return WRONG
}

const startsLike = (octets: Buffer, what: Buffer): boolean => {
  const length = Math.min(octets.length, what.length)
  return octets.compare(what, 0, length, 0, length) === 0
}

const readV1 = (octets: Buffer): ReturnType<typeof readProxyHeader> => {
  const end = octets.subarray(0, MAX_V1).indexOf("\r\n")
  if (end < 0) return octets.length < MAX_V1 ? INCOMPLETE : WRONG
  const length = end + 2
  const [, family = "", address = "", , port = "", ...more] = octets.toString("latin1", 0, end).split(" ")
  if (family === "UNKNOWN") return { length, peer: undefined }
  const kind = family === "TCP4" ? 4 : family === "TCP6" ? 6 : 0
  const isWhole = more.length === 1 && /^\d{1,5}$/.test(port) && Number(port) <= 0xffff
  if (kind === 0 || isIP(address) !== kind || !isWhole) return WRONG
  return { length, peer: new TextPeer({ address, port: Number(port) }) }
}

const Command = { Local: 0, Proxy: 1 } as const
const Family = { IPv4: 1, IPv6: 2 } as const

const readV2 = (octets: Buffer): ReturnType<typeof readProxyHeader> => {
  const version = octets[12]! >>> 4
  const command = octets[12]! & 15
  const family = octets[13]! >>> 4
  const size = octets.readUInt16BE(14)
  const length = V2_HEAD + size
  if (version !== 2 || size > MAX_V2 || command > Command.Proxy) return WRONG
  if (octets.length < length) return INCOMPLETE
  if (command === Command.Local || (family !== Family.IPv4 && family !== Family.IPv6))
    return { length, peer: undefined }
  const octetsOfAddress = family === Family.IPv4 ? 4 : 16
  if (size < 2 * octetsOfAddress + 4) return WRONG
  const address = octets.subarray(V2_HEAD, V2_HEAD + octetsOfAddress)
  return {
    length,
    peer: new TextPeer({
      address: family === Family.IPv4 ? address.join(".") : address.toString("hex").match(/.{4}/g)!.join(":"),
      port: octets.readUInt16BE(V2_HEAD + 2 * octetsOfAddress)
    })
  }
}
