/** A rate that each network of clients may have, whatever it is that is counted. */
import type { SettingName, Settings } from "../../config/schema/settings.ts"
import type { Peer } from "../../io/peer.ts"
import { type Acl, makeAcl } from "../../policy/acl.ts"
import { mixed, type NetworkPrefixes, networkKeyOf } from "./network-key.ts"
import type { RateTable } from "./rate-table.ts"

/** What a network is, and which have no rate. */
export const NETWORK_SETTINGS = [
  "rateLimitExempt",
  "rateLimitIpv4Prefix",
  "rateLimitIpv6Prefix"
] as const satisfies ReadonlyArray<SettingName>

export class NetworkRates {
  private readonly table: RateTable
  private readonly hashKey: number
  private readonly intervalMs: number
  private readonly burstMs: number
  private readonly prefixes: NetworkPrefixes
  private readonly isExempt: Acl

  /**
   * Undefined where any number is right.
   *
   * @param perSecond 0 for any number
   * @param burst that may come at once: a second's worth where nothing else is said
   */
  static of(
    settings: Pick<Settings, (typeof NETWORK_SETTINGS)[number]>,
    perSecond: number,
    table: RateTable,
    hashKey: number,
    burst = Math.max(1, Math.ceil(perSecond))
  ): NetworkRates | undefined {
    return perSecond === 0 ? undefined : new NetworkRates(settings, perSecond, table, hashKey, burst)
  }

  private constructor(
    settings: Pick<Settings, (typeof NETWORK_SETTINGS)[number]>,
    perSecond: number,
    table: RateTable,
    hashKey: number,
    burst: number
  ) {
    this.table = table
    this.hashKey = hashKey
    this.intervalMs = 1000 / perSecond
    this.burstMs = (burst - 1) * this.intervalMs
    this.prefixes = { ipv4: settings.rateLimitIpv4Prefix, ipv6: settings.rateLimitIpv6Prefix }
    this.isExempt = makeAcl(settings.rateLimitExempt)
  }

  /**
   * Counts one of the client's network; whether it is within the rate.
   *
   * @param kind what is counted apart from others of the network
   */
  admits(client: Peer, kind: number, nowMs: number): boolean {
    if (this.isExempt(client)) return true
    const hash = mixed(kind, networkKeyOf(client, this.prefixes, this.hashKey)) || 1
    return this.table.take(hash, this.intervalMs, this.burstMs, nowMs)
  }
}
