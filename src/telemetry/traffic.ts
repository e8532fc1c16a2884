/**
 * What comes in and what goes out, counted by listener: numbers in shared memory, a row for each thread and listener,
 * summed when they are read.
 *
 * What is counted apart is fixed: types that are asked for often, rcodes, sizes in steps. No packet makes a new counter.
 *
 * Hot path: a query and its reply cost six additions.
 */
import { Type } from "../dns/codes.ts"
import { stableHash } from "../runtime/stable-hash.ts"
import type { ClientProtocol } from "./record.ts"

/** Types that are counted apart, and then all others, and queries whose question could not be read. */
const countedTypes = {
  A: Type.A,
  NS: Type.NS,
  CNAME: Type.CNAME,
  SOA: Type.SOA,
  PTR: Type.PTR,
  MX: Type.MX,
  TXT: Type.TXT,
  AAAA: Type.AAAA,
  SRV: Type.SRV,
  NAPTR: Type.NAPTR,
  DS: Type.DS,
  RRSIG: Type.RRSIG,
  NSEC: Type.NSEC,
  DNSKEY: 48,
  NSEC3: Type.NSEC3,
  TLSA: 52,
  SVCB: Type.SVCB,
  HTTPS: Type.HTTPS,
  IXFR: Type.IXFR,
  AXFR: Type.AXFR,
  ANY: Type.ANY,
  CAA: 257
} as const

export const typeLabels: ReadonlyArray<string> = [...Object.keys(countedTypes), "other", "none"]
const OTHER_TYPE = typeLabels.length - 2
const NO_TYPE = typeLabels.length - 1
const LARGEST_COUNTED = 257

const typeCells = new Uint8Array(LARGEST_COUNTED + 1).fill(OTHER_TYPE)
Object.values(countedTypes).forEach((type, cell) => {
  typeCells[type] = cell
})

/** Rcodes that fit the header (RFC 1035 §4.1.1), then BADVERS, which does not, then all others. */
export const rcodeLabels: ReadonlyArray<string> = [
  "NOERROR",
  "FORMERR",
  "SERVFAIL",
  "NXDOMAIN",
  "NOTIMP",
  "REFUSED",
  "YXDOMAIN",
  "YXRRSET",
  "NXRRSET",
  "NOTAUTH",
  "NOTZONE",
  "BADVERS",
  "other"
]
const BADVERS_CELL = 11
const OTHER_RCODE = 12

const rcodeCellOf = (rcode: number): number => {
  if (rcode < BADVERS_CELL) return rcode
  return rcode === 16 ? BADVERS_CELL : OTHER_RCODE
}

/** Octets of messages, the upper ends of the steps in which they are counted; the last is the largest message. */
export const sizeSteps: ReadonlyArray<number> = [
  64, 128, 192, 256, 320, 512, 768, 1_024, 1_280, 2_048, 4_096, 8_192, 16_384, 32_768, 65_535
]
const SIZE_UNIT_BITS = 6
const sizeCells = Uint8Array.from({ length: (65_535 >> SIZE_UNIT_BITS) + 1 }, (_, unit) =>
  sizeSteps.findIndex((step) => ((unit + 1) << SIZE_UNIT_BITS) - 1 <= step)
)
const sizeCellOf = (octets: number): number => sizeCells[(octets - 1) >> SIZE_UNIT_BITS] ?? 0

/** The cells of a row. */
const RCODES_AT = typeLabels.length
const QUERY_SIZES_AT = RCODES_AT + rcodeLabels.length
const QUERY_OCTETS_AT = QUERY_SIZES_AT + sizeSteps.length
const REPLY_SIZES_AT = QUERY_OCTETS_AT + 1
const REPLY_OCTETS_AT = REPLY_SIZES_AT + sizeSteps.length
const CELLS = REPLY_OCTETS_AT + 1

/** Listeners that are counted apart; those beyond share the last row. */
const LISTENERS = 32
const OTHERS = LISTENERS - 1
const NAME_OCTETS = 96
/** Before the rows: the identity of each listener, then their names. */
const NAMES_AT = LISTENERS * Int32Array.BYTES_PER_ELEMENT
const ROWS_AT = NAMES_AT + LISTENERS * NAME_OCTETS

export const trafficOctets = (threads: number): number =>
  ROWS_AT + LISTENERS * threads * CELLS * Float64Array.BYTES_PER_ELEMENT

/** What one thread counts of one listener. */
export interface ListenerTraffic {
  /** A query came in, so many octets long. */
  readonly received: (type: number, octets: number) => void
  /** One whose question could not be read. */
  readonly receivedUnread: (octets: number) => void
  /** A reply goes out. */
  readonly replied: (rcode: number, octets: number) => void
}

/** Nobody counts. */
export const uncounted: ListenerTraffic = { received: () => {}, receivedUnread: () => {}, replied: () => {} }

/** Counts in steps, and the sum of what was counted. */
export interface SizeCounts {
  /** As many as `sizeSteps`. */
  readonly counts: ReadonlyArray<number>
  readonly octets: number
}

