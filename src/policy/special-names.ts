/**
 * Special names are answered here: questions for them have no answer in the public DNS, and would leak names of the
 * local network to its servers.
 *
 * A rule for a special name, or for a name above it other than the root, has precedence: its queries go upstream. Names
 * of rules and of local answers, and the names above them, exist, whatever else is said of the zone.
 *
 * The DS records of a zone are in its parent zone, and are asked for upstream, so that a validator finds out that the
 * zone is not signed (RFC 4035 §3.1.4.1, RFC 8375 §4).
 *
 * Hot path: a filter on the last four octets before the root lets nearly all other names pass at once. The rest is one
 * pass over the name and one map lookup for each label, from the last one, as long as a special name has that ending.
 */

import type { Settings } from "../config/schema/settings.ts"
import {
  type NO_SPECIAL_NAMES,
  type SpecialKind,
  type SpecialName,
  specialZones
} from "../config/schema/special-names.ts"
import { Rcode, Type } from "../dns/codes.ts"
import { parseName, sameName } from "../dns/name.ts"
import { OwnAnswer, ownRecords } from "../dns/own-answer.ts"
import type { Query } from "../dns/query.ts"
import { ancestorsOf, NameMap, Suffixes } from "../dns/suffixes.ts"
import { HEADER_SIZE, u32 } from "../dns/wire.ts"
import type { FindOwn } from "./local-answers.ts"
import type { Router } from "./router.ts"

/** As RFC 6303 §3 has it. */
export const TTL_SECONDS = 10_800

interface Zone {
  /** Undefined for a name above one that is special. */
  readonly kind: SpecialKind | undefined
}

const ABOVE: Zone = { kind: undefined }

/** Makes the function that answers queries for special names; undefined where no name is special. */
export const makeSpecialNames = (
  names: ReadonlyArray<SpecialName | typeof NO_SPECIAL_NAMES>,
  { localAnswers, rules }: Pick<Settings, "localAnswers" | "rules">,
  { suffixLengthOf }: Pick<Router, "suffixLengthOf">
): FindOwn | undefined => {
  const special = specialZones(names).map(({ kind, name }) => ({ kind, name: parseName(name)! }))
  if (special.length === 0) return undefined
  const zones = new NameMap<Zone>()
  const endings = new Endings()
  for (const { name, kind } of special) {
    zones.set(name, { kind })
    endings.add(name)
    for (const above of ancestorsOf(name)) if (zones.get(above) === undefined) zones.set(above, ABOVE)
  }
  const there = new NameMap<true>()
  for (const name of [...localAnswers.map((answer) => answer.name), ...rules.map(({ suffix }) => suffix)]) {
    if (!endings.mayEnd(name, name.length)) continue
    for (const each of [name, ...ancestorsOf(name)]) there.set(each, true)
  }
  const suffixes = new Suffixes()
  const answers = new SpecialAnswers((query) => there.find(query.wire, suffixes, 0) === true)

  return (query, client) => {
    const { nameLength, wire } = query
    if (!endings.mayEnd(wire, HEADER_SIZE + nameLength)) return undefined
    suffixes.read(wire, HEADER_SIZE, nameLength)
    for (let i = suffixes.count - 1; i >= 0; i--) {
      const zone = zones.find(wire, suffixes, i)
      if (zone === undefined) return undefined
      if (zone.kind === undefined) continue
      if (suffixLengthOf(query, client) > 1) return undefined
      return answers.answer(query, zone.kind, suffixes.lengthOf(i))
    }
    return undefined
  }
}

/** A filter by the last four octets of a name before the root, letters in either case. */
class Endings {
  private readonly seen = new Uint8Array(256)

  add(name: Uint8Array): void {
    this.seen[endingOf(name, name.length)] = 1
  }

  /** @param end where the name ends */
  mayEnd(wire: Uint8Array, end: number): boolean {
    return this.seen[endingOf(wire, end)] === 1
  }
}

const endingOf = (wire: Uint8Array, end: number): number =>
  Math.imul(u32(wire, end - 5) | 0x20202020, 0x9e3779b1) >>> 24

