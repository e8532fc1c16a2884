/**
 * How many queries a second a network of clients may send.
 *
 * Those whose address is proven count apart from those whose address may be forged: a flood under a victim's address
 * does not shut the victim out.
 */
import type { SettingName, Settings } from "../../config/schema/settings.ts"
import type { Peer } from "../../io/peer.ts"
import { type Acl, makeAcl } from "../../policy/acl.ts"
import { type NetworkPrefixes, networkKeyOf } from "./network-key.ts"
import type { RateTable } from "./rate-table.ts"

export const QUERY_RATE_SETTINGS = [
  "rateLimit",
  "rateLimitAction",
  "rateLimitBurst",
  "rateLimitExempt",
  "rateLimitIpv4Prefix",
  "rateLimitIpv6Prefix"
] as const satisfies ReadonlyArray<SettingName>

type RateSettings = Pick<Settings, (typeof QUERY_RATE_SETTINGS)[number]>

/** What becomes of queries beyond the rate. */
export type LimitAction = RateSettings["rateLimitAction"]

export class QueryRates {
  readonly action: LimitAction
  private readonly table: RateTable
  private readonly hashKey: number
  private readonly intervalMs: number
  private readonly burstMs: number
  private readonly prefixes: NetworkPrefixes
  private readonly isExempt: Acl

  /** Undefined where any number is right. */
  static of(settings: RateSettings, table: RateTable, hashKey: number): QueryRates | undefined {
    return settings.rateLimit === 0 ? undefined : new QueryRates(settings, table, hashKey)
  }

  private constructor(settings: RateSettings, table: RateTable, hashKey: number) {
    const { rateLimit, rateLimitBurst = Math.max(1, Math.ceil(rateLimit)) } = settings
    this.table = table
    this.hashKey = hashKey
    this.action = settings.rateLimitAction
    this.intervalMs = 1000 / rateLimit
    this.burstMs = (rateLimitBurst - 1) * this.intervalMs
    this.prefixes = { ipv4: settings.rateLimitIpv4Prefix, ipv6: settings.rateLimitIpv6Prefix }
    this.isExempt = makeAcl(settings.rateLimitExempt)
  }

  /** Counts a query of this client; whether it is within the rate. */
  admits(client: Peer, isProven: boolean, nowMs: number): boolean {
    if (this.isExempt(client)) return true
    const network = networkKeyOf(client, this.prefixes, this.hashKey)
    return this.table.take(isProven ? network : ~network || 1, this.intervalMs, this.burstMs, nowMs)
  }
}
