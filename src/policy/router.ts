/**
 * Routes a query to a group of upstreams: by its name, its client, and the client's location.
 *
 * The longest suffix wins. Among rules of one suffix those for clients' names win, then the one with the narrowest client
 * network, then those with a country, then those with a continent, then those for all clients. A rule whose exception
 * applies, or whose client is another, is skipped.
 *
 * Hot path where there are rules: no allocation, one pass over the name and one map lookup for each of its labels.
 */
import { asksForPlace, type Conditions } from "../config/codec/conditions.ts"
import type { Group } from "../config/codec/group.ts"
import { COMMON_VIEW, type Rule, viewBy } from "../config/codec/rule.ts"
import { Type } from "../dns/codes.ts"
import { sameName } from "../dns/name.ts"
import type { Query } from "../dns/query.ts"
import { NameMap, Suffixes } from "../dns/suffixes.ts"
import { HEADER_SIZE } from "../dns/wire.ts"
import { type Location, unknownLocation } from "../geo/location.ts"
import type { Peer } from "../io/peer.ts"
import { makeAcl } from "./acl.ts"

interface Route {
  readonly rule: Rule
  readonly suffix: Uint8Array
  readonly except: ReadonlyArray<Uint8Array>
  readonly mayUse: (query: Query, peer: Peer) => boolean
  readonly view: number
}

/** The location of the client of a query. */
export type LocationOf = (query: Query, client: Peer) => Location

export interface Router {
  /** The view of a query by its name and its client. */
  readonly viewOf: (query: Query, client: Peer) => number
  /** The rule by which `viewOf` decided the last time; undefined where there was none. */
  readonly lastRule: () => Rule | undefined
  /** Octets of the suffix of the rule that a query goes by; 1 for a rule for all names, 0 where it goes by none. */
  readonly suffixLengthOf: (query: Query, client: Peer) => number
}

/**
 * Compiles the rules.
 *
 * A DS record stands in the zone above the name that it is for (RFC 4035 §3.1.4.1): a question for one is routed as the
 * parent name is. The root's has no parent.
 *
 * @param locationOf called only where a rule's suffix matches that has a country or a continent
 */
export const makeRouter = (
  groups: ReadonlyArray<Group>,
  rules: ReadonlyArray<Rule>,
  locationOf: LocationOf = () => unknownLocation
): Router => {
  if (rules.length === 0) return { viewOf: () => COMMON_VIEW, lastRule: () => undefined, suffixLengthOf: () => 0 }
  const byName = new Map(groups.map((group) => [group.name, group] as const))
  const narrowestFirst = [...rules].sort((a, b) => narrowness(b) - narrowness(a))
  const routes = new NameMap<Array<Route>>()
  for (const rule of narrowestFirst) {
    const { suffix, except } = rule
    const group = byName.get(rule.group)
    const route: Route = {
      rule,
      suffix,
      except,
      mayUse: makeMatch(rule, locationOf),
      view: group === undefined ? COMMON_VIEW : viewBy(rule, group)
    }
    const same = routes.get(suffix)
    if (same === undefined) routes.set(suffix, [route])
    else same.push(route)
  }
  const suffixes = new Suffixes()
  const routeOf = (query: Query, client: Peer): Route | undefined => {
    const { wire } = query
    suffixes.read(wire, HEADER_SIZE, query.nameLength)
    const first = query.type === Type.DS && suffixes.count > 1 ? 1 : 0
    for (let i = first; i < suffixes.count; i++) {
      const here = routes.find(wire, suffixes, i)
      if (here === undefined) continue
      for (const route of here) {
        if (route.mayUse(query, client) && !isExcepted(route, wire, suffixes, first)) return route
      }
    }
    return undefined
  }
  let last: Route | undefined
  return {
    viewOf: (query, client) => {
      last = routeOf(query, client)
      return last?.view ?? COMMON_VIEW
    },
    lastRule: () => last?.rule,
    suffixLengthOf: (query, client) => routeOf(query, client)?.suffix.length ?? 0
  }
}

/** A name before a client network, that before a country, a country before a continent; each breaks the other's ties. */
export const narrowness = ({ client, clientNames, countries, continents }: Conditions): number =>
  (clientNames.length > 0 ? NAMED : 0) +
  ((client?.prefixLength ?? -1) + 1) * 4 +
  (countries.length > 0 ? 2 : 0) +
  (continents.length > 0 ? 1 : 0)

/** More than any network is worth. */
const NAMED = 1_024

/** A test whether the conditions hold for a query. */
export const makeMatch = (
  conditions: Conditions,
  locationOf: LocationOf
): ((query: Query, client: Peer) => boolean) => {
  const isIn = makeClientMatch(conditions)
  if (!asksForPlace(conditions)) return (_query, client) => isIn(client)
  const countries = new Set(conditions.countries)
  const continents = new Set(conditions.continents)
  return (query, client) => {
    if (!isIn(client)) return false
    const { country, continent } = locationOf(query, client)
    return (countries.size === 0 || countries.has(country)) && (continents.size === 0 || continents.has(continent))
  }
}

const makeClientMatch = ({ client: network, clientNames }: Conditions): ((client: Peer) => boolean) => {
  const isInNetwork = network === undefined ? undefined : makeAcl([network])
  if (clientNames.length === 0) return isInNetwork ?? (() => true)
  const names = new Set(clientNames)
  return (client) => client.clientName !== undefined && names.has(client.clientName) && (isInNetwork?.(client) ?? true)
}

/** Whether the name, without the `first` labels, is at or below an exception. */
const isExcepted = ({ except }: Route, wire: Uint8Array, suffixes: Suffixes, first: number): boolean => {
  for (const name of except) {
    for (let i = first; i < suffixes.count && suffixes.lengthOf(i) >= name.length; i++) {
      if (suffixes.lengthOf(i) === name.length && sameName(wire, suffixes.startOf(i), name, 0, name.length)) return true
    }
  }
  return false
}
