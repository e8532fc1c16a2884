/**
 * Local answers: configured records, given before anything else is looked at.
 *
 * The records of a name that are for the same clients form one variant. Of the variants that are for a client the
 * narrowest is used, as among rules; a type that this variant does not have has no records. A client that no variant is
 * for is answered as if there were no local answer.
 *
 * A wildcard covers all names below its parent, except names that exist (with records, or above names with records) and
 * the names below these (RFC 4592 §2.2). A rule for a longer suffix is like a delegation: names that the rule covers
 * are not the wildcard's.
 *
 * Hot path where there are local answers: one pass over the name and one map lookup a query, or one for each label
 * where there are wildcards; no allocation. Where there are none, it costs nothing.
 */
import { asksForPlace, conditionsKey } from "../config/codec/conditions.ts"
import type { LocalAnswer } from "../config/codec/local-answer.ts"
import { Rcode, Type } from "../dns/codes.ts"
import { MAX_RECORDS_SIZE, OwnAnswer, type OwnRecords, ownRecords, sizeOf } from "../dns/own-answer.ts"
import type { Query } from "../dns/query.ts"
import { ancestorsOf, NameMap, Suffixes } from "../dns/suffixes.ts"
import { HEADER_SIZE } from "../dns/wire.ts"
import type { Peer } from "../io/peer.ts"
import { atOnce } from "../runtime/slices.ts"
import { type LocationOf, makeMatch, narrowness, type Router } from "./router.ts"

/** Names that are compiled at once, in about a millisecond. */
const SLICE = 20

type IsFor = (query: Query, client: Peer) => boolean

/** The records of one name for some clients. */
interface Variant {
  readonly isFor: IsFor
  readonly byType: ReadonlyMap<number, OwnRecords>
  readonly all: OwnRecords
  readonly ttlSeconds: number
}

/** A name that exists: with records, or only above one that has some (an empty non-terminal, RFC 9499 §7). */
interface Node {
  variants: ReadonlyArray<Variant>
  /** Of the wildcard right below. */
  wildcard: ReadonlyArray<Variant>
  /** The name exists for a client that meets any of these conditions. */
  readonly isThereFor: Array<IsFor>
}

/** Finds the server's own answer to a query; undefined where it has none. */
export type FindOwn = (query: Query, client: Peer) => OwnAnswer | undefined

/** Makes the function that looks among the local answers; undefined where there are none. */
export const makeLocalAnswers = (
  answers: ReadonlyArray<LocalAnswer>,
  locationOf: LocationOf,
  router: Pick<Router, "suffixLengthOf">
): FindOwn | undefined => atOnce(compileLocalAnswers(answers, locationOf, router))

/** The same in slices: there may be a hundred thousand local answers. */
export function* compileLocalAnswers(
  answers: ReadonlyArray<LocalAnswer>,
  locationOf: LocationOf,
  { suffixLengthOf }: Pick<Router, "suffixLengthOf">
): Generator<void, FindOwn | undefined> {
  if (answers.length === 0) return undefined
  const nodes = yield* nodesOf(answers, locationOf)
  const hasWildcards = answers.some(({ name }) => isWildcard(name))
  const own = new OwnAnswer()
  const suffixes = new Suffixes()

  const give = (query: Query, variant: Variant, zoneLength: number): OwnAnswer => {
    const records = query.type === Type.ANY ? variant.all : variant.byType.get(query.type)
    return records === undefined
      ? own.deny(query, Rcode.NoError, zoneLength, variant.ttlSeconds)
      : own.give(query, records)
  }

  return (query, client) => {
    const { nameLength, wire } = query
    suffixes.read(wire, HEADER_SIZE, nameLength)
    const exact = variantFor(nodes.find(wire, suffixes, 0)?.variants, query, client)
    if (exact !== undefined) return give(query, exact, nameLength)
    if (!hasWildcards) return undefined
    /** The closest encloser (RFC 4592 §3.3.1). */
    let encloser = -1
    for (let i = 0; i < suffixes.count; i++) {
      const node = nodes.find(wire, suffixes, i)
      if (node === undefined || !isThere(node, query, client)) continue
      if (encloser < 0) encloser = i
      const wildcard = i === 0 ? undefined : variantFor(node.wildcard, query, client)
      if (wildcard === undefined) continue
      const zoneLength = suffixes.lengthOf(i)
      if (suffixLengthOf(query, client) > zoneLength) return undefined
      if (i === encloser) return give(query, wildcard, zoneLength)
      return own.deny(query, encloser === 0 ? Rcode.NoError : Rcode.NXDomain, zoneLength, wildcard.ttlSeconds)
    }
    return undefined
  }
}

