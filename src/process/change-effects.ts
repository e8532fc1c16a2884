/** What a change of the configuration means for what is kept. */
import { isDeepStrictEqual } from "node:util"
import { MIN_OCTETS } from "../cache/table/memory.ts"
import { formatUpstream } from "../config/codec/upstream-address.ts"
import type { SettingName, Settings } from "../config/schema/settings.ts"
import { mentionedUpstreams } from "../config/upstream-names.ts"

const MIB = 1024 * 1024

/** Octets of the table of answers: where nothing is kept, as few as can be. */
export const cacheOctets = ({ cacheSizeMb, enableCaching }: Pick<Settings, "cacheSizeMb" | "enableCaching">): number =>
  enableCaching ? cacheSizeMb * MIB : MIN_OCTETS

/** With one of these changed, what failed a moment ago may not fail now. */
const MAY_MEND: ReadonlyArray<SettingName> = [
  "upstreams",
  "groups",
  "rules",
  "bootstrap",
  "tlsCaFile",
  "upstreamPolicy",
  "failoverRcodes",
  "maxQueriesPerUpstream",
  "queryTimeoutSecs",
  "attemptTimeoutMs",
  "retries"
]

/** With one of these changed, upstreams' answers are kept otherwise than before. */
const CHANGES_ANSWERS: ReadonlyArray<SettingName> = [
  "trustUpstreamAd",
  "rebindProtection",
  "rebindAllowNames",
  "rebindAllowNetworks"
]

/** The keys of all upstreams that a configuration has. */
export const upstreamKeys = (settings: Pick<Settings, "upstreams" | "groups">): ReadonlyArray<string> =>
  mentionedUpstreams(settings).map(formatUpstream)

/** Whether failures that are kept are to be asked for again. */
export const forgetsFailures = (before: Settings, after: Settings): boolean =>
  MAY_MEND.some((name) => !isDeepStrictEqual(before[name], after[name]))

/**
 * Whether answers that are kept may be wrong from now on, so that all of them are forgotten.
 *
 * Upstreams of one group are taken to give the same answers: where one of them stays, the answers stay. Where all of them
 * are others, they may give other answers, above all to names of an inner network. Groups that rules name need no care:
 * their upstreams are part of the key of what is kept (`viewBy`). Settings that change what is taken from an upstream's
 * reply (the AD bit, private addresses) hold for what is kept, too.
 */
export const isOtherWorld = (before: Settings, after: Settings): boolean => {
  const known = new Set(before.upstreams.map(formatUpstream))
  return (
    CHANGES_ANSWERS.some((name) => !isDeepStrictEqual(before[name], after[name])) ||
    !after.upstreams.some((upstream) => known.has(formatUpstream(upstream)))
  )
}
