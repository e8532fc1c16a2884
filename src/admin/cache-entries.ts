/** What the cache keeps for a name: for everybody, whatever flags it was asked with, for each group of upstreams. */
import { COMMON_VIEW, viewBy } from "../config/codec/rule.ts"
import type { Settings } from "../config/schema/settings.ts"
import { Class, Flag, rcodeName } from "../dns/codes.ts"
import { formatName } from "../dns/name.ts"
import type { Question } from "../dns/question.ts"
import { typeName, typeNumber } from "../dns/record-types.ts"
import { copyOf, u16 } from "../dns/wire.ts"
import type { CacheEntry } from "./api/cache.ts"
import { recordsOf } from "./records-text.ts"
import type { AdminSources } from "./sources.ts"

/** Types that are looked for where none is given. */
const USUAL_TYPES = "A AAAA CNAME MX NS SOA TXT SRV PTR HTTPS SVCB CAA DS DNSKEY"
  .split(" ")
  .map((name) => typeNumber(name)!)

/** The views that questions may have, and the group of each. */
export const viewsOf = ({
  groups,
  rules
}: Pick<Settings, "groups" | "rules">): ReadonlyMap<number, string | undefined> => {
  const views = new Map<number, string | undefined>([[COMMON_VIEW, undefined]])
  for (const group of groups) views.set(group.view, group.name)
  for (const rule of rules) {
    const group = groups.find(({ name }) => name === rule.group)
    if (group !== undefined) views.set(viewBy(rule, group), group.name)
  }
  return views
}

/** Every question that is for this name and type. */
export const questionsFor = (
  settings: Settings,
  name: Uint8Array,
  type: number | undefined
): ReadonlyArray<Question> => {
  const types = type === undefined ? USUAL_TYPES : [type]
  const questions: Array<Question> = []
  for (const view of viewsOf(settings).keys()) {
    for (const wanted of types) {
      for (const dnssecOk of [false, true]) {
        for (const checkingDisabled of [false, true]) {
          questions.push({
            name,
            type: wanted,
            class: Class.IN,
            dnssecOk,
            checkingDisabled,
            view,
            clientContext: undefined
          })
        }
      }
    }
  }
  return questions
}

export const entriesOf = (
  { cache, configuration }: Pick<AdminSources, "cache" | "configuration">,
  name: Uint8Array,
  type: number | undefined
): ReadonlyArray<typeof CacheEntry.Type> => {
  const settings = configuration.current()
  const views = viewsOf(settings)
  cache.tick()
  return questionsFor(settings, name, type).flatMap((question) => {
    const found = cache.peekStale(question)
    if (found === undefined) return []
    const wire = copyOf(found.wire, 0, found.length)
    return [
      {
        name: formatName(question.name),
        type: typeName(question.type),
        dnssecOk: question.dnssecOk,
        checkingDisabled: question.checkingDisabled,
        group: views.get(question.view) ?? null,
        rcode: rcodeName(u16(wire, 2) & Flag.RcodeMask),
        ageSeconds: found.ageSeconds,
        remainingSeconds: found.remainingSeconds,
        octets: wire.length,
        records: recordsOf(wire, found.ageSeconds)
      }
    ]
  })
}
