/** A rule as a map: `{ suffix: corp.example, except: [public.corp.example], client: 10.1.0.0/16, group: corp }`. */
import { Result, type Schema } from "effect"
import { isForAllClients } from "../codec/conditions.ts"
import { writeName } from "../codec/names.ts"
import { RULE_EXPECTED, type Rule, readRuleName } from "../codec/rule.ts"
import { readSubnetPrefixes, type SubnetPrefixes, subnetPrefixes } from "../codec/subnet-prefixes.ts"
import type { TextForm } from "../codec/text-form.ts"
import { LABEL, LABEL_EXPECTED } from "../codec/weighted-upstream.ts"
import { fromText } from "../schema/setting.ts"
import { conditionFields, conditionsOf, keysOf } from "./condition-fields.ts"
import { checkedText, field, fromMap, oneOrMore, requiredField, type Wrong } from "./map.ts"

const name = fromText({ read: readRuleName, write: writeName }, { kind: "text", examples: ["corp.example"] })

const WORD = subnetPrefixes.write({ ipv4: 0, ipv6: 0 }).replace(/\d.*$/, "")

/** `true`, `false`, `20/48`. */
const ecs: TextForm<SubnetPrefixes | undefined> = {
  read: (text) => {
    const word = text.toLowerCase()
    if (word === "false") return Result.succeed(undefined)
    return Result.mapError(
      readSubnetPrefixes(word === "true" ? "ecs" : WORD + word),
      () => "true, false, or 24/56: prefix lengths of IPv4 (1 to 32) and IPv6 (1 to 128)"
    )
  },
  write: (prefixes) => (prefixes === undefined ? "false" : `${prefixes.ipv4}/${prefixes.ipv6}`)
}

const fields = {
  suffix: field(name, "for this name and all below it; by default for all names"),
  except: field(oneOrMore(name), "but not for these names, nor for what is below them"),
  ...conditionFields,
  group: requiredField(
    fromText(
      checkedText((text) => LABEL.test(text), LABEL_EXPECTED),
      { kind: "text", pattern: LABEL.source, isMaybeNumber: true }
    ),
    "the group that its queries go to",
    "a group: which upstreams its queries go to"
  ),
  ecs: field(
    fromText(ecs, {
      kind: "either",
      shapes: [{ kind: "truth" }, { kind: "text", pattern: "^\\d{1,2}/\\d{1,3}$", examples: ["24/56"] }]
    }),
    "whether its upstreams are told the client's network (EDNS Client Subnet), and how much of it; by default not"
  )
}

type Fields = Schema.Struct<typeof fields>["Type"]

const ROOT = Uint8Array.of(0)

const read = (map: Fields): Result.Result<Rule, Wrong> =>
  Result.flatMap(conditionsOf(map), (conditions) =>
    map.suffix === undefined && isForAllClients(conditions)
      ? Result.fail({ expected: RULE_EXPECTED })
      : Result.succeed({
          suffix: map.suffix ?? ROOT,
          except: map.except ?? [],
          ...conditions,
          group: map.group,
          ecs: map.ecs
        })
  )

const write = (rule: Rule): Fields => ({
  suffix: rule.suffix,
  ...(rule.except.length === 0 ? {} : { except: rule.except }),
  ...keysOf(rule),
  group: rule.group,
  ...(rule.ecs === undefined ? {} : { ecs: rule.ecs })
})

export const ruleMap = fromMap("rule", fields, { read, write })
