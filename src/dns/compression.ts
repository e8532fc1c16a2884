/**
 * Writing names with compression (RFC 1035 §4.1.4).
 *
 * The names of a message share their ends: where each end was first written is noted by its number in the table, and a
 * name is written up to the longest end that is there already, which a pointer stands for. No names are compared.
 */
import { type NameTable, ROOT } from "./name-table.ts"
import { copyOctets, HEADER_SIZE, putU16 } from "./wire.ts"

const MAX_POINTER = 0x3fff

export class NameWriter {
  private readonly names: NameTable
  private readonly out: Uint8Array

  /** @param out the message that is written: at least 255 octets for each name */
  constructor(names: NameTable, out: Uint8Array) {
    this.names = names
    this.out = out
  }

  /** Notes that the question's name stands uncompressed behind the header. */
  noteQuestion(question: number): void {
    const { parent, writtenAt } = this.names
    let at = HEADER_SIZE
    for (let name = question; name !== ROOT; name = parent[name]!) {
      writtenAt[name] = at
      at += this.out[at]! + 1
    }
  }

  /**
   * Writes the name at `at`, compressed.
   *
   * A name that comes again is always written the same way: as a pointer to where it was first, or, past the offsets
   * that pointers reach, octet by octet.
   *
   * @returns the offset just past it
   */
  write(name: number, at: number): number {
    const { parent, writtenAt } = this.names
    let to = at
    for (let rest = name; rest !== ROOT; rest = parent[rest]!) {
      const before = writtenAt[rest]!
      if (before !== 0) {
        putU16(this.out, to, 0xc000 | before)
        return to + 2
      }
      const start = to
      to = this.writeLabel(rest, to)
      if (start <= MAX_POINTER) writtenAt[rest] = start
    }
    this.out[to] = 0
    return to + 1
  }

  /** The same without compression, for data in which it is not allowed (RFC 3597 §4). */
  writeWhole(name: number, at: number): number {
    let to = at
    for (let rest = name; rest !== ROOT; rest = this.names.parent[rest]!) to = this.writeLabel(rest, to)
    this.out[to] = 0
    return to + 1
  }

  /** Spelt as it was written first: the question in lower case. */
  private writeLabel(name: number, to: number): number {
    const { labelAt, wire, writtenAt } = this.names
    const before = writtenAt[name]!
    const from = before === 0 ? wire : this.out
    const start = before === 0 ? labelAt[name]! : before
    const end = start + from[start]! + 1
    copyOctets(from, start, end, this.out, to)
    return to + end - start
  }
}
