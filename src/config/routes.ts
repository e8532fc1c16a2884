/**
 * Groups of upstreams, and rules that say which queries go to which group: each read from one text.
 *
 * | what | written |
 * | --- | --- |
 * | a group | `corp=10.1.0.1 10.1.0.2*3 policy=ordered` |
 * | a rule | `corp.example !public.corp.example client:10.1.0.0/16 -> corp` |
 *
 * In the file they may be maps, which are brought into these texts first.
 */
import { Predicate, Result } from "effect"
import type { IpNetwork } from "effect/net"
import { parseName } from "../dns/name.ts"
import { readUpstreamAddress } from "./read-upstream.ts"
import type { UpstreamAddress } from "./upstream-address.ts"
import { type Read, readNetwork } from "./values.ts"

export const policies = ["ordered", "round-robin", "least-busy", "fastest", "parallel", "hash"] as const
export type Policy = (typeof policies)[number]

/** An upstream and its share beside others; 1 where none is given. */
export type WeightedUpstream = UpstreamAddress & { readonly weight?: number }

export interface Group {
  readonly name: string
  readonly upstreams: ReadonlyArray<WeightedUpstream>
  readonly policy: Policy
  /** Tells its answers from those of other groups: of what it was written with; never 0. */
  readonly view: number
}

export interface Rule {
  /** In wire form; the root's where the rule is for all names. */
  readonly suffix: Uint8Array
  /** Names at or below these are not meant. */
  readonly except: ReadonlyArray<Uint8Array>
  /** Whose queries are meant; undefined for all clients'. */
  readonly client: IpNetwork.IpNetwork | undefined
  readonly group: string
}

const MAX_WEIGHT = 1000

/** `9.9.9.9`, `9.9.9.9*3`. */
export const readWeightedUpstream = (text: string): Read<WeightedUpstream> => {
  const weighted = /^(.*)\*(\d+)$/.exec(text)
  if (weighted === null) return readUpstreamAddress(text)
  const weight = Number(weighted[2])
  if (weight < 1 || weight > MAX_WEIGHT) return Result.fail(`a weight from 1 to ${MAX_WEIGHT} behind the *`)
  return Result.map(readUpstreamAddress(weighted[1]!), (address) => ({ ...address, weight }))
}

const isPolicy = (text: string): text is Policy => (policies as ReadonlyArray<string>).includes(text)

export const readGroup = (text: string): Read<Group> => {
  const named = /^\s*([A-Za-z0-9][A-Za-z0-9_-]*)\s*=\s*(.*)$/.exec(text)
  if (named === null) return Result.fail("name=upstream upstream … policy=…, the name of letters, digits, - and _")
  const [, name, rest] = named
  const upstreams: Array<WeightedUpstream> = []
  let policy: Policy = "fastest"
  for (const word of rest!.split(/\s+/).filter((part) => part !== "")) {
    if (word.startsWith("policy=")) {
      const asked = word.slice("policy=".length)
      if (!isPolicy(asked)) return Result.fail(`policy= one of ${policies.join(", ")}`)
      policy = asked
      continue
    }
    const upstream = readWeightedUpstream(word)
    if (Result.isFailure(upstream)) return Result.fail(`${upstream.failure}, not ${word}`)
    upstreams.push(upstream.success)
  }
  if (upstreams.length === 0) return Result.fail("at least one upstream in the group")
  return Result.succeed({ name: name!, upstreams, policy, view: fingerprint(rest!) })
}

