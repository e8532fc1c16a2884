/** Names inside the data of records: where they stand, and how they are written. */
import { Type } from "./codes.ts"
import type { NameWriter } from "./compression.ts"
import { type NameTable, NO_NAME } from "./name-table.ts"
import { copyOctets, MAX_MESSAGE_SIZE } from "./wire.ts"

/** Data that holds names: fixed octets, names, and fixed octets again. */
interface DataFormat {
  readonly before: number
  readonly names: number
  readonly after: number
  /** Only in the types of RFC 1035 (RFC 3597 §4). */
  readonly mayCompress: boolean
}

const compressed = (before: number, names: number, after = 0): DataFormat => ({
  before,
  names,
  after,
  mayCompress: true
})
const whole = (before: number, names: number): DataFormat => ({ before, names, after: 0, mayCompress: false })

/** Types whose data holds names, by RFC 1035 and its early successors; all else is opaque (RFC 3597 §4). */
const formatsByType: ReadonlyArray<readonly [type: number, format: DataFormat]> = [
  [Type.NS, compressed(0, 1)],
  [3, compressed(0, 1)],
  [4, compressed(0, 1)],
  [Type.CNAME, compressed(0, 1)],
  [Type.SOA, compressed(0, 2, 20)],
  [7, compressed(0, 1)],
  [8, compressed(0, 1)],
  [9, compressed(0, 1)],
  [Type.PTR, compressed(0, 1)],
  [14, compressed(0, 2)],
  [Type.MX, compressed(2, 1)],
  [17, whole(0, 2)],
  [Type.AFSDB, whole(2, 1)],
  [Type.RT, whole(2, 1)],
  [26, whole(2, 2)],
  [Type.SRV, whole(6, 1)],
  // What stands before the name has a length of its own.
  [Type.NAPTR, whole(0, 1)],
  [Type.KX, whole(2, 1)],
  [Type.DNAME, whole(0, 1)]
]
/** The same by type. */
const formats: ReadonlyArray<DataFormat | undefined> = Array.from(
  { length: 64 },
  (_, type) => formatsByType.find(([each]) => each === type)?.[1]
)

/** Whether the names in the data `wire[start, end)` of a record fill it as its type says. */
export const isWellFormed = (names: NameTable, type: number, start: number, end: number): boolean => {
  const format = formats[type]
  if (format === undefined) return true
  let at = nameIn(names, format, type, start, end)
  for (let i = 0; i < format.names; i++) {
    if (at >= end || names.read(at) === NO_NAME) return false
    at = names.next
  }
  return at + format.after === end
}

/** The name to which well-formed data of a type leads: the first in it. */
export const firstName = (names: NameTable, type: number, start: number, end: number): number =>
  names.read(nameIn(names, formats[type]!, type, start, end))

/**
 * Writes well-formed data of a record at `to`.
 *
 * @returns the offset past it, or -1 where it does not fit a message
 */
export const writeData = (
  names: NameTable,
  writer: NameWriter,
  out: Uint8Array,
  type: number,
  start: number,
  end: number,
  to: number
): number => {
  const { wire } = names
  const format = formats[type]
  const namesAt = format === undefined ? end : nameIn(names, format, type, start, end)
  if (to + namesAt - start > MAX_MESSAGE_SIZE) return -1
  copyOctets(wire, start, namesAt, out, to)
  let at = to + namesAt - start
  if (format === undefined) return at
  let from = namesAt
  for (let i = 0; i < format.names; i++) {
    const name = names.read(from)
    at = format.mayCompress ? writer.write(name, at) : writer.writeWhole(name, at)
    from = names.next
  }
  copyOctets(wire, from, end, out, at)
  return at + end - from
}

/** Where the first name stands; `end` where the data ends before. */
const nameIn = (names: NameTable, format: DataFormat, type: number, start: number, end: number): number => {
  if (type !== Type.NAPTR) return start + format.before
  // Order, preference and three strings stand before it (RFC 3403 §4.1).
  let at = start + 4
  for (let i = 0; i < 3; i++) {
    if (at >= end) return end
    at += names.wire[at]! + 1
  }
  return at
}