const LOCALHOST = parseName("localhost")!
const LOOPBACK_REVERSE = parseName("1.0.0.127.in-addr.arpa")!
const LOOPBACK_REVERSE_IPV6_LENGTH = 32 * 2 + "ip6.arpa".length + 2

const loopbackAddresses = [
  { type: Type.A, ttlSeconds: TTL_SECONDS, data: Uint8Array.of(127, 0, 0, 1) },
  { type: Type.AAAA, ttlSeconds: TTL_SECONDS, data: Uint8Array.of(0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1) }
] as const

/** What names of each kind of zone are answered with. */
class SpecialAnswers {
  private readonly own = new OwnAnswer()
  private readonly a = ownRecords([loopbackAddresses[0]])
  private readonly aaaa = ownRecords([loopbackAddresses[1]])
  private readonly anyAddress = ownRecords(loopbackAddresses)
  private readonly ptr = ownRecords([{ type: Type.PTR, ttlSeconds: TTL_SECONDS, data: LOCALHOST }])
  /** The zone's own name, by a pointer to the question's (RFC 6303 §3). */
  private readonly ns = ownRecords([{ type: Type.NS, ttlSeconds: TTL_SECONDS, data: Uint8Array.of(0xc0, HEADER_SIZE) }])
  private readonly isThere: (query: Query) => boolean

  /** @param isThere whether something is configured at the name, or below it */
  constructor(isThere: (query: Query) => boolean) {
    this.isThere = isThere
  }

  /**
   * @param zoneLength octets of the zone's name
   * @returns undefined for what has to be asked for
   */
  answer(query: Query, kind: SpecialKind, zoneLength: number): OwnAnswer | undefined {
    switch (kind) {
      case "absent":
        return this.own.deny(query, this.isThere(query) ? Rcode.NoError : Rcode.NXDomain, zoneLength, TTL_SECONDS)
      case "nothing":
        return this.own.deny(query, Rcode.NoError, zoneLength, TTL_SECONDS)
      case "loopback":
        return this.loopback(query, zoneLength)
      case "loopback-reverse":
        return (query.type === Type.PTR || query.type === Type.ANY) && isLoopbackReverse(query, zoneLength)
          ? this.own.give(query, this.ptr)
          : this.empty(query, zoneLength)
      case "empty":
        return this.empty(query, zoneLength)
    }
  }

  private loopback(query: Query, zoneLength: number): OwnAnswer {
    switch (query.type) {
      case Type.A:
        return this.own.give(query, this.a)
      case Type.AAAA:
        return this.own.give(query, this.aaaa)
      case Type.ANY:
        return this.own.give(query, this.anyAddress)
      default:
        return this.own.deny(query, Rcode.NoError, zoneLength, TTL_SECONDS)
    }
  }

  private empty(query: Query, zoneLength: number): OwnAnswer | undefined {
    if (query.nameLength === zoneLength) {
      if (query.type === Type.DS) return undefined
      if (query.type === Type.SOA || query.type === Type.ANY) return this.own.giveSoa(query, TTL_SECONDS)
      if (query.type === Type.NS) return this.own.give(query, this.ns)
      return this.own.deny(query, Rcode.NoError, zoneLength, TTL_SECONDS)
    }
    const isThere = isOrIsAboveLoopbackReverse(query) || this.isThere(query)
    return this.own.deny(query, isThere ? Rcode.NoError : Rcode.NXDomain, zoneLength, TTL_SECONDS)
  }
}

/** Whether it is the name of 127.0.0.1, or of ::1, which is a zone of its own. */
const isLoopbackReverse = (query: Query, zoneLength: number): boolean =>
  zoneLength === LOOPBACK_REVERSE_IPV6_LENGTH
    ? query.nameLength === zoneLength
    : query.nameLength === LOOPBACK_REVERSE.length && isOrIsAboveLoopbackReverse(query)

const isOrIsAboveLoopbackReverse = ({ nameLength, wire }: Query): boolean =>
  nameLength <= LOOPBACK_REVERSE.length &&
  sameName(wire, HEADER_SIZE, LOOPBACK_REVERSE, LOOPBACK_REVERSE.length - nameLength, nameLength)
