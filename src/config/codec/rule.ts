/**
 * Rules that say which queries go to which group: `corp.example !public.corp.example client:10.1.0.0/16 -> corp`,
 * `cdn.example country:DE|AT -> near ecs`.
 */
import { Result } from "effect"
import { parseName } from "../../dns/name.ts"
import { type Conditions, isForAllClients, readConditions, writeConditions } from "./conditions.ts"
import { fingerprint } from "./fingerprint.ts"
import type { Group } from "./group.ts"
import { writeName } from "./names.ts"
import { readSubnetPrefixes, type SubnetPrefixes, subnetPrefixes } from "./subnet-prefixes.ts"
import type { Read, TextForm } from "./text-form.ts"

export interface Rule extends Conditions {
  /** In wire form; the root's where the rule is for all names. */
  readonly suffix: Uint8Array
  /** Names at or below these are not meant. */
  readonly except: ReadonlyArray<Uint8Array>
  readonly group: string
  /** How much of the client's address its upstreams are told; undefined for nothing. */
  readonly ecs: SubnetPrefixes | undefined
}

/** The view of queries that no rule covers, and of the upstreams that they go to. */
export const COMMON_VIEW = 0

/**
 * The view under which answers to queries of this rule are kept: its group's, and one of its own where upstreams are told
 * of the client's network, for then they may answer otherwise.
 */
export const viewBy = ({ ecs }: Rule, { view }: Group): number =>
  ecs === undefined ? view : fingerprint(`${view} ecs=${ecs.ipv4}/${ecs.ipv6}`)

/** A name that a rule is for, or not for; in lower case. */
export const readRuleName = (text: string): Read<Uint8Array> => {
  const name = parseName(text.toLowerCase())
  if (name === undefined) return Result.fail(`a name, not ${text}`)
  return /^\*(\.|$)/.test(text)
    ? Result.fail(`a name without *, for it means all below it, not ${text}`)
    : Result.succeed(name)
}

/** What a rule has to have. */
export const RULE_EXPECTED = "a suffix, a client network, a client's name, a country or a continent"

export const readRule = (text: string): Read<Rule> => {
  const [before, after, ...more] = text.split("->").map(wordsOf)
  const [group, ...how] = after ?? []
  if (group === undefined || more.length > 0)
    return Result.fail("conditions -> group, such as corp.example -> internal")
  const ecs = how.length === 0 ? Result.succeed(undefined) : readSubnetPrefixes(how.join(" "))
  if (Result.isFailure(ecs)) return Result.fail(`behind the group nothing, or ${ecs.failure}`)
  const read = readConditions(before!)
  if (Result.isFailure(read)) return Result.fail(read.failure)
  const { conditions, rest } = read.success
  let suffix: Uint8Array | undefined
  const except: Array<Uint8Array> = []
  for (const word of rest) {
    const isExcepted = word.startsWith("!")
    const name = readRuleName(isExcepted ? word.slice(1) : word)
    if (Result.isFailure(name)) return Result.fail(name.failure)
    if (isExcepted) except.push(name.success)
    else if (suffix === undefined) suffix = name.success
    else return Result.fail("one suffix a rule")
  }
  if (suffix === undefined && isForAllClients(conditions)) {
    return Result.fail(`${RULE_EXPECTED} before the ->`)
  }
  return Result.succeed({ suffix: suffix ?? Uint8Array.of(0), except, ...conditions, group, ecs: ecs.success })
}

const wordsOf = (text: string): ReadonlyArray<string> => text.split(/\s+/).filter((word) => word !== "")

const writeRule = (rule: Rule): string =>
  [
    writeName(rule.suffix),
    ...rule.except.map((name) => `!${writeName(name)}`),
    ...writeConditions(rule),
    "->",
    rule.group,
    ...(rule.ecs === undefined ? [] : [subnetPrefixes.write(rule.ecs)])
  ].join(" ")

export const rule: TextForm<Rule> = { read: readRule, write: writeRule }
