/**
 * The records of one message, each looked at once: owner, type, class, TTL, where the data stands.
 *
 * OPT, TSIG and SIG(0) are no part of what a message says: they are read and left out.
 */
import { Class, Type } from "./codes.ts"
import { type NameTable, NO_NAME, ROOT } from "./name-table.ts"
import { isWellFormed } from "./record-data.ts"
import { u8, u16, u32 } from "./wire.ts"

/** The shortest record has eleven octets. */
const MAX_RECORDS = 6016

export const Section = { Answer: 0, Authority: 1, Additional: 2 } as const

export class RecordTable {
  count = 0
  /** Records that were looked at since `begin`, in whatever order. */
  steps = 0
  readonly owner = new Uint16Array(MAX_RECORDS)
  readonly type = new Uint16Array(MAX_RECORDS)
  readonly class = new Uint16Array(MAX_RECORDS)
  readonly ttlSeconds = new Uint32Array(MAX_RECORDS)
  readonly dataAt = new Uint32Array(MAX_RECORDS)
  readonly dataEnd = new Uint32Array(MAX_RECORDS)
  readonly isKept = new Uint8Array(MAX_RECORDS)
  /** Where each section ends. */
  readonly sectionEnd = new Uint16Array(3)

  hasOpt = false
  /** From the OPT: the upper bits of the rcode, and where its options stand. */
  upperRcode = 0
  optionsAt = 0
  optionsEnd = 0

  private readonly names: NameTable
  /** The record of the same owner and section before, counted from 1; 0 where there is none. */
  private readonly before = new Uint16Array(MAX_RECORDS)

  constructor(names: NameTable) {
    this.names = names
  }

  /** Forgets the message before. */
  begin(): void {
    this.count = 0
    this.steps = 0
    this.hasOpt = false
    this.upperRcode = 0
    this.optionsAt = 0
    this.optionsEnd = 0
    for (let section = 0; section < 3; section++) this.sectionEnd[section] = 0
  }

  /**
   * Reads `count` records that stand at `start` of the message of which the names are read.
   *
   * @param end where the message ends
   * @returns the offset past them, or -1 where they are not well-formed
   */
  read(section: number, start: number, count: number, end: number): number {
    const { names } = this
    const { wire } = names
    let at = start
    for (let i = 0; i < count; i++) {
      const owner = names.read(at)
      const fixed = names.next
      if (owner === NO_NAME || fixed + 10 > end) return -1
      const type = u16(wire, fixed)
      const dataAt = fixed + 10
      const dataEnd = dataAt + u16(wire, fixed + 8)
      if (dataEnd > end) return -1
      if (type === Type.OPT) {
        if (this.hasOpt || section !== Section.Additional || owner !== ROOT) return -1
        this.hasOpt = true
        this.upperRcode = u8(wire, fixed + 4)
        this.optionsAt = dataAt
        this.optionsEnd = dataEnd
      } else if (type !== Type.TSIG && (type !== Type.SIG || owner !== ROOT)) {
        // Signatures of the transaction are between us and the upstream (RFC 8945 §5.3, RFC 2931 §3.1).
        const recordClass = u16(wire, fixed + 2)
        if (!hasAddressSize(type, recordClass, dataEnd - dataAt)) return -1
        if (!isWellFormed(names, type, dataAt, dataEnd)) return -1
        this.add(section, owner, type, recordClass, u32(wire, fixed + 4), dataAt, dataEnd)
      }
      at = dataEnd
    }
    this.sectionEnd[section] = this.count
    return at
  }

  /** The last record of an owner in the answer section, and the one before a record; -1 where there is none. */
  lastOf(owner: number): number {
    this.steps++
    return this.names.lastRecord[owner]! - 1
  }

  previous(record: number): number {
    this.steps++
    return this.before[record]! - 1
  }

  /**
   * Gives the records of each RRset one TTL, the smallest of them (RFC 2181 §5.2), in one pass over the records.
   * Signatures are no RRset (RFC 4034 §3).
   */
  levelTtls(): void {
    const { count, ttlSeconds } = this
    let isLevel = true
    for (let record = 1; record < count && isLevel; record++) isLevel = ttlSeconds[record] === ttlSeconds[0]
    if (isLevel) return
    const smallest = new Map<number, number>()
    let start = 0
    for (const end of this.sectionEnd) {
      for (let record = start; record < end; record++) {
        const key = this.setOf(record)
        const seconds = ttlSeconds[record]!
        if (seconds < (smallest.get(key) ?? Number.POSITIVE_INFINITY)) smallest.set(key, seconds)
      }
      for (let record = start; record < end; record++) {
        if (this.type[record] !== Type.RRSIG) ttlSeconds[record] = smallest.get(this.setOf(record))!
      }
      smallest.clear()
      start = end
    }
  }

  /** A number for an RRset: the record's owner and class, and its type, or the one that is given. */
  setOf(record: number, type = this.type[record]!): number {
    return (this.owner[record]! * 0x10000 + type) * 0x10000 + this.class[record]!
  }

  /** The type that an RRSIG covers (RFC 4034 §3.1.1). */
  covered(record: number): number {
    return this.dataEnd[record]! - this.dataAt[record]! < 2 ? 0 : u16(this.names.wire, this.dataAt[record]!)
  }

  private add(
    section: number,
    owner: number,
    type: number,
    recordClass: number,
    ttlSeconds: number,
    dataAt: number,
    dataEnd: number
  ): void {
    const record = this.count++
    this.owner[record] = owner
    this.type[record] = type
    this.class[record] = recordClass
    // One with the highest bit is 0 (RFC 2181 §8).
    this.ttlSeconds[record] = ttlSeconds > 0x7fffffff ? 0 : ttlSeconds
    this.dataAt[record] = dataAt
    this.dataEnd[record] = dataEnd
    this.isKept[record] = 0
    if (section !== Section.Answer) return
    this.before[record] = this.names.lastRecord[owner]!
    this.names.lastRecord[owner] = this.count
  }
}

/** An address has four octets, or sixteen (RFC 1035 §3.4.1, RFC 3596 §2.2). */
const hasAddressSize = (type: number, recordClass: number, size: number): boolean =>
  recordClass !== Class.IN || (type === Type.A ? size === 4 : type !== Type.AAAA || size === 16)