/** Whether what is answered depends on where clients are. */
export const answerByLocation = (answers: ReadonlyArray<LocalAnswer>): boolean => answers.some(asksForPlace)

const variantFor = (variants: ReadonlyArray<Variant> | undefined, query: Query, client: Peer): Variant | undefined => {
  if (variants === undefined) return undefined
  for (const variant of variants) if (variant.isFor(query, client)) return variant
  return undefined
}

const isThere = ({ isThereFor }: Node, query: Query, client: Peer): boolean => {
  for (const isFor of isThereFor) if (isFor(query, client)) return true
  return false
}

const isWildcard = (name: Uint8Array): boolean => name[0] === 1 && name[1] === 0x2a

const NONE: ReadonlyArray<Variant> = []

/** All names that exist because of the answers: the names with records and the names above them. */
function* nodesOf(answers: ReadonlyArray<LocalAnswer>, locationOf: LocationOf): Generator<void, NameMap<Node>> {
  const nodes = new NameMap<Node>()
  const conditions = new Map<Node, Set<string>>()
  const nodeOf = (name: Uint8Array): Node => {
    const found = nodes.get(name)
    if (found !== undefined) return found
    const node: Node = { variants: NONE, wildcard: NONE, isThereFor: [] }
    nodes.set(name, node)
    conditions.set(node, new Set())
    return node
  }
  let count = 0
  for (const ofName of grouped(answers, ({ name }) => Buffer.from(name).toString("latin1")).values()) {
    if (++count % SLICE === 0) yield
    const { name } = ofName[0]!
    const byConditions = grouped(ofName, conditionsKey)
    const variants = [...byConditions.values()]
      .sort(([a], [b]) => narrowness(b!) - narrowness(a!))
      .map((records) => variantOf(records, locationOf))
    const ancestors = ancestorsOf(name)
    nodeOf(name).variants = variants
    if (isWildcard(name)) nodeOf(ancestors[0]!).wildcard = variants
    for (const [key, [answer]] of byConditions) {
      const isFor = makeMatch(answer!, locationOf)
      for (const each of [name, ...ancestors]) {
        const node = nodeOf(each)
        const known = conditions.get(node)!
        if (!known.has(key)) node.isThereFor.push(isFor)
        known.add(key)
      }
    }
  }
  return nodes
}

const variantOf = (answers: ReadonlyArray<LocalAnswer>, locationOf: LocationOf): Variant => {
  const byType = new Map(
    [...grouped(answers, ({ type }) => type)].map(([type, ofType]) => [type, ownRecords(ofType)] as const)
  )
  const [first] = byType.values()
  return {
    isFor: makeMatch(answers[0]!, locationOf),
    byType,
    // Those of one type are as good an answer to ANY as all (RFC 8482 §4.1).
    all: byType.size === 1 || sizeOf(answers) > MAX_RECORDS_SIZE ? first! : ownRecords(answers),
    ttlSeconds: Math.min(...answers.map(({ ttlSeconds }) => ttlSeconds))
  }
}

const grouped = <A, K>(items: ReadonlyArray<A>, keyOf: (item: A) => K): Map<K, Array<A>> => {
  const groups = new Map<K, Array<A>>()
  for (const item of items) {
    const key = keyOf(item)
    const group = groups.get(key)
    if (group === undefined) groups.set(key, [item])
    else group.push(item)
  }
  return groups
}
