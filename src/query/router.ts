/**
 * Which group of upstreams a query goes to: by its name and by who asks.
 *
 * The longest suffix wins; among rules of one suffix the one with the narrowest client network, those for all clients
 * last. A rule whose exception holds, or whose network does not, is passed over as if it were not there.
 *
 * Hot path where there are rules: no allocation, some comparisons for each label of the name.
 */
import type { Group, Rule } from "../config/routes.ts"
import { LOWER, sameName } from "../dns/name.ts"
import type { Query } from "../dns/query.ts"
import { HEADER_SIZE } from "../dns/wire.ts"
import type { Peer } from "../io/peer.ts"
import { makeAccess } from "./access.ts"

interface Route {
  readonly suffix: Uint8Array
  readonly except: ReadonlyArray<Uint8Array>
  readonly mayUse: (peer: Peer) => boolean
  readonly view: number
}

/** The view of the upstreams that have no group. */
export const COMMON_VIEW = 0

/** What says the view of a query by its name and its client. */
export const makeRouter = (
  groups: ReadonlyArray<Group>,
  rules: ReadonlyArray<Rule>
): ((query: Query, client: Peer) => number) => {
  if (rules.length === 0) return () => COMMON_VIEW
  const views = new Map(groups.map(({ name, view }) => [name, view] as const))
  const narrowestFirst = [...rules].sort((a, b) => (b.client?.prefixLength ?? -1) - (a.client?.prefixLength ?? -1))
  const routes = new Map<number, Array<Route>>()
  for (const { suffix, except, client, group } of narrowestFirst) {
    const route: Route = {
      suffix,
      except,
      mayUse: client === undefined ? () => true : makeAccess([client]),
      view: views.get(group) ?? COMMON_VIEW
    }
    const hash = hashOf(suffix, 0, suffix.length)
    const same = routes.get(hash)
    if (same === undefined) routes.set(hash, [route])
    else same.push(route)
  }
  return ({ wire, nameLength }, client) => {
    const end = HEADER_SIZE + nameLength
    for (let at = HEADER_SIZE; at < end; at += wire[at]! + 1) {
      const here = routes.get(hashOf(wire, at, end))
      if (here === undefined) continue
      for (const route of here) {
        if (
          end - at === route.suffix.length &&
          sameName(wire, at, route.suffix, 0, end - at) &&
          route.mayUse(client) &&
          !isExcepted(route, wire, end)
        ) {
          return route.view
        }
      }
    }
    return COMMON_VIEW
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

/** FNV-1a, letters in lower case. */
const hashOf = (wire: Uint8Array, start: number, end: number): number => {
  let hash = 0x811c9dc5
  for (let at = start; at < end; at++) hash = Math.imul(hash ^ LOWER[wire[at]!]!, 0x01000193)
  return hash
}
