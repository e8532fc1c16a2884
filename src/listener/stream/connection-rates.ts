/** How many connections a second a network of clients may open: all threads and listeners together. */
import { Effect } from "effect"
import { Configuration } from "../../config/configuration.ts"
import type { SettingName } from "../../config/schema/settings.ts"
import type { Peer } from "../../io/peer.ts"
import { makeAcl } from "../../policy/acl.ts"
import { networkKeyOf } from "../../query/admission/network-key.ts"
import { RateTable } from "../../query/admission/rate-table.ts"
import { ClientMemory, CONNECTION_RATES_AT, hashKeyIn } from "../../query/client-memory.ts"

const SETTINGS = [
  "tcpConnectionRate",
  "rateLimitExempt",
  "rateLimitIpv4Prefix",
  "rateLimitIpv6Prefix"
] as const satisfies ReadonlyArray<SettingName>

export interface ConnectionRates {
  /** Counts a connection; whether it is within the rate. */
  readonly admits: (peer: Peer, nowMs: number) => boolean
}

/** Undefined where any number is right. */
export const makeConnectionRates = Effect.gen(function* () {
  const configuration = yield* Configuration
  const memory = yield* ClientMemory
  const table = new RateTable(memory, CONNECTION_RATES_AT)
  const hashKey = hashKeyIn(memory)
  return yield* configuration.derive(SETTINGS, (settings) =>
    Effect.sync((): ConnectionRates | undefined => {
      const { tcpConnectionRate: perSecond } = settings
      if (perSecond === 0) return undefined
      const isExempt = makeAcl(settings.rateLimitExempt)
      const prefixes = { ipv4: settings.rateLimitIpv4Prefix, ipv6: settings.rateLimitIpv6Prefix }
      const intervalMs = 1000 / perSecond
      // A second's worth may come at once.
      const burstMs = Math.max(0, Math.ceil(perSecond) - 1) * intervalMs
      return {
        admits: (peer, nowMs) =>
          isExempt(peer) || table.take(networkKeyOf(peer, prefixes, hashKey), intervalMs, burstMs, nowMs)
      }
    })
  )
})
