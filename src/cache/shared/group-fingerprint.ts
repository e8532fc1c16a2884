/**
 * The fingerprint of a group of upstreams, by which servers know whether they may share its answers: two groups that
 * ask the same upstreams share them, two that ask others never do.
 *
 * It covers everything on which an answer may depend: which upstreams there are, over which protocol each is asked and
 * how it proves its identity, whether its AD bit is believed, the shortest TTL, for it is written into the answer, and
 * which private addresses are taken out of it.
 * It does not cover what only decides which upstream is asked first (policy, weights, order), nor the longest TTL: a
 * server that reads an answer bounds it again.
 */
import { createHash } from "node:crypto"
import { network } from "../../config/codec/network.ts"
import { COMMON_VIEW, type Rule, viewBy } from "../../config/codec/rule.ts"
import { suffix } from "../../config/codec/suffix.ts"
import { formatUpstream } from "../../config/codec/upstream-address.ts"
import type { WeightedUpstream } from "../../config/codec/weighted-upstream.ts"
import type { Settings } from "../../config/schema/settings.ts"

/** 64 bits of SHA-256. */
const OCTETS = 8

type Deciding = Pick<
  Settings,
  | "upstreams"
  | "groups"
  | "rules"
  | "trustUpstreamAd"
  | "cacheMinTtlSecs"
  | "rebindProtection"
  | "rebindAllowNames"
  | "rebindAllowNetworks"
>

/** The fingerprint of the group with a view; undefined where there is no such group, or none any more. */
export const fingerprintsOf = (settings: Deciding): ((view: number) => Buffer | undefined) => {
  const { cacheMinTtlSecs, groups, rules, trustUpstreamAd } = settings
  const { rebindAllowNames, rebindAllowNetworks, rebindProtection } = settings
  // Without protection the answers are those of servers that know nothing of it.
  const rebinding = rebindProtection
    ? [rebindAllowNames.map((name) => suffix.write(name)), rebindAllowNetworks.map((each) => network.write(each))]
    : []
  const digest = (upstreams: ReadonlyArray<WeightedUpstream>, ecs?: Rule["ecs"]): Buffer => {
    const asked = [...new Set(upstreams.map(formatUpstream))].sort()
    const told = ecs === undefined ? [] : [ecs.ipv4, ecs.ipv6]
    const deciding = [trustUpstreamAd, cacheMinTtlSecs, asked, ...told, ...rebinding]
    return createHash("sha256").update(JSON.stringify(deciding)).digest().subarray(0, OCTETS)
  }
  const common = digest(settings.upstreams)
  const digests = new Map(groups.map(({ view, upstreams }) => [view, digest(upstreams)]))
  digests.set(COMMON_VIEW, common)
  // Upstreams that are told of clients answer otherwise, even to one who does not want it told.
  for (const rule of rules) {
    const group = groups.find(({ name }) => name === rule.group)
    if (group !== undefined && rule.ecs !== undefined) {
      digests.set(viewBy(rule, group), digest(group.upstreams, rule.ecs))
    }
  }
  return (view) => digests.get(view)
}