export const readRule = (text: string): Read<Rule> => {
  const [conditions, group, ...more] = text.split("->").map((part) => part.trim())
  if (group === undefined || group === "" || more.length > 0) return Result.fail("conditions -> group")
  let suffix: Uint8Array | undefined
  let client: IpNetwork.IpNetwork | undefined
  const except: Array<Uint8Array> = []
  for (const word of conditions!.split(/\s+/).filter((part) => part !== "")) {
    if (word.startsWith("client:")) {
      const network = readNetwork(word.slice("client:".length))
      if (Result.isFailure(network)) return Result.fail(`client: ${network.failure}`)
      if (client !== undefined) return Result.fail("one client network a rule")
      client = network.success
      continue
    }
    const name = parseName((word.startsWith("!") ? word.slice(1) : word).toLowerCase())
    if (name === undefined) return Result.fail(`a name, not ${word}`)
    if (word.startsWith("!")) except.push(name)
    else if (suffix === undefined) suffix = name
    else return Result.fail("one suffix a rule")
  }
  if (suffix === undefined && client === undefined) return Result.fail("a suffix or a client network before the ->")
  return Result.succeed({ suffix: suffix ?? Uint8Array.of(0), except, client, group })
}

/** FNV-1a of what the group was written with, spaces aside. */
const fingerprint = (text: string): number => {
  let hash = 0x811c9dc5
  for (const octet of Buffer.from(text.trim().replace(/\s+/g, " "))) hash = Math.imul(hash ^ octet, 0x01000193)
  return hash === 0 ? 1 : hash
}

/** A list of texts for what a file says of upstreams: texts, or maps of address and weight. */
export const upstreamTexts = (value: unknown): ReadonlyArray<string> | undefined =>
  everyOf(asList(value), (item) => {
    if (isScalar(item)) return String(item)
    if (!hasOnly(item, ["address", "weight"]) || !isScalar(item["address"])) return undefined
    const { weight } = item
    return weight === undefined ? String(item["address"]) : `${item["address"]}*${weight}`
  })

/** The same of groups: texts, or a map of `name: { upstreams, policy }`. */
export const groupTexts = (value: unknown): ReadonlyArray<string> | undefined => {
  if (!Predicate.isObject(value) || Array.isArray(value)) return everyOf(asList(value), textOrNone)
  return everyOf(Object.entries(value), ([name, group]) => {
    if (isScalar(group)) return `${name}=${group}`
    if (!hasOnly(group, ["upstreams", "policy"])) return undefined
    const upstreams = upstreamTexts(group["upstreams"])
    if (upstreams === undefined) return undefined
    return `${name}=${upstreams.join(" ")}${group["policy"] === undefined ? "" : ` policy=${group["policy"]}`}`
  })
}

/** The same of rules: texts, or maps of `suffix`, `except`, `client` and `group`. */
export const ruleTexts = (value: unknown): ReadonlyArray<string> | undefined =>
  everyOf(asList(value), (rule) => {
    if (isScalar(rule)) return String(rule)
    if (!hasOnly(rule, ["suffix", "except", "client", "group"])) return undefined
    const except = everyOf(asList(rule["except"] ?? []), textOrNone)
    if (except === undefined) return undefined
    const suffix = rule["suffix"] === undefined ? [] : [String(rule["suffix"])]
    const client = rule["client"] === undefined ? [] : [`client:${rule["client"]}`]
    return [...suffix, ...except.map((name) => `!${name}`), ...client, "->", String(rule["group"] ?? "")].join(" ")
  })

const isScalar = (value: unknown): value is string | number | boolean =>
  Predicate.isString(value) || Predicate.isNumber(value) || Predicate.isBoolean(value)

const textOrNone = (value: unknown): string | undefined => (isScalar(value) ? String(value) : undefined)

const asList = (value: unknown): ReadonlyArray<unknown> =>
  Array.isArray(value)
    ? value
    : isScalar(value)
      ? String(value)
          .split(",")
          .map((item) => item.trim())
          .filter((item) => item !== "")
      : [value]

const hasOnly = (value: unknown, keys: ReadonlyArray<string>): value is Record<string, unknown> =>
  Predicate.isObject(value) && !Array.isArray(value) && Object.keys(value).every((key) => keys.includes(key))

const everyOf = <A>(
  items: ReadonlyArray<A>,
  toText: (item: A) => string | undefined
): ReadonlyArray<string> | undefined => {
  const texts = items.map(toText)
  return texts.every((text) => text !== undefined) ? texts : undefined
}
