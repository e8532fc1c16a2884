/**
 * The system's resolvers, followed: where they are the upstreams, or find the upstreams' names, a change of them is
 * used at once, as when a machine comes to another network.
 */
import { Effect } from "effect"
import type { SettingName } from "../../config/schema/settings.ts"
import { type Given, SYSTEM } from "../../config/sources/gather.ts"
import { followSystemResolvers } from "../../config/sources/resolv-conf.ts"
import type { Reload } from "./follow-sources.ts"

/** The settings that the system's resolvers may be. */
const SETTINGS = ["upstreams", "bootstrap"] as const satisfies ReadonlyArray<SettingName>

type AllGiven = ReadonlyMap<SettingName, Given>

/** Those of them that the system's resolvers are. */
export const systemSettings = (given: AllGiven): ReadonlyArray<SettingName> =>
  SETTINGS.filter((name) => given.get(name)?.place === SYSTEM)

/**
 * Looks at the system's resolvers for as long as it runs, and has the configuration read again when they have changed.
 * It is loaded as a whole: resolvers that cannot be used, such as this server itself, change nothing, and are said. A
 * change that fails for another reason, as when a worker ends in the middle of it, is tried again.
 */
export const followResolvers = (given: AllGiven, reload: Reload): Effect.Effect<void> => {
  const [first] = systemSettings(given)
  if (first === undefined) return Effect.void
  const addresses = given.get(first)!.value
  return followSystemResolvers({
    known: Array.isArray(addresses) ? addresses.map(String) : [],
    onChange: () =>
      Effect.andThen(Effect.logInfo("the system's resolvers have changed"), reload("the system's resolvers")).pipe(
        Effect.as(true),
        Effect.catch((error) => Effect.succeed(error._tag === "ConfigurationError"))
      )
  })
}
