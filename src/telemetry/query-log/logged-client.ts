/**
 * How clients stand in the log: as they are, as the network that they are in, by a keyed hash, or not at all.
 *
 * A hash stands as an address of 100::/64, from which nothing comes (RFC 6666): where an address is wanted there is one,
 * and nobody takes it for a client's.
 */
import { createHmac } from "node:crypto"
import { Result } from "effect"
import { NetAddress } from "effect/net"
import { formatOctets, octetsOfWords } from "../client-address.ts"
import type { RecentQuery } from "../recent-queries/ring.ts"
import type { ClientForm } from "./plan.ts"

export interface LoggedClient {
  /** Empty where clients are not logged; a network where they are truncated. */
  readonly text: string
  /** Four octets, or sixteen, or none. */
  readonly octets: Uint8Array
}

const nobody: LoggedClient = { text: "", octets: new Uint8Array(0) }

const IPV4_PREFIX = 24
const IPV6_PREFIX = 56
const HASH_OCTETS = 8
/** Clients whose form is remembered. */
const REMEMBERED = 20_000

export class LoggedClients {
  private readonly form: ClientForm
  private readonly key: Uint8Array
  private readonly known = new Map<number | string, LoggedClient>()

  constructor(form: ClientForm, key: Uint8Array) {
    this.form = form
    this.key = key
  }

  of({ address, isIPv4 }: Pick<RecentQuery, "address" | "isIPv4">): LoggedClient {
    if (this.form === "none") return nobody
    const key = isIPv4 ? address[3] : address.join()
    const before = this.known.get(key)
    if (before !== undefined) return before
    if (this.known.size >= REMEMBERED) this.known.clear()
    const client = this.formed(octetsOfWords(address, isIPv4))
    this.known.set(key, client)
    return client
  }

  /** Whether address, port and name stand in the log; otherwise nothing tells clients behind one address apart. */
  get areAsTheyAre(): boolean {
    return this.form === "full"
  }

  private formed(octets: Uint8Array): LoggedClient {
    switch (this.form) {
      case "truncated":
        return truncated(octets)
      case "hashed":
        return hashed(octets, this.key)
      default:
        return { text: formatOctets(octets), octets }
    }
  }
}

/** Every text by which this address may stand in a log; itself where it is none. */
export const formsOf = (text: string, key: Uint8Array): ReadonlyArray<string> => {
  const read = NetAddress.ipFromString(text)
  if (Result.isFailure(read)) return [text]
  const ip = NetAddress.toCanonical(read.success)
  const octets = Uint8Array.from(
    NetAddress.isIpv4Address(ip) ? NetAddress.ipv4ToOctets(ip) : NetAddress.ipv6ToOctets(ip)
  )
  return [formatOctets(octets), truncated(octets).text, hashed(octets, key).text]
}

const truncated = (octets: Uint8Array): LoggedClient => {
  const prefix = octets.length === 4 ? IPV4_PREFIX : IPV6_PREFIX
  const network = octets.map((octet, i) => (i < prefix >> 3 ? octet : 0))
  return { text: `${formatOctets(network)}/${prefix}`, octets: network }
}

const hashed = (octets: Uint8Array, key: Uint8Array): LoggedClient => {
  const address = new Uint8Array(16)
  address[0] = 1
  const digest = createHmac("sha256", key).update(octets).digest()
  address.set(digest.subarray(0, HASH_OCTETS), 16 - HASH_OCTETS)
  return { text: formatOctets(address), octets: address }
}
