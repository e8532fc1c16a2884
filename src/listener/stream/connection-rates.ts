/** How many connections a second a network of clients may open: all threads and listeners together. */
import { Effect } from "effect"
import { Configuration } from "../../config/configuration.ts"
import { NETWORK_SETTINGS, NetworkRates } from "../../query/admission/network-rates.ts"
import { RateTable } from "../../query/admission/rate-table.ts"
import { ClientMemory, CONNECTION_RATES_AT, hashKeyIn } from "../../query/client-memory.ts"

/** All connections are alike. */
export const CONNECTION = 0

/** Undefined where any number is right. */
export const makeConnectionRates = Effect.gen(function* () {
  const configuration = yield* Configuration
  const memory = yield* ClientMemory
  const table = new RateTable(memory, CONNECTION_RATES_AT)
  return yield* configuration.derive(["tcpConnectionRate", ...NETWORK_SETTINGS], (settings) =>
    Effect.sync(() => NetworkRates.of(settings, settings.tcpConnectionRate, table, hashKeyIn(memory)))
  )
})
