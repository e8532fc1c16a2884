/**
 * How many queries a second a network of clients may send.
 *
 * Those whose address is proven count apart from those whose address may be forged: a flood under a victim's address
 * does not shut the victim out.
 */
import type { SettingName, Settings } from "../../config/schema/settings.ts"
import type { Peer } from "../../io/peer.ts"
import { NETWORK_SETTINGS, NetworkRates } from "./network-rates.ts"
import type { RateTable } from "./rate-table.ts"

export const QUERY_RATE_SETTINGS = [
  "rateLimit",
  "rateLimitAction",
  "rateLimitBurst",
  ...NETWORK_SETTINGS
] as const satisfies ReadonlyArray<SettingName>

type RateSettings = Pick<Settings, (typeof QUERY_RATE_SETTINGS)[number]>

/** What becomes of queries beyond the rate. */
export type LimitAction = RateSettings["rateLimitAction"]

/** What is counted apart. */
const Kind = { Unproven: 0, Proven: 1 } as const

export class QueryRates {
  readonly action: LimitAction
  private readonly rates: NetworkRates

  /** Undefined where any number is right. */
  static of(settings: RateSettings, table: RateTable, hashKey: number): QueryRates | undefined {
    const rates = NetworkRates.of(settings, settings.rateLimit, table, hashKey, settings.rateLimitBurst)
    return rates === undefined ? undefined : new QueryRates(settings.rateLimitAction, rates)
  }

  private constructor(action: LimitAction, rates: NetworkRates) {
    this.action = action
    this.rates = rates
  }

  /** Counts a query of this client; whether it is within the rate. */
  admits(client: Peer, isProven: boolean, nowMs: number): boolean {
    return this.rates.admits(client, isProven ? Kind.Proven : Kind.Unproven, nowMs)
  }
}
