/** The key by which fairness counts a client: its IPv4 address, or its IPv6 /64. */
import type { Peer } from "../../io/peer.ts"
import { SEED } from "../../runtime/random.ts"
import { networkKeyOf } from "./network-key.ts"

/** The key of refreshes, which no client asked for. */
const NO_CLIENT = 0

const CLIENT = { ipv4: 32, ipv6: 64 }

export const clientKeyOf = (peer: Peer | undefined): number =>
  peer === undefined ? NO_CLIENT : networkKeyOf(peer, CLIENT, SEED)
