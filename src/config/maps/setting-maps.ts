/** The settings whose values may stand in a file as maps, and how each is written in short. */
import type { Schema } from "effect"
import { type Group, group, makeGroup } from "../codec/group.ts"
import { localAnswer } from "../codec/local-answer.ts"
import { rule } from "../codec/rule.ts"
import { weightedUpstream } from "../codec/weighted-upstream.ts"
import type { SettingName } from "../schema/settings.ts"
import { groupMap } from "./group-map.ts"
import { localAnswerMap } from "./local-answer-map.ts"
import { ruleMap } from "./rule-map.ts"
import { upstreamMap } from "./upstream-map.ts"

/** A map, and the texts of what it means. */
export interface SettingMap {
  readonly schema: Schema.Codec<unknown, unknown>
  readonly textsOf: (value: unknown) => ReadonlyArray<string>
}

const settingMap = <A, E>(schema: Schema.Codec<A, E>, textsOf: (value: A) => ReadonlyArray<string>): SettingMap => ({
  schema: schema as Schema.Codec<unknown, unknown>,
  textsOf: textsOf as SettingMap["textsOf"]
})

/** Of one item in the setting's list. */
export const itemMaps: { readonly [Name in SettingName]?: SettingMap } = {
  upstreams: settingMap(upstreamMap, (upstream) => [weightedUpstream.write(upstream)]),
  rules: settingMap(ruleMap, (one) => [rule.write(one)]),
  localAnswers: settingMap(localAnswerMap, (answers) => answers.map(localAnswer.write))
}

/** Of what stands under a group's name. */
export const groupUnder = (name: string): SettingMap =>
  settingMap(groupMap, ({ upstreams, policy }) => [group.write(makeGroup(name, upstreams, policy) satisfies Group)])
