/** The key by which clients are counted: a network, as wide as is asked for. */
import type { Peer } from "../../io/peer.ts"

/** Bits of an address that make a network. */
export interface NetworkPrefixes {
  readonly ipv4: number
  readonly ipv6: number
}

const words = new Uint32Array(4)

/**
 * A keyed hash, so that nobody can choose addresses that share a key; never 0.
 *
 * @param key the same in all threads
 */
export const networkKeyOf = (peer: Peer, { ipv4, ipv6 }: NetworkPrefixes, key: number): number => {
  if (peer.readWords(words)) return mixed(key, masked(words[3]!, ipv4)) || 1
  let hash = ~key
  for (let i = 0; i < 4 && ipv6 > i * 32; i++) hash = mixed(hash, masked(words[i]!, ipv6 - i * 32))
  return hash || 1
}

const masked = (word: number, bits: number): number => (bits >= 32 ? word : word & (0xffffffff << (32 - bits)))

/** One more word of what is hashed. */
export const mixed = (hash: number, word: number): number => {
  let h = Math.imul(hash ^ word, 0x9e3779b1)
  h = Math.imul(h ^ (h >>> 15), 0x85ebca6b)
  return h ^ (h >>> 13)
}
