/**
 * Whom a query is counted to where room is short: the zone that its name most likely belongs to, and the client it is
 * from. Numbers, which are others at each start, so that nobody can choose a name that shares the number of another's.
 */
import { randomInt } from "node:crypto"
import type { Peer } from "../io/peer.ts"

const ZONES = randomInt(2 ** 32)
const CLIENTS = randomInt(2 ** 32)
const PRIME = 0x01000193

/** The client of what nobody asked for: answers that are fetched anew. */
export const NO_CLIENT = 0

/**
 * A number for the last two labels of a name; names of one zone have the same.
 *
 * Where a zone is cut deeper (`example.co.uk`) its neighbours share the number: that costs fairness between them, no more.
 *
 * @param name uncompressed, in lower case
 */
export const zoneOf = (name: Uint8Array): number => {
  let last = 0
  let start = 0
  for (let at = 0; name[at] !== 0 && at < name.length; at += name[at]! + 1) {
    start = last
    last = at
  }
  let hash = ZONES
  for (let at = start; at < name.length; at++) hash = Math.imul(hash ^ name[at]!, PRIME)
  return hash
}

const words = new Uint32Array(4)

/** A number for an IPv4 address, or for the 64 bits that an IPv6 network has in common. */
export const clientOf = (peer: Peer | undefined): number => {
  if (peer === undefined) return NO_CLIENT
  if (peer.readWords(words)) return mixed(CLIENTS, words[3]!)
  return mixed(mixed(~CLIENTS, words[0]!), words[1]!)
}

const mixed = (hash: number, word: number): number => {
  const h = Math.imul(hash ^ word, 0x9e3779b1)
  return h ^ (h >>> 15)
}