/** What was counted of one listener, of all threads together. */
export interface ListenerCounts {
  /** Where it listens, as `127.0.0.1:53`. */
  readonly server: string
  readonly protocol: ClientProtocol
  readonly family: "1" | "2"
  /** By `typeLabels`. */
  readonly queries: ReadonlyArray<number>
  /** By `rcodeLabels`. */
  readonly replies: ReadonlyArray<number>
  readonly querySizes: SizeCounts
  readonly replySizes: SizeCounts
}

/** A listener's name is `family/protocol/server`; the family as CoreDNS has it: 1 is IPv4, 2 IPv6. */
const nameOf = (protocol: ClientProtocol, server: string): string =>
  `${server.startsWith("[") ? "2" : "1"}/${protocol}/${server}`

export class TrafficTable {
  private readonly head: Int32Array
  private readonly names: Uint8Array
  private readonly cells: Float64Array
  private readonly threads: number
  private readonly row: number

  /** @param start of `trafficOctets` in the memory, a multiple of 8; `row` is this thread's */
  constructor(memory: SharedArrayBuffer, start: number, threads: number, row: number) {
    this.head = new Int32Array(memory, start, LISTENERS)
    this.names = new Uint8Array(memory, start + NAMES_AT, LISTENERS * NAME_OCTETS)
    this.cells = new Float64Array(memory, start + ROWS_AT, LISTENERS * threads * CELLS)
    this.threads = threads
    this.row = row
  }

  /** @param server where it listens, as `127.0.0.1:53` or `[::1]:53` */
  at(protocol: ClientProtocol, server: string): ListenerTraffic {
    const start = (this.claim(nameOf(protocol, server)) * this.threads + this.row) * CELLS
    return new CountedListener(this.cells.subarray(start, start + CELLS))
  }

  /** Of all listeners that there were, of all threads together. */
  read(): ReadonlyArray<ListenerCounts> {
    const found: Array<ListenerCounts> = []
    for (let slot = 0; slot < LISTENERS; slot++) {
      if (this.head[slot] === 0 && slot !== OTHERS) continue
      const sums = this.sumsOf(slot)
      const [family, protocol, server] = this.nameAt(slot).split("/")
      const queries = [...sums.subarray(0, RCODES_AT)]
      if (slot === OTHERS && queries.every((count) => count === 0)) continue
      found.push({
        server: server!,
        protocol: protocol as ClientProtocol,
        family: family as ListenerCounts["family"],
        queries,
        replies: [...sums.subarray(RCODES_AT, QUERY_SIZES_AT)],
        querySizes: { counts: [...sums.subarray(QUERY_SIZES_AT, QUERY_OCTETS_AT)], octets: sums[QUERY_OCTETS_AT]! },
        replySizes: { counts: [...sums.subarray(REPLY_SIZES_AT, REPLY_OCTETS_AT)], octets: sums[REPLY_OCTETS_AT]! }
      })
    }
    return found
  }

  /** The slot of the listener of this name, the same in every thread. */
  private claim(name: string): number {
    const identity = stableHash(Buffer.from(name)) | 1
    for (let slot = 0; slot < OTHERS; slot++) {
      const before = Atomics.compareExchange(this.head, slot, 0, identity)
      if (before !== 0 && before !== identity) continue
      const start = slot * NAME_OCTETS
      new TextEncoder().encodeInto(name, this.names.subarray(start, start + NAME_OCTETS - 1))
      return slot
    }
    return OTHERS
  }

  private nameAt(slot: number): string {
    if (slot === OTHERS) return "1/udp/other"
    const octets = this.names.slice(slot * NAME_OCTETS, (slot + 1) * NAME_OCTETS)
    return Buffer.from(octets.subarray(0, octets.indexOf(0))).toString("utf8")
  }

  private sumsOf(slot: number): Float64Array {
    const sums = new Float64Array(CELLS)
    for (let thread = 0; thread < this.threads; thread++) {
      const start = (slot * this.threads + thread) * CELLS
      for (let cell = 0; cell < CELLS; cell++) sums[cell]! += this.cells[start + cell]!
    }
    return sums
  }
}

class CountedListener implements ListenerTraffic {
  private readonly cells: Float64Array

  constructor(cells: Float64Array) {
    this.cells = cells
  }

  received(type: number, octets: number): void {
    this.add(type <= LARGEST_COUNTED ? typeCells[type]! : OTHER_TYPE, octets)
  }

  receivedUnread(octets: number): void {
    this.add(NO_TYPE, octets)
  }

  private add(typeCell: number, octets: number): void {
    const { cells } = this
    cells[typeCell]! += 1
    cells[QUERY_SIZES_AT + sizeCellOf(octets)]! += 1
    cells[QUERY_OCTETS_AT]! += octets
  }

  replied(rcode: number, octets: number): void {
    const { cells } = this
    cells[RCODES_AT + rcodeCellOf(rcode)]! += 1
    cells[REPLY_SIZES_AT + sizeCellOf(octets)]! += 1
    cells[REPLY_OCTETS_AT]! += octets
  }
}
