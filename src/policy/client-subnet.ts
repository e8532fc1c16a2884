/**
 * The network for which a query asks: the one in its EDNS Client Subnet option where that counts, else the client's own
 * (RFC 7871).
 *
 * The configuration says which clients may name other networks. Any client may name a network that contains its own
 * address, or opt out. An option that is not well-formed is ignored.
 */
import type { IpNetwork } from "effect/net"
import { findOption, type Query } from "../dns/query.ts"
import {
  OPTED_OUT,
  OPTION_CLIENT_SUBNET,
  prefixOf,
  readSubnet,
  readSubnetWords,
  SCOPE_OF_SOURCE,
  type Subnet,
  sameSubnet,
  subnetOfAddress
} from "../dns/subnet.ts"
import { copyOf, u16 } from "../dns/wire.ts"
import type { Geography } from "../geo/geography.ts"
import type { Location } from "../geo/location.ts"
import type { Peer } from "../io/peer.ts"
import { makeAcl } from "./acl.ts"

export class ClientSubnetReader {
  private readonly mayTell: (peer: Peer) => boolean
  private readonly geography: Geography["Service"]
  private readonly isByLocation: boolean
  private readonly words = new Uint32Array(4)

  /** @param isByLocation whether answers depend on where clients are */
  constructor(trusted: ReadonlyArray<IpNetwork.IpNetwork>, geography: Geography["Service"], isByLocation: boolean) {
    this.isByLocation = isByLocation
    this.mayTell = makeAcl(trusted)
    this.geography = geography
  }

  /**
   * The network in the query's option, if it counts; `OPTED_OUT` where the client asks that upstreams are told nothing.
   */
  told(query: Query, client: Peer): Subnet | undefined {
    if (query.optionsStart === query.optionsEnd) return undefined
    const at = findOption(query, OPTION_CLIENT_SUBNET)
    if (at < 0) return undefined
    const subnet = readSubnet(query.wire, at, u16(query.wire, at - 2))
    if (subnet === undefined || subnet === OPTED_OUT || this.mayTell(client)) return subnet
    const isIPv4 = client.readWords(this.words)
    return sameSubnet(subnet, subnetOfAddress(this.words, isIPv4, prefixOf(subnet))) ? subnet : undefined
  }

  /**
   * Where answers depend on locations, a client that named a network is told that the answer is for that network only:
   * otherwise a resolver that forwards for many clients would give it to all of them (RFC 7871 §7.2.1).
   */
  note(query: Query, client: Peer): void {
    if (!this.isByLocation || this.told(query, client) === undefined) return
    this.tellBack(query)
    query.leastScope = SCOPE_OF_SOURCE
  }

  /** Makes the reply carry the client's option, with a scope. */
  tellBack(query: Query): void {
    const at = findOption(query, OPTION_CLIENT_SUBNET)
    query.subnetOption = copyOf(query.wire, at, at + u16(query.wire, at - 2))
  }

  locationOf(query: Query, client: Peer): Location {
    const told = this.told(query, client)
    const isIPv4 =
      told === undefined || told === OPTED_OUT ? client.readWords(this.words) : readSubnetWords(told, this.words)
    return this.geography.locationOf(this.words, isIPv4)
  }
}
