/** What all threads know together of each upstream, as people see it. */
import { formatUpstream, nameUpstream, type UpstreamAddress } from "../config/codec/upstream-address.ts"
import type { Settings } from "../config/schema/settings.ts"
import { Breaker, type BreakerState } from "../upstream/health/breaker.ts"
import { Estimate, Flag, findSlot, type UpstreamState, upstreamStateAt } from "../upstream/health/shared-state.ts"

export interface UpstreamStatus {
  /** As metrics and the log name it. */
  readonly name: string
  /** Groups that it is in; of none where it is one of `upstreams`. */
  readonly groups: ReadonlyArray<string>
  readonly state: "closed" | "open" | "half_open"
  readonly isDrained: boolean
  /** Smoothed milliseconds to an answer, and how much they vary; undefined where nothing is known. */
  readonly meanMs: number | undefined
  readonly variationMs: number | undefined
}

const stateNames: Readonly<Record<BreakerState, UpstreamStatus["state"]>> = {
  Closed: "closed",
  Open: "open",
  HalfOpen: "half_open"
}

interface Configured {
  readonly address: UpstreamAddress
  readonly groups: Array<string>
}

/** The upstreams of a configuration, each once. */
const upstreamsOf = ({
  upstreams,
  groups
}: Pick<Settings, "upstreams" | "groups">): ReadonlyMap<string, Configured> => {
  const found = new Map<string, Configured>()
  const add = (address: UpstreamAddress, group: string | undefined): void => {
    const key = formatUpstream(address)
    const known = found.get(key) ?? { address, groups: [] }
    if (group !== undefined) known.groups.push(group)
    found.set(key, known)
  }
  for (const address of upstreams) add(address, undefined)
  for (const group of groups) for (const address of group.upstreams) add(address, group.name)
  return found
}

const stateOf = (memory: SharedArrayBuffer, key: string): UpstreamState | undefined => {
  const slot = findSlot(memory, key)
  return slot === undefined ? undefined : upstreamStateAt(memory, slot)
}

export const upstreamStatuses = (memory: SharedArrayBuffer, settings: Settings): ReadonlyArray<UpstreamStatus> =>
  [...upstreamsOf(settings)].map(([key, { address, groups }]) => {
    const state = stateOf(memory, key)
    const meanMs = state?.estimates[Estimate.Mean] ?? -1
    return {
      name: nameUpstream(address),
      groups,
      state: state === undefined ? "closed" : stateNames[new Breaker(state).state],
      isDrained: state !== undefined && state.flags[Flag.Drained] !== 0,
      meanMs: meanMs < 0 ? undefined : meanMs,
      variationMs: meanMs < 0 ? undefined : state?.estimates[Estimate.Variation]
    }
  })

/** Takes the upstream of this name out of use, or back; says whether there is one. */
export const drainUpstream = (
  memory: SharedArrayBuffer,
  settings: Settings,
  name: string,
  isDrained: boolean
): boolean => {
  let found = false
  for (const [key, { address }] of upstreamsOf(settings)) {
    if (nameUpstream(address) !== name) continue
    const state = stateOf(memory, key)
    if (state === undefined) continue
    Atomics.store(state.flags, Flag.Drained, isDrained ? 1 : 0)
    found = true
  }
  return found
}
