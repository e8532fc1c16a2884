/**
 * Groups of upstreams, and rules that say which queries go to which group: each read from one text.
 *
 * | what | written |
 * | --- | --- |
 * | a group | `corp=10.1.0.1 10.1.0.2*3 policy=ordered` |
 * | a rule | `corp.example !public.corp.example client:10.1.0.0/16 -> corp`, `cdn.example country:DE\|AT -> near ecs` |
 *
 * In the file they may be maps, which are brought into these texts first.
 */
import { Result } from "effect"
import type { Coordinates } from "../dns/client-context.ts"
import { parseName } from "../dns/name.ts"
import { readSubnetPrefixes, type SubnetPrefixes } from "./client-subnet.ts"
import { type Conditions, isForAllClients, readConditions } from "./conditions.ts"
import { meaning } from "./nearest.ts"
import { readUpstreamAddress } from "./read-upstream.ts"
import { shownUpstream } from "./secrets.ts"
import type { UpstreamAddress } from "./upstream-address.ts"
import type { Read } from "./values.ts"

export const policies = ["ordered", "round-robin", "least-busy", "fastest", "parallel", "hash", "geo"] as const
export type Policy = (typeof policies)[number]

/** An upstream, its share beside others (1 where none is given), and where it is (else looked up). */
export type WeightedUpstream = UpstreamAddress & { readonly weight?: number; readonly spot?: Coordinates }

export interface Group {
  readonly name: string
  readonly upstreams: ReadonlyArray<WeightedUpstream>
  readonly policy: Policy
  /** Tells its answers from those of other groups: of what it was written with; never 0. */
  readonly view: number
}

export interface Rule extends Conditions {
  /** In wire form; the root's where the rule is for all names. */
  readonly suffix: Uint8Array
  /** Names at or below these are not meant. */
  readonly except: ReadonlyArray<Uint8Array>
  readonly group: string
  /** How much of the client's address its upstreams are told; undefined for nothing. */
  readonly ecs: SubnetPrefixes | undefined
}

/** Tells the answers to queries that go by this rule from all others: told of clients, upstreams answer otherwise. */
export const viewBy = ({ ecs }: Rule, { view }: Group): number =>
  ecs === undefined ? view : fingerprint(`${view} ecs=${ecs.ipv4}/${ecs.ipv6}`)

const MAX_WEIGHT = 1000
/** Attempts at one address for one question, at most (RFC 9520 §3.1). */
export const MAX_ATTEMPTS_AT_ONE = 3

/** `9.9.9.9`, `9.9.9.9*3`, `9.9.9.9@52.5/13.4`, `9.9.9.9*3@52.5/13.4`. */
export const readWeightedUpstream = (text: string): Read<WeightedUpstream> => {
  const placed = /^(.*)@([^@/]+)\/([^@/]+)$/.exec(text)
  // A user and a password before a host end so as well.
  if (placed === null || (text.includes("/") && !/^[-\d.]+$/.test(placed[2]!))) return readUpstreamWithWeight(text)
  const spot = { latitude: coordinate(placed[2]!, 90), longitude: coordinate(placed[3]!, 180) }
  if (Number.isNaN(spot.latitude) || Number.isNaN(spot.longitude)) {
    return Result.fail("degrees north and east behind the @, such as @52.5/13.4")
  }
  return Result.map(readUpstreamWithWeight(placed[1]!), (upstream) => ({ ...upstream, spot }))
}

const coordinate = (text: string, limit: number): number => {
  const degrees = /^-?\d+(\.\d+)?$/.test(text) ? Number(text) : Number.NaN
  return Math.abs(degrees) <= limit ? degrees : Number.NaN
}

const readUpstreamWithWeight = (text: string): Read<WeightedUpstream> => {
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
      if (!isPolicy(asked)) return Result.fail(`policy= one of ${policies.join(", ")}${meaning(asked, policies)}`)
      policy = asked
      continue
    }
    const upstream = readWeightedUpstream(word)
    if (Result.isFailure(upstream)) return Result.fail(`${upstream.failure}, not ${shownUpstream(word)}`)
    upstreams.push(upstream.success)
  }
  if (upstreams.length === 0) return Result.fail("at least one upstream in the group")
  return Result.succeed({ name: name!, upstreams, policy, view: fingerprint(rest!) })
}

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
    const name = parseName((word.startsWith("!") ? word.slice(1) : word).toLowerCase())
    if (name === undefined) return Result.fail(`a name, not ${word}`)
    if (/^!?\*(\.|$)/.test(word)) return Result.fail(`a name without *, for it means all below it, not ${word}`)
    if (word.startsWith("!")) except.push(name)
    else if (suffix === undefined) suffix = name
    else return Result.fail("one suffix a rule")
  }
  if (suffix === undefined && isForAllClients(conditions)) {
    return Result.fail("a suffix, a client network, a country or a continent before the ->")
  }
  return Result.succeed({ suffix: suffix ?? Uint8Array.of(0), except, ...conditions, group, ecs: ecs.success })
}

const wordsOf = (text: string): ReadonlyArray<string> => text.split(/\s+/).filter((word) => word !== "")

/** FNV-1a of what the group was written with, spaces aside. */
const fingerprint = (text: string): number => {
  let hash = 0x811c9dc5
  for (const octet of Buffer.from(text.trim().replace(/\s+/g, " "))) hash = Math.imul(hash ^ octet, 0x01000193)
  return hash === 0 ? 1 : hash
}
