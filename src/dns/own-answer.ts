/**
 * Answers that this server makes itself, put together behind a client's question.
 *
 * Owners are pointers to the question's name, or to a name that it ends in, and names in data are not compressed: the
 * same octets serve a question of any length, and what a wildcard has is given under the name that was asked for.
 *
 * Hot path where there are such answers: one message is written over from answer to answer, nothing is allocated.
 */
import { Class, Rcode, Type } from "./codes.ts"
import { MAX_NAME_LENGTH, parseName } from "./name.ts"
import type { Query } from "./query.ts"
import { type AnswerMessage, MAX_UDP_SIZE } from "./reply.ts"
import { copyOctets, HEADER_SIZE, MAX_MESSAGE_SIZE, putU16, putU32 } from "./wire.ts"

const POINTER = 0xc000
/** Owner, type, class, TTL and length of a record whose owner is a pointer. */
const RECORD_SIZE = 12
/** What records may measure, so that any question and our OPT have room beside them. */
export const MAX_RECORDS_SIZE = MAX_MESSAGE_SIZE - MAX_UDP_SIZE

/**
 * A record of the name that was asked for.
 *
 * **When to use**
 *
 * Use with {@link messageFor}.
 */
export interface OwnRecord {
  readonly type: number
  readonly ttlSeconds: number
  /** As it stands in a message, names not compressed. */
  readonly data: Uint8Array
}

/** Records of the name that is asked for, as they follow a question. */
export interface OwnRecords {
  readonly octets: Uint8Array
  readonly count: number
  /** The smallest of them. */
  readonly ttlSeconds: number
  /** How often they were given: their addresses take turns by it. */
  rotation: number
}

/** Octets that the records take. */
export const sizeOf = (records: ReadonlyArray<OwnRecord>): number =>
  records.reduce((size, { data }) => size + RECORD_SIZE + data.length, 0)

/**
 * @param records at most `MAX_RECORDS_SIZE` octets of them; those of one type get the smallest of their TTLs (RFC 2181
 *   §5.2)
 */
export const ownRecords = (records: ReadonlyArray<OwnRecord>, ofClass: number = Class.IN): OwnRecords => {
  const ttls = new Map<number, number>()
  for (const { type, ttlSeconds } of records) ttls.set(type, Math.min(ttls.get(type) ?? ttlSeconds, ttlSeconds))
  const octets = new Uint8Array(sizeOf(records))
  let at = 0
  for (const { data, type } of records) {
    putU16(octets, at, POINTER | HEADER_SIZE)
    putU16(octets, at + 2, type)
    putU16(octets, at + 4, ofClass)
    putU32(octets, at + 6, ttls.get(type)!)
    putU16(octets, at + 10, data.length)
    octets.set(data, at + RECORD_SIZE)
    at += RECORD_SIZE + data.length
  }
  return { octets, count: records.length, ttlSeconds: Math.min(...ttls.values()), rotation: 0 }
}

/** Of an SOA as RFC 6303 §3 has it, but for the zone's name and the TTL: its owner, its MNAME, its MINIMUM. */
const NOBODY = parseName("nobody.invalid")!
const SOA_SIZE = RECORD_SIZE + 2 + NOBODY.length + 20

export class OwnAnswer implements AnswerMessage {
  readonly wire: Uint8Array = new Uint8Array(HEADER_SIZE + MAX_NAME_LENGTH + 4 + MAX_RECORDS_SIZE)
  readonly ageSeconds = 0
  readonly scope = 0
  length = 0
  rotation = 0
  /** The smallest TTL of its records. */
  ttlSeconds = 0

  /** The records under the name that was asked for. */
  give(query: Query, records: OwnRecords): this {
    const at = this.begin(query, Rcode.NoError, records.count, 0)
    copyOctets(records.octets, 0, records.octets.length, this.wire, at)
    this.length = at + records.octets.length
    records.rotation = (records.rotation + 1) & 0xffff
    this.rotation = records.rotation
    this.ttlSeconds = records.ttlSeconds
    return this
  }

  /**
   * No such name, or no records of the type, with the zone's SOA, so that it may be kept (RFC 2308 §5).
   *
   * @param zoneLength octets of the zone's name, in which the question's ends
   */
  deny(query: Query, rcode: number, zoneLength: number, ttlSeconds: number): this {
    this.writeSoa(query, this.begin(query, rcode, 0, 1), zoneLength, ttlSeconds)
    return this
  }

  /** The SOA of a zone whose name was asked for. */
  giveSoa(query: Query, ttlSeconds: number): this {
    this.writeSoa(query, this.begin(query, Rcode.NoError, 1, 0), query.nameLength, ttlSeconds)
    return this
  }

  private begin(query: Query, rcode: number, answers: number, authorities: number): number {
    const { wire } = this
    copyOctets(query.wire, 0, query.questionEnd, wire, 0)
    putU16(wire, 2, rcode)
    putU16(wire, 6, answers)
    putU16(wire, 8, authorities)
    putU16(wire, 10, 0)
    return query.questionEnd
  }

  private writeSoa(query: Query, at: number, zoneLength: number, ttlSeconds: number): void {
    const { wire } = this
    const zone = POINTER | (HEADER_SIZE + query.nameLength - zoneLength)
    putU16(wire, at, zone)
    putU16(wire, at + 2, Type.SOA)
    putU16(wire, at + 4, Class.IN)
    putU32(wire, at + 6, ttlSeconds)
    putU16(wire, at + 10, SOA_SIZE - RECORD_SIZE)
    putU16(wire, at + RECORD_SIZE, zone)
    copyOctets(NOBODY, 0, NOBODY.length, wire, at + RECORD_SIZE + 2)
    const numbers = at + RECORD_SIZE + 2 + NOBODY.length
    putU32(wire, numbers, 1)
    putU32(wire, numbers + 4, 3600)
    putU32(wire, numbers + 8, 1200)
    putU32(wire, numbers + 12, 604_800)
    putU32(wire, numbers + 16, ttlSeconds)
    this.length = at + SOA_SIZE
    this.ttlSeconds = ttlSeconds
  }
}
