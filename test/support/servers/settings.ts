/** Settings as the environment would give them, an upstream that nobody asks included. */
import { ConfigProvider, Effect } from "effect"
import { type Loaded, load } from "../../../src/config/configuration.ts"
import type { Settings } from "../../../src/config/schema/settings.ts"

export const loadedOf = (environment: Record<string, string>): Loaded =>
  Effect.runSync(
    load(undefined).pipe(
      Effect.provideService(
        ConfigProvider.ConfigProvider,
        ConfigProvider.fromEnv({ env: { DNS_SERVER_UPSTREAMS: "192.0.2.53", ...environment } })
      )
    )
  )

export const settingsOf = (environment: Record<string, string>): Settings => loadedOf(environment).settings
