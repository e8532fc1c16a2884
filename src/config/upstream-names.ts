/** What the upstreams of a configuration are called: what is counted under a name is one upstream's. */
import { formatUpstream, nameUpstream } from "./codec/upstream-address.ts"
import type { WeightedUpstream } from "./codec/weighted-upstream.ts"
import type { Settings } from "./schema/settings.ts"

/** All that are mentioned, in order. */
export const mentionedUpstreams = ({
  upstreams,
  groups
}: Partial<Pick<Settings, "upstreams" | "groups">>): ReadonlyArray<WeightedUpstream> => [
  ...(upstreams ?? []),
  ...(groups ?? []).flatMap((group) => group.upstreams)
]

/** Names by the upstreams' keys: where one is mentioned several times, the first time says what it is called. */
export const upstreamNames = (
  settings: Partial<Pick<Settings, "upstreams" | "groups">>
): ReadonlyMap<string, string> => {
  const names = new Map<string, string>()
  for (const upstream of mentionedUpstreams(settings)) {
    const key = formatUpstream(upstream)
    if (!names.has(key)) names.set(key, nameUpstream(upstream))
  }
  return names
}
