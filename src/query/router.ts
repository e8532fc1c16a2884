/**
 * Which group of upstreams a query goes to: by its name, by who asks, and from where.
 *
 * The longest suffix wins; among rules of one suffix the one with the narrowest client network, then those with a
 * country, then those with a continent, those for all clients last. A rule whose exception holds, or whose network or
 * place does not, is passed over as if it were not there.
 *
 * Hot path where there are rules: no allocation, some comparisons for each label of the name.
 */
import { asksForPlace, type Conditions } from "../config/conditions.ts"
import { type Group, type Rule, viewBy } from "../config/routes.ts"
import { LOWER, sameName } from "../dns/name.ts"
import type { Query } from "../dns/query.ts"
import { HEADER_SIZE } from "../dns/wire.ts"
import type { Peer } from "../io/peer.ts"
import { nowhere, type Place } from "../io/place.ts"
import { makeAccess } from "./access.ts"

interface Route {
  readonly suffix: Uint8Array
  readonly except: ReadonlyArray<Uint8Array>
  readonly mayUse: (query: Query, peer: Peer) => boolean
  readonly view: number
}

/** The view of the upstreams that have no group. */
export const COMMON_VIEW = 0

/** Where those who ask are. */
export type PlaceOf = (query: Query, client: Peer) => Place

/**
 * What says the view of a query by its name and its client.
 *
 * @param placeOf asked only where a rule's suffix fits that has a country or a continent
 */
export const makeRouter = (
  groups: ReadonlyArray<Group>,
  rules: ReadonlyArray<Rule>,
  placeOf: PlaceOf = () => nowhere
): ((query: Query, client: Peer) => number) => {
  if (rules.length === 0) return () => COMMON_VIEW
  const byName = new Map(groups.map((group) => [group.name, group] as const))
  const narrowestFirst = [...rules].sort((a, b) => narrowness(b) - narrowness(a))
  const routes = new Map<number, Array<Route>>()
  for (const rule of narrowestFirst) {
    const { suffix, except } = rule
    const group = byName.get(rule.group)
    const route: Route = {
      suffix,
      except,
      mayUse: makeMatch(rule, placeOf),
      view: group === undefined ? COMMON_VIEW : viewBy(rule, group)
    }
    const hash = hashOfName(suffix, 0, suffix.length)
    const same = routes.get(hash)
    if (same === undefined) routes.set(hash, [route])
    else same.push(route)
  }
  return (query, client) => {
    const { wire, nameLength } = query
    const end = HEADER_SIZE + nameLength
    for (let at = HEADER_SIZE; at < end; at += wire[at]! + 1) {
      const here = routes.get(hashOfName(wire, at, end))
      if (here === undefined) continue
      for (const route of here) {
        if (
          end - at === route.suffix.length &&
          sameName(wire, at, route.suffix, 0, end - at) &&
          route.mayUse(query, client) &&
          !isExcepted(route, wire, end)
        ) {
          return route.view
        }
      }
    }
    return COMMON_VIEW
  }
}

/** A client network before a country, a country before a continent; each breaks the other's ties. */
export const narrowness = ({ client, countries, continents }: Conditions): number =>
  ((client?.prefixLength ?? -1) + 1) * 4 + (countries.length > 0 ? 2 : 0) + (continents.length > 0 ? 1 : 0)

/** A test of whom the conditions mean. */
export const makeMatch = (conditions: Conditions, placeOf: PlaceOf): ((query: Query, client: Peer) => boolean) => {
  const isIn = conditions.client === undefined ? () => true : makeAccess([conditions.client])
  if (!asksForPlace(conditions)) return (_query, client) => isIn(client)
  const countries = new Set(conditions.countries)
  const continents = new Set(conditions.continents)
  return (query, client) => {
    if (!isIn(client)) return false
    const { country, continent } = placeOf(query, client)
    return (countries.size === 0 || countries.has(country)) && (continents.size === 0 || continents.has(continent))
  }
}

const isExcepted = ({ except }: Route, wire: Uint8Array, end: number): boolean => {
  for (const name of except) {
    const from = end - name.length
    let at = HEADER_SIZE
    while (at < from) at += wire[at]! + 1
    if (at === from && sameName(wire, at, name, 0, name.length)) return true
  }
  return false
}

/** FNV-1a of an uncompressed name, letters in lower case. */
export const hashOfName = (wire: Uint8Array, start: number, end: number): number => {
  let hash = 0x811c9dc5
  for (let at = start; at < end; at++) hash = Math.imul(hash ^ LOWER[wire[at]!]!, 0x01000193)
  return hash
}
