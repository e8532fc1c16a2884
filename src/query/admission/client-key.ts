/** The key by which fairness counts a client: its IPv4 address, or its IPv6 /64. */
import type { Peer } from "../../io/peer.ts"
import { SEED } from "../../runtime/random.ts"

/** The key of refreshes, which no client asked for. */
const NO_CLIENT = 0

const words = new Uint32Array(4)

/** A keyed hash, so that a client cannot choose addresses that share a key. */
export const clientKeyOf = (peer: Peer | undefined): number => {
  if (peer === undefined) return NO_CLIENT
  if (peer.readWords(words)) return mixed(SEED, words[3]!)
  return mixed(mixed(~SEED, words[0]!), words[1]!)
}

const mixed = (hash: number, word: number): number => {
  const h = Math.imul(hash ^ word, 0x9e3779b1)
  return h ^ (h >>> 15)
}
