/** Whom a query is counted to, of those who ask, where room is short. */
import type { Peer } from "../../io/peer.ts"
import { SEED } from "../../runtime/random.ts"

/** The client of what nobody asked for: answers that are fetched anew. */
const NO_CLIENT = 0

const words = new Uint32Array(4)

/** A number for an IPv4 address, or for the 64 bits that an IPv6 network has in common. */
export const clientKeyOf = (peer: Peer | undefined): number => {
  if (peer === undefined) return NO_CLIENT
  if (peer.readWords(words)) return mixed(SEED, words[3]!)
  return mixed(mixed(~SEED, words[0]!), words[1]!)
}

const mixed = (hash: number, word: number): number => {
  const h = Math.imul(hash ^ word, 0x9e3779b1)
  return h ^ (h >>> 15)
}
