/** An access control list: networks compiled to numbers, so that a client is checked in a few comparisons. */
import { type IpNetwork, NetAddress } from "effect/net"
import { type Peer, readIPv6Words, readWord } from "../io/peer.ts"

interface Network {
  readonly words: Uint32Array
  readonly masks: Uint32Array
}

/** A test of peers against the networks. */
export const makeAcl = (networks: ReadonlyArray<IpNetwork.IpNetwork>): ((peer: Peer) => boolean) => {
  const compiled = networks.map(compile)
  const ofIPv4 = compiled.flatMap(({ isIPv4, network }) => (isIPv4 ? [network] : []))
  const ofIPv6 = compiled.flatMap(({ isIPv4, network }) => (isIPv4 ? [] : [network]))
  const words = new Uint32Array(4)
  return (peer) => {
    if (peer.readWords(words)) return ofIPv4.some((network) => holds(network, words, 3))
    return ofIPv6.some((network) => holds(network, words, 0))
  }
}

const holds = (network: Network, words: Uint32Array, from: number): boolean => {
  for (let i = from; i < 4; i++) {
    if (((words[i]! ^ network.words[i]!) & network.masks[i]!) !== 0) return false
  }
  return true
}

/** An IPv4 network written as IPv4-mapped IPv6 is an IPv4 network, as mapped peers are IPv4 peers. */
const compile = (network: IpNetwork.IpNetwork): { readonly isIPv4: boolean; readonly network: Network } => {
  const words = new Uint32Array(4)
  const { address, prefixLength } = network
  if (NetAddress.isIpv4Address(address)) {
    words[3] = readWord(Uint8Array.from(NetAddress.ipv4ToOctets(address)), 0)
    return { isIPv4: true, network: { words, masks: masksOf(96 + prefixLength) } }
  }
  const isMapped = readIPv6Words(Uint8Array.from(NetAddress.ipv6ToOctets(address)), 0, words)
  return { isIPv4: isMapped && prefixLength >= 96, network: { words, masks: masksOf(prefixLength) } }
}

/** The first `length` bits of 128 set. */
const masksOf = (length: number): Uint32Array =>
  Uint32Array.from({ length: 4 }, (_, i) => {
    const bits = Math.max(0, Math.min(32, length - i * 32))
    return bits === 0 ? 0 : (0xffffffff << (32 - bits)) >>> 0
  })
