/**
 * The client context of a query: the network that upstreams are told (EDNS Client Subnet), and the coordinates by which
 * the nearest upstream is found.
 *
 * Only rules with `ecs` and groups with the policy `geo` need it; without them nothing is computed here.
 */
import { Result } from "effect"
import { readNetwork } from "../config/codec/network.ts"
import { COMMON_VIEW, viewBy } from "../config/codec/rule.ts"
import type { SubnetPrefixes } from "../config/codec/subnet-prefixes.ts"
import type { Settings } from "../config/schema/settings.ts"
import type { ClientContext } from "../dns/client-context.ts"
import type { Query } from "../dns/query.ts"
import {
  ALONE,
  NOWHERE,
  OPTED_OUT,
  prefixOf,
  readSubnetWords,
  type Subnet,
  subnetOfAddress,
  widen
} from "../dns/subnet.ts"
import { type Peer, TextPeer } from "../io/peer.ts"
import { makeAcl } from "./acl.ts"
import type { ClientSubnetReader } from "./client-subnet.ts"

/** Addresses that say nothing to anybody outside, and must not be told (RFC 7871 §11.1, RFC 6890). */
const NOT_PUBLIC = [
  "0.0.0.0/8",
  "10.0.0.0/8",
  "100.64.0.0/10",
  "127.0.0.0/8",
  "169.254.0.0/16",
  "172.16.0.0/12",
  "192.0.0.0/24",
  "192.168.0.0/16",
  "198.18.0.0/15",
  "224.0.0.0/3",
  "::/127",
  "fc00::/7",
  "fe80::/10",
  "ff00::/8"
].map((text) => Result.getOrThrow(readNetwork(text)))

interface Asked {
  readonly ecs: SubnetPrefixes | undefined
  readonly wantsCoordinates: boolean
}

/** Makes the function that gives the client context of a query that goes to the upstreams of a view. */
export const makeClientContext = (
  { groups, rules, upstreamPolicy }: Pick<Settings, "groups" | "rules" | "upstreamPolicy">,
  clientSubnet: ClientSubnetReader
): ((query: Query, client: Peer, view: number) => ClientContext | undefined) => {
  const asking = new Map<number, Asked>()
  if (upstreamPolicy === "geo") asking.set(COMMON_VIEW, { ecs: undefined, wantsCoordinates: true })
  for (const { view, policy } of groups)
    if (policy === "geo") asking.set(view, { ecs: undefined, wantsCoordinates: true })
  for (const rule of rules) {
    const group = groups.find(({ name }) => name === rule.group)
    if (rule.ecs === undefined || group === undefined) continue
    asking.set(viewBy(rule, group), { ecs: rule.ecs, wantsCoordinates: group.policy === "geo" })
  }
  if (asking.size === 0) return () => undefined

  const isPrivate = makeAcl(NOT_PUBLIC)
  const words = new Uint32Array(4)
  const address = new WordsPeer(words)

  const subnetFor = (query: Query, client: Peer, { ipv4, ipv6 }: SubnetPrefixes): Subnet => {
    const told = clientSubnet.told(query, client)
    if (told !== undefined) clientSubnet.tellBack(query)
    if (told === OPTED_OUT) return OPTED_OUT
    address.isIPv4 = told === undefined ? client.readWords(words) : readSubnetWords(told, words)
    if (isPrivate(address)) return NOWHERE
    const usual = address.isIPv4 ? ipv4 : ipv6
    if (told === undefined) return subnetOfAddress(words, address.isIPv4, usual)
    if (prefixOf(told) < usual) told[0]! |= ALONE
    else widen(told, told, usual)
    return told
  }

  return (query, client, view) => {
    const asked = asking.get(view)
    if (asked === undefined) return undefined
    return {
      subnet: asked.ecs === undefined ? undefined : subnetFor(query, client, asked.ecs),
      coordinates: asked.wantsCoordinates ? clientSubnet.locationOf(query, client).coordinates : undefined
    }
  }
}

/** A peer whose address is given as numbers. */
class WordsPeer extends TextPeer {
  isIPv4 = true
  private readonly held: Uint32Array

  constructor(held: Uint32Array) {
    super({ address: "", port: 0 })
    this.held = held
  }

  override readWords(words: Uint32Array): boolean {
    words.set(this.held)
    return this.isIPv4
  }
}
