/**
 * For whom a query asks: the network that its EDNS Client Subnet names where it may, else the client itself (RFC 7871).
 *
 * Who may speak for others is said by configuration; anybody may speak of a network that holds the own address, and ask
 * not to be told of. What is not well-formed counts as not there.
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

  /** @param isByPlace whether answers depend on where clients are */
  constructor(trusted: ReadonlyArray<IpNetwork.IpNetwork>, geography: Geography["Service"], isByLocation: boolean) {
    this.isByLocation = isByLocation
    this.mayTell = makeAcl(trusted)
    this.geography = geography
  }

  /** What the query's option says, if it counts; `OPTED_OUT` where it asks not to be told of. */
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
   * Where answers depend on places, a client that speaks for others is told that this one is for the network that it
   * named: else whoever forwards for many would give it to all of them (RFC 7871 §7.2.1).
   */
  note(query: Query, client: Peer): void {
    if (!this.isByLocation || this.told(query, client) === undefined) return
    this.tellBack(query)
    query.leastScope = SCOPE_OF_SOURCE
  }

  /** The reply will have the client's option, with a scope. */
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
