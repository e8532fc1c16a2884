/** A group as a map, under its name: `corp: { upstreams: [10.1.0.1, 10.1.0.2], policy: ordered }`. */
import { Result, type Schema } from "effect"
import { DEFAULT_POLICY } from "../codec/group.ts"
import { type Policy, policies } from "../codec/policy.ts"
import type { WeightedUpstream } from "../codec/weighted-upstream.ts"
import { word } from "../schema/setting.ts"
import { field, fromMap, oneOrMore, requiredField, type Wrong } from "./map.ts"
import { upstreamItem } from "./upstream-map.ts"

const AT_LEAST_ONE = "upstreams: at least one"

const fields = {
  upstreams: requiredField(oneOrMore(upstreamItem), "who is asked, each in short or as a map", AT_LEAST_ONE),
  policy: field(word(...policies), `which of them is asked first; by default ${DEFAULT_POLICY}`)
}

/** What there is of a group but for its name. */
export interface GroupBody {
  readonly upstreams: ReadonlyArray<WeightedUpstream>
  readonly policy: Policy
}

type Fields = Schema.Struct<typeof fields>["Type"]

const read = ({ upstreams, policy = DEFAULT_POLICY }: Fields): Result.Result<GroupBody, Wrong> =>
  upstreams.length === 0 ? Result.fail({ expected: AT_LEAST_ONE }) : Result.succeed({ upstreams, policy })

export const groupMap = fromMap("group", fields, {
  read,
  write: ({ upstreams, policy }: GroupBody) => ({ upstreams, ...(policy === DEFAULT_POLICY ? {} : { policy }) })
})
