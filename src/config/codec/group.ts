/** Groups of upstreams, with names: `corp=10.1.0.1 10.1.0.2*3 policy=ordered`. */
import { Result } from "effect"
import { fingerprint } from "./fingerprint.ts"
import { meaning } from "./nearest.ts"
import { isPolicy, type Policy, policies } from "./policy.ts"
import { shownUpstream } from "./secrets.ts"
import type { Read, TextForm } from "./text-form.ts"
import {
  LABEL_EXPECTED,
  readWeightedUpstream,
  type WeightedUpstream,
  writeWeightedUpstream
} from "./weighted-upstream.ts"

export interface Group {
  readonly name: string
  readonly upstreams: ReadonlyArray<WeightedUpstream>
  readonly policy: Policy
  /** Tells its answers from those of other groups: of its upstreams and its policy; never 0. */
  readonly view: number
}

export const DEFAULT_POLICY: Policy = "fastest"

/** What there is of a group, but for its view, which follows from that. */
export const makeGroup = (name: string, upstreams: ReadonlyArray<WeightedUpstream>, policy: Policy): Group => {
  const members = upstreams.map(({ name: _, ...upstream }) => writeWeightedUpstream(upstream))
  return { name, upstreams, policy, view: fingerprint([...members, policy].join(" ")) }
}

export const readGroup = (text: string): Read<Group> => {
  const named = /^\s*([A-Za-z0-9][A-Za-z0-9_-]*)\s*=\s*(.*)$/.exec(text)
  if (named === null) return Result.fail(`name=upstream upstream … policy=…: ${LABEL_EXPECTED}`)
  const [, name, rest] = named
  const upstreams: Array<WeightedUpstream> = []
  let policy: Policy = DEFAULT_POLICY
  for (const word of rest!.split(/\s+/).filter((part) => part !== "")) {
    if (word.startsWith("policy=")) {
      const asked = word.slice("policy=".length)
      if (!isPolicy(asked)) return Result.fail(`policy= one of ${policies.join(", ")}${meaning(asked, policies)}`)
      policy = asked
      continue
    }
    const upstream = readWeightedUpstream(word)
    if (Result.isFailure(upstream)) return Result.fail(`${upstream.failure}, not ${shownUpstream(word)}`)
    upstreams.push(upstream.success)
  }
  if (upstreams.length === 0) return Result.fail("at least one upstream in the group")
  return Result.succeed(makeGroup(name!, upstreams, policy))
}

const writeGroup = ({ name, upstreams, policy }: Group): string =>
  [
    `${name}=${writeWeightedUpstream(upstreams[0]!)}`,
    ...upstreams.slice(1).map(writeWeightedUpstream),
    ...(policy === DEFAULT_POLICY ? [] : [`policy=${policy}`])
  ].join(" ")

export const group: TextForm<Group> = { read: readGroup, write: writeGroup }
