/**
 * The system's resolvers, followed: where they are the upstreams, or find the upstreams' names, a change of them is
 * used at once, as when a machine comes to another network.
 */
import { Effect } from "effect"
import { fileKey, type SettingName } from "../../config/schema/settings.ts"
import type { Written } from "../../config/snapshot.ts"
import { type Given, SYSTEM } from "../../config/sources/gather.ts"
import { followSystemResolvers } from "../../config/sources/resolv-conf.ts"
import { type LoadedApart, loadApart } from "./load-apart.ts"

/** The settings that the system's resolvers may be. */
const SETTINGS = ["upstreams", "bootstrap"] as const satisfies ReadonlyArray<SettingName>

/** As they are written. */
export type WrittenServers = Pick<Written, (typeof SETTINGS)[number]>

type AllGiven = ReadonlyMap<SettingName, Given>

/** Those of them that the system's resolvers are. */
export const systemSettings = (given: AllGiven): ReadonlyArray<SettingName> =>
  SETTINGS.filter((name) => given.get(name)?.place === SYSTEM)

/** Those of them that are others now than what is in use. */
export const changedServers = (used: AllGiven, fresh: AllGiven): ReadonlyArray<SettingName> =>
  systemSettings(used).filter(
    (name) => fresh.get(name)?.place === SYSTEM && String(fresh.get(name)!.value) !== String(used.get(name)!.value)
  )

/** For people. */
export const sayChanged = (changed: ReadonlyArray<SettingName>, fresh: AllGiven): Effect.Effect<void> =>
  Effect.logInfo(
    "the system's resolvers have changed",
    Object.fromEntries(changed.map((name) => [fileKey(name), fresh.get(name)!.value]))
  )

/**
 * Looks at the system's resolvers for as long as it runs, and has what changed used. The configuration is loaded as a
 * whole: resolvers that cannot be used, such as this server itself, change nothing, and are said. A change that fails
 * for another reason, as when a worker ends in the middle of it, is tried again.
 */
export const followResolvers = (
  file: string | undefined,
  given: AllGiven,
  use: (fresh: LoadedApart) => Effect.Effect<void, Error>
): Effect.Effect<void> => {
  const [first] = systemSettings(given)
  if (first === undefined) return Effect.void
  const addresses = given.get(first)!.value
  return followSystemResolvers({
    known: Array.isArray(addresses) ? addresses.map(String) : [],
    onChange: () =>
      loadApart(file).pipe(
        Effect.matchEffect({
          onSuccess: (fresh) =>
            Effect.matchEffect(use(fresh), {
              onSuccess: () => Effect.succeed(true),
              onFailure: ({ message }) =>
                Effect.as(Effect.logWarning(`the system's resolvers have changed; tried again: ${message}`), false)
            }),
          onFailure: ({ message }) =>
            Effect.as(
              Effect.logError(`the system's resolvers have changed, and cannot be used; nothing changed: ${message}`),
              true
            )
        })
      )
  })
}
